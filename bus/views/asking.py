"""What people give to ask by: every value is understood, or it is a mistake with the nearest names.

A question with an unknown value would be answered "none", and nobody could tell that from an answer.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType

from bus.codes import load_codes
from bus.directory import Agency, Names, name_of
from bus.directory.lines import AGENCY, pins_in
from bus.errors import NotUnderstood as NotUnderstood
from bus.errors import RefusalCode
from bus.evidence.words import STATES, words_of
from bus.identifiers import AgencyCode, RawDigest
from bus.ledger.reading import Reader
from bus.naming import meant, near
from bus.thai import parse_date
from bus.views.letters import SHA256

_LONGEST_SUBJECT = 1000
_HEXADECIMAL = re.compile("[0-9a-f]{1,64}")
UNACKNOWLEDGED = "unacknowledged"
_STATE_WORDS = {state: words_of(state) for state in STATES} | {
    UNACKNOWLEDGED: ("ยังไม่ตอบรับ", "not acknowledged")
}


Pinned = Mapping[int, tuple[str, ...]]
"""The SHA-256 of certificates by their serial number."""


def names_of(reader: Reader, known: Mapping[AgencyCode, Agency] = MappingProxyType({})) -> Names:
    """Return the agencies of every directory that was ever in force; `known` are some that are in memory anyway."""
    return Names([(name_of(line, known) for line in reader.directories.lines(AGENCY))])


def agency(names: Names, text: str | None) -> AgencyCode | None:
    """Return the code of the agency that is meant; None if nothing was asked for."""
    if text is None:
        return None
    found = names.codes(text)
    if len(found) > 1:
        raise NotUnderstood(f"{text!r} may be {_either(map(names.full, found))}")
    if not found:
        raise _unknown("agency", text, names.near(text))
    (code,) = found
    if code not in names.with_inbox:
        line = [code]
        while (parent := names.agencies[line[-1]].parent) and parent not in line and parent in names.agencies:
            line.append(parent)
        through = next((each for each in line if each in names.with_inbox), None)
        hint = f"; its letters go through {names.full(through)}: ask for that" if through else ""
        raise NotUnderstood(f"{names.full(code)} has no inbox of its own{hint}")
    return code


def state(text: str | None) -> str | None:
    """Return the state that is meant by its code, or by its Thai or English name."""
    return None if text is None else _one_of("state", text, _STATE_WORDS)


def speed(text: str | None) -> str | None:
    """Return the code of the speed that is meant: `002`, `ด่วน`, `urgent`."""
    known = {code: (one.th, one.en) for code, one in load_codes().speed.items()}
    return None if text is None else _one_of("speed", text, known)


def kind(text: str | None) -> str | None:
    """Return the code of the kind of letter that is meant, by its code or a name of it."""
    known = {code: (one.th, one.en) for code, one in load_codes().kinds.items()}
    return None if text is None else _one_of("kind", text, known)


def report_name(text: str, known: Mapping[str, object]) -> str:
    """Return the name of a report."""
    return _one_of("report", text, {name: (name, name) for name in known})


def dates(text: str | None) -> tuple[str | None, str | None]:
    """Return the first and the last day that are meant (ISO), either of which may be left open."""
    first, last = _dates_of(text)
    if first and last and first > last:
        raise NotUnderstood(f"{text!r} ends before it begins")
    return first, last


def _dates_of(text: str | None) -> tuple[str | None, str | None]:
    """Return the ISO dates of one date or of two with `..` between them; either may be left out."""
    if text is None:
        return None, None
    first, separator, last = text.partition("..")
    try:
        since = parse_date(first.strip()).isoformat() if first.strip() else None
        until = parse_date(last.strip()).isoformat() if last.strip() else (None if separator else since)
    except ValueError as error:
        raise NotUnderstood(f"{text!r} is no date: {error}") from error
    return since, until


def words_in(text: str | None) -> tuple[str, ...]:
    """Return the words that a subject is to have, each once; no subject is longer than its schema allows."""
    if text is not None and len(text) > _LONGEST_SUBJECT:
        wrong = f"{len(text)} characters, where a subject has at most {_LONGEST_SUBJECT}; give fewer words"
        raise NotUnderstood(wrong)
    return tuple(dict.fromkeys((text or "").split()))


def refusal(text: str | None) -> str | None:
    """Return the code of a refusal."""
    known = {code.value: (code.value, code.value) for code in RefusalCode}
    return None if text is None else _one_of("code of a refusal", text, known)


def file(text: str | None) -> RawDigest | None:
    """Return the SHA-256 that is meant: itself, or that of a file by its path."""
    if text is None or SHA256.fullmatch(text.strip().lower()):
        return RawDigest(text.strip().lower()) if text else None
    try:
        with Path(text).open("rb") as opened:
            return RawDigest(hashlib.file_digest(opened, "sha256").hexdigest())
    except (OSError, ValueError) as error:
        wanted = "give 64 hexadecimal digits, or the path of a file that can be read"
        raise NotUnderstood(f"{text!r} is no SHA-256: {wanted}") from error


def pinned_in(reader: Reader) -> Pinned:
    """Return the certificates of every directory that was ever in force."""
    found: dict[int, tuple[str, ...]] = {}
    for _, changes in reader.directories.changes():
        for _, pin in pins_in(changes):
            known = found.setdefault(pin.certificate.serial_number, (pin.fingerprint,))
            if pin.fingerprint not in known:
                found[pin.certificate.serial_number] = (*known, pin.fingerprint)
    return found


def certificates(reader: Reader, text: str | None, pinned: Pinned | None = None) -> tuple[str, ...]:
    """Return the SHA-256 of every certificate that was ever pinned under this serial number or SHA-256.

    No directory has one for which an authority vouched: its SHA-256 is known once a letter was signed with it.
    `pinned` spares the reading of all directories (names.py).
    """
    if text is None:
        return ()
    wanted = text.strip().lower().replace(":", "").removeprefix("0x")
    known = pinned_in(reader) if pinned is None else pinned
    found = {wanted} if any(wanted in some for some in known.values()) else set()
    if _HEXADECIMAL.fullmatch(wanted):
        found |= {*known.get(int(wanted, 16), ()), *(known.get(int(wanted), ()) if wanted.isdigit() else ())}
    if not found and reader.find_letters(certificates=(wanted,), limit=1):
        found.add(wanted)
    if not found:
        said = f"no directory has ever had a certificate with the serial number or SHA-256 {text!r}"
        raise NotUnderstood(said)
    return tuple(sorted(found))


def _one_of(what: str, text: str, known: Mapping[str, tuple[str, str]]) -> str:
    found = meant(text, known)
    if len(found) == 1:
        return found[0]
    if found:
        raise NotUnderstood(f"{text!r} may be {_either(found)}")
    shown = (f"{code} ({known[code][0]})" if known[code][0] != code else code for code in near(text, known))
    raise _unknown(what, text, shown)


def _unknown(what: str, text: str, near: Iterable[str]) -> NotUnderstood:
    offered = _either(near)
    hint = f"; the nearest are {offered}" if offered else ""
    return NotUnderstood(f"there is no {what} {text!r}{hint}")


def _either(names: Iterable[str]) -> str:
    return " · ".join(names)
