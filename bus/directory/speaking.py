"""Who of a directory can speak: which pins are not in force at a time, and who has no other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from bus.directory.authorities import Vouched
from bus.directory.certificates import ANOTHER, objection
from bus.directory.model import BUS, Directory, PinnedCertificate
from bus.directory.vouching import old_list, standing


@dataclass(frozen=True, slots=True)
class Speaking:
    """What is to be said of a directory's certificates; each a sentence."""

    silent: tuple[str, ...]
    """Holders none of whose certificates may sign, pinned or vouched for: whatever they send is refused."""
    warnings: tuple[str, ...]
    """Single certificates that may not sign, of holders that have another. They stay: what they signed is verified."""


def speaking(directory: Directory, at: datetime) -> Speaking:
    """Judge every certificate of the bus and of the active agencies as of a time, by the rule for signatures."""
    silent: list[str] = []
    warnings: list[str] = []
    for key, pins, vouched in _holders(directory):
        objections = [objection(pin.certificate, pins, at) for pin in pins]
        objections += [standing(one, at) or old_list(one.authority, at) for one in vouched]
        said = [
            f"{key}.certificates[{place}]: {found.doubt}, {found.detail}"
            for place, found in enumerate(objections, 1)
            if found
        ]
        if objections and len(said) == len(objections):
            silent.append(f"{key}: none of its certificates may sign now ({'; '.join(said)}). {ANOTHER}")
        else:
            warnings += said
    return Speaking(tuple(silent), tuple(warnings))


def _holders(
    directory: Directory,
) -> Iterator[tuple[str, tuple[PinnedCertificate, ...], tuple[Vouched, ...]]]:
    yield BUS, directory.bus_certificates, ()
    for code, agency in directory.agencies.items():
        if agency.active:
            yield f"agency[{code}]", agency.certificates, directory.vouched(code)
