"""Makes what compose.yaml mounts: keys, certificates and passwords, in a folder that only one user can enter.

`python -m compose.prepare` may be run again at any time: it makes what is missing and replaces nothing. The keys are
self-signed, for trying the bus out; an agency's real key is made by the agency, and only its certificate comes here.
"""

from __future__ import annotations

import os
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path

from bus import assets
from bus.broker.passwords import Passwords
from bus.broker.topology import topology_for
from bus.documents.making import new_seal, write_seal
from bus.documents.notes import make_key
from bus.process import keep_private

HERE = Path(__file__).resolve().parent
OPERATOR = "bus.admin"
LEDGER = "ledger"
LOG_KEY = "log.key.pem"
UNPRIVILEGED = 10001
"""Owner of the files, and user of the containers, when root prepares them."""


def prepare(folder: Path, directory: Path) -> None:
    """Make keys and certificates for the bus and each agency of a directory file, and a password for every user."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    certificates = certificate_files(directory)
    for name, certificate in certificates.items():
        _provide_key(folder, name, certificate)
    if not (folder / "keys" / LOG_KEY).exists():
        make_key(folder / "keys" / LOG_KEY)
    passwords = Passwords(folder / "passwords")
    codes = [name for name in certificates if name != "bus"]
    for user in [OPERATOR, LEDGER, *(user.name for user in topology_for(codes).users)]:
        passwords.of(user)
    _write_secret(
        folder / "operator.conf", f"default_user = {OPERATOR}\ndefault_pass = {passwords.of(OPERATOR)}\n"
    )


def certificate_files(directory: Path) -> Mapping[str, str]:
    """Return `bus` and each agency's code with the name of its first certificate file."""
    content = tomllib.loads(directory.read_text(encoding="utf-8"))
    agencies = {agency["code"]: agency["certificates"][0]["file"] for agency in content["agency"]}
    return {"bus": content["bus"]["certificates"][0]["file"], **agencies}


def _provide_key(folder: Path, name: str, certificate: str) -> None:
    if (folder / "keys" / f"{name}.key.pem").exists():
        return
    made = write_seal(new_seal(name), folder / "keys", name)
    (folder / "certificates").mkdir(exist_ok=True)
    made.certificate.rename(folder / "certificates" / certificate)


def _write_secret(file: Path, text: str) -> None:
    if not file.exists():
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
            stream.write(text)


def _assign(*roots: Path) -> tuple[int, int]:
    """Return the user and group that own the files; containers never run as root, so root gives them away."""
    if os.geteuid() != 0:
        return os.geteuid(), os.getegid()
    for root in roots:
        for path in [root, *root.rglob("*")]:
            os.chown(path, UNPRIVILEGED, UNPRIVILEGED)
    return UNPRIVILEGED, UNPRIVILEGED


def main() -> int:
    """Prepare the folder beside compose.yaml, and name its owner in the file that Compose reads by itself."""
    keep_private()
    folder = HERE / "private"
    prepare(folder, assets.path("config/agencies.toml"))
    user, group = _assign(folder)
    (HERE / ".env").write_text(f"SARABAN_UID={user}\nSARABAN_GID={group}\n", encoding="ascii")
    print(f"Keys, certificates and passwords are in {folder}; containers run as user {user}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
