"""The signed documents of a pack, each judged by the directory that was in force when the bus judged it."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

from bus.verifier.chains import require_vouched, revoked_by
from bus.verifier.container import Pack
from bus.verifier.directory import BUS, Directory, Pin, require_in_force
from bus.verifier.findings import Broken, Unknown
from bus.verifier.xmlsig import Signed, certificate_of, verified

Body = dict[str, Any]
LETTER, NOTICE = "Letter", "Notice"
ROOTS = {
    f"{{urn:saraban-bus:{root.lower()}:{version}}}{root}": (root, version)
    for root in (LETTER, NOTICE)
    for version in ("1.0", "1.1")
}
"""What this program has an account of: the root of each version of each type of document."""


class Documents:
    """What is signed in a pack; `entries` are the proven ones by number, `directories` those of them by version."""

    def __init__(self, pack: Pack, entries: dict[int, Body], directories: dict[int, Directory]) -> None:
        self._pack = pack
        self._entries = entries
        self._directories = directories

    def signed(self, name: str, sha256: str, author: str, used: Body) -> Signed:
        """A signed document of the pack, as of when the bus received it, judged by the directory that the bus used."""
        data = self._pack.read(name)
        if hashlib.sha256(data).hexdigest() != sha256:
            raise Broken("its bytes are not those of its entry")
        at = time_of(used.get("receivedAt") or used.get("at"))
        certificate = certificate_of(data)
        fingerprint = certificate.fingerprint(SHA256()).hex()
        directory = self.directory(used)
        pin = directory.pin(author, fingerprint)
        if pin is None:
            vouchers = directory.vouchers(author)
            if not vouchers:
                raise Broken(f"signed with a certificate that did not speak for {author}")
            require_vouched(certificate, vouchers, at)
            pin = Pin(certificate, None)
        if used.get("certificate") and author != BUS and used["certificate"] != fingerprint:
            raise Broken("signed with another certificate than its entry names")
        require_in_force(pin, at)
        document = verified(data, pin.certificate, at)
        _require_known(document, LETTER if name == "letter.xml" else NOTICE)
        self._not_revoked_since(author, certificate, at)
        return document

    def _not_revoked_since(self, author: str, certificate: x509.Certificate, at: datetime) -> None:
        """A certificate revoked later was good then; one that was said later to have been bad then is in doubt."""
        for version, directory in sorted(self._directories.items()):
            pin = directory.pin(author, certificate.fingerprint(SHA256()).hex())
            revoked_at = pin.revoked_at if pin else revoked_by(certificate, directory.vouchers(author))
            if revoked_at is not None and revoked_at <= at:
                raise Unknown(
                    f"valid by the directory of that time; version {version} says that the certificate was not to be"
                    f" trusted from {revoked_at.isoformat()} on"
                )

    def directory(self, used: Body) -> Directory:
        version = used.get("directory")
        if version != self.version_before(used["seq"]):
            raise Broken(f"it was judged by version {version} of the directory, which was not in force then")
        directory = self._directories.get(version) if isinstance(version, int) else None
        if directory is None:
            raise Broken(f"version {version} of the directory, by which it was judged, is not in the pack")
        return directory

    def version_before(self, seq: int) -> int | None:
        """The version that was the newest before an entry, of those in the pack."""
        found = {
            at: body["version"]
            for at, body in self._entries.items()
            if body["kind"] == "directory" and at < seq
        }
        return found[max(found)] if found else None


def _require_known(document: Signed, root: str) -> None:
    found, version = ROOTS.get(str(document.root.tag), ("", ""))
    if not found or document.root.get("version") != version:
        raise Unknown("it is of a type or version that this program has no account of; a later one may have")
    if found != root:
        raise Broken(f"it is a {found} in the place of a {root}")


def read_json(data: bytes) -> Body:
    """Read a JSON object. Raises Broken."""
    try:
        value = json.loads(data, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise Broken("it is no JSON") from error
    if not isinstance(value, dict):
        raise Broken("it is no JSON object")
    return value


def _no_number(text: str) -> None:
    raise ValueError(f"{text} is no JSON")


def time_of(text: object) -> datetime:
    """Read a time with its zone. Raises Broken."""
    try:
        at = datetime.fromisoformat(str(text))
    except ValueError as error:
        raise Broken(f"{text} is no time") from error
    if at.tzinfo is None:
        raise Broken(f"{text} has no time zone")
    return at
