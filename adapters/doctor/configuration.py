"""What is wrong with the settings, and with what they name on this machine, before anything is done with them.

Only mistakes that last until a person mends them: a broker or a share that is away may come back by itself, and is
waited for. Nothing is made or changed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from cryptography import x509

from adapters.connectors.ecms.wording import Wording
from adapters.connectors.folder.exchange import used_before
from adapters.mailbox.opening import properties_in, require_owner
from bus.documents.notes import witness_key, witness_name
from bus.documents.seal import Seal, read_certificate
from bus.errors import Misconfigured, Problem
from bus.logs import in_words
from bus.platform.process import sharer_with
from bus.settings.adapter import NOBODY, AdapterSettings
from bus.verifier.notes import Unreadable, VerifierKey

SETTINGS = "adapter.toml"


def require_right(settings: AdapterSettings) -> None:
    """Raise Misconfigured with every mistake."""
    if found := mistakes(settings):
        raise Misconfigured(*found)


def mistakes(settings: AdapterSettings) -> list[Problem]:
    """Every mistake: setting, what is wrong, what to do."""
    found: list[Problem] = []
    if settings.agency == NOBODY:
        fix = "Write the code of ten digits that the operator of the bus has given your agency."
        found.append(Problem(SETTINGS, "agency", f"is {NOBODY}, the sample's, which is nobody's", fix))
    looks: list[Callable[[], object]] = [
        lambda: seal_of(settings),
        lambda: read_certificate(settings.bus_certificate, "bus_certificate"),
        settings.broker.address,
        settings.broker.tls,
        settings.depot.tls,
        lambda: _witness(settings),
        lambda: _mailbox(settings),
        lambda: _office(settings),
        settings.connectors.rest.tls,
        settings.connectors.ecms.tls,
        lambda: Wording.from_settings(settings.connectors.ecms),
        lambda: _office_database(settings),
    ]
    for look in looks:
        try:
            look()
        except Misconfigured as exc:
            found += exc.problems
    return found


def seal_of(settings: AdapterSettings) -> Seal:
    """This agency's seal. Raises Misconfigured for one that cannot be read, or that nobody would believe."""
    section = settings.seal
    try:
        seal = Seal.from_settings(section)
    except Misconfigured as exc:
        raise Misconfigured(*(replace(each, key=f"seal.{each.key}") for each in exc.problems)) from exc
    return seal


def login_certificate(settings: AdapterSettings) -> x509.Certificate | None:
    """The certificate with which the adapter logs in to the broker; None without one that can be read."""
    file = settings.broker.certificate
    try:
        return None if file is None else x509.load_pem_x509_certificate(file.read_bytes())
    except (OSError, ValueError):
        return None


def log_key_of(settings: AdapterSettings) -> VerifierKey:
    """The public key of the bus's log. Raises Misconfigured when it is not set or cannot be read."""
    file = settings.witness.log_key
    fix = "Name the file with the key that `saraban-bus ledger key` prints."
    if file is None:
        raise Misconfigured(Problem(SETTINGS, "witness.log_key", "is not set", fix))
    try:
        return VerifierKey.parse(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, Unreadable) as error:
        wrong = f"cannot be read ({in_words(error)})"
        raise Misconfigured(Problem(str(file), "witness.log_key", wrong, fix)) from error


def _witness(settings: AdapterSettings) -> None:
    section = settings.witness
    if section.log_key is not None:
        name = witness_name(log_key_of(settings), settings.agency)
        if section.key.exists():
            witness_key(section.key, name, section.passphrase_text())


def _mailbox(settings: AdapterSettings) -> None:
    """One that is there is to be this agency's; for one that is not there yet is to be room."""
    folder = settings.mailbox.folder
    if known := properties_in(folder / "mailbox.sqlite"):
        require_owner(known, folder, settings.agency)
    raise_any(usable_folder(folder, "mailbox.folder"))


def _office(settings: AdapterSettings) -> None:
    section = settings.connectors.folder
    if not section.enabled or _awaited(settings):
        return
    raise_any(usable_folder(section.path, "connectors.folder.path"))
    if section.group:
        try:
            sharer_with(section.group)
        except (KeyError, NotImplementedError) as exc:
            wrong = f"there is no group {section.group} on this machine"
            problem = Problem(SETTINGS, "connectors.folder.group", wrong, "Create it, or name another.")
            raise Misconfigured(problem) from exc


def _office_database(settings: AdapterSettings) -> None:
    section = settings.connectors.sql
    if section.enabled:
        # Here, for no other adapter needs them.
        from adapters.connectors.sql.names import unknown_names
        from adapters.connectors.sql.office import engine_of

        raise_any(unknown_names(section))
        section.tls()
        engine_of(section.address(), None).dispose()
        if section.files_folder is not None:
            raise_any(usable_folder(section.files_folder, "connectors.sql.files_folder"))


def _awaited(settings: AdapterSettings) -> bool:
    """Whether this mailbox has used the office's folder before: what is away then is a share, and comes back."""
    known = properties_in(settings.mailbox.folder / "mailbox.sqlite")
    return used_before(known, settings.connectors.folder.path)


def has_mailbox(settings: AdapterSettings) -> bool:
    """Whether there is one, whosoever; a path that cannot be is none."""
    return os.path.exists(settings.mailbox.folder / "mailbox.sqlite")


def usable_folder(folder: Path, key: str) -> Iterator[Problem]:
    """What keeps this program's user from working in a folder that is there, or may be made by it."""
    place, shown = (folder, "it") if os.path.exists(folder) else (folder.parent, str(folder.parent))
    if not os.path.exists(place):
        wrong = f"cannot be made: {place} is not there"
        yield Problem(str(folder), key, wrong, "Mount its disk or share, or make that folder.")
    elif not os.path.isdir(place):
        yield Problem(str(folder), key, f"{shown} is no folder", "Mend the path.")
    elif not os.access(place, os.R_OK | os.W_OK | os.X_OK):
        fix = "Let the user that runs the adapter read and write there."
        yield Problem(str(folder), key, f"{shown} may not be written by this user", fix)


def raise_any(problems: Iterator[Problem]) -> None:
    """Raise Misconfigured if there are any."""
    if found := list(problems):
        raise Misconfigured(*found)
