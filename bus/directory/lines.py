"""Between a directory's values and its records: written in one canonical form, each read when it is asked for."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, fields
from typing import Any, TypeVar

from cryptography import x509

from bus.directory.authorities import PinnedOrganization
from bus.directory.model import BUS, Agency, Directory, Group, PinnedCertificate, Topic
from bus.directory.reading import read_agency, read_bus, read_group, read_public_authority, read_topic
from bus.directory.records import Changes, Records, unreadable
from bus.identifiers import MAIN, AgencyCode
from bus.thai import BANGKOK
from bus.toml import Table, canonical_json, read_json

K = TypeVar("K", bound=str)
T = TypeVar("T")
AGENCY, GROUP, TOPIC, AUTHORITY = "agency/", "group/", "topic/", "public_authority/"
"""How the keys of records begin; the bus's own is `bus`."""


def records_of(directory: Directory) -> dict[str, bytes]:
    """Return the records of a directory."""
    values: dict[str, dict[str, Any]] = {BUS: {"certificates": _certificates(directory.bus_certificates)}}
    values |= {f"{AGENCY}{code}": _agency(one) for code, one in directory.agencies.items()}
    values |= {f"{GROUP}{id}": _named(one, members=one.members) for id, one in directory.groups.items()}
    values |= {
        f"{TOPIC}{id}": _named(one, subscribers=one.subscribers) for id, one in directory.topics.items()
    }
    values |= {f"{AUTHORITY}{id}": asdict(one) for id, one in directory.authorities.items()}
    return {key: f"{key} ".encode() + canonical_json(value) for key, value in values.items()}


def directory_of(version: int, records: Records) -> Directory:
    """Return the directory that these records are; none is read before it is asked for, but the bus's own.

    Raises Misconfigured for one that cannot be read, then as well as now: `require_readable` looks at all of them.
    """
    return Directory(
        version=version,
        agencies=_Lazy(records, AGENCY, read_agency, AgencyCode),
        groups=_Lazy(records, GROUP, read_group, str),
        topics=_Lazy(records, TOPIC, read_topic, str),
        authorities=_Lazy(records, AUTHORITY, read_public_authority, str),
        bus_certificates=_parsed(records[BUS], read_bus) if BUS in records else (),
    )


def holder_of(key: str) -> AgencyCode:
    """Return whose record it is, as far as certificates go: an agency's code, or `bus`."""
    return AgencyCode(key.removeprefix(AGENCY))


def pins_in(changes: Changes) -> Iterator[tuple[AgencyCode, PinnedCertificate]]:
    """Yield every certificate of these records, with its holder."""
    for key, line in changes.items():
        if line is not None and key == BUS:
            yield from ((BUS, pin) for pin in _parsed(line, read_bus))
        elif line is not None and key.startswith(AGENCY):
            yield from ((holder_of(key), pin) for pin in _parsed(line, read_agency).certificates)


def organizations_in(changes: Changes) -> Iterator[tuple[AgencyCode, PinnedOrganization]]:
    """Yield every pinned organization of these records, with the agency for which it speaks."""
    for key, line in changes.items():
        if line is not None and key.startswith(AGENCY):
            yield from ((holder_of(key), pin) for pin in _parsed(line, read_agency).vouched)


def require_readable(records: Records, keys: Iterable[str]) -> None:
    """Raise Misconfigured unless these records can be read, with every certificate in them."""
    for key in keys:
        line = records[key]
        if key == BUS:
            pins = _parsed(line, read_bus)
        elif key.startswith(AGENCY):
            agency = _parsed(line, read_agency)
            _require_same(key, AGENCY + agency.code)
            pins = agency.certificates
        elif key.startswith(GROUP):
            pins = _require_same(key, GROUP + _parsed(line, read_group).id)
        elif key.startswith(TOPIC):
            pins = _require_same(key, TOPIC + _parsed(line, read_topic).id)
        elif key.startswith(AUTHORITY):
            pins = _require_same(key, AUTHORITY + _parsed(line, read_public_authority).id)
        else:
            raise unreadable(f"{key[:60]} is no record of a known kind")
        for pin in pins:
            _require_certificate(pin)


def _require_same(key: str, stated: str) -> tuple[()]:
    if key != stated:
        raise unreadable(f"the record {key[:60]} is of another")
    return ()


def _require_certificate(pin: PinnedCertificate) -> None:
    try:
        with warnings.catch_warnings():
            # An odd serial number is the gates' affair.
            warnings.simplefilter("ignore")
            if PinnedCertificate.of(pin.certificate).pem == pin.pem:
                return
    except (ValueError, x509.InvalidVersion):
        pass
    raise unreadable("it has a certificate that cannot be read")


class _Lazy(Mapping[K, T]):
    """Values by what follows in their key, each read from its record when it is first asked for, and kept."""

    def __init__(
        self, records: Records, prefix: str, read: Callable[[Table], T], name: Callable[[str], K]
    ) -> None:
        self._records = records
        self._prefix = prefix
        self._read = read
        self._names = [name(key.removeprefix(prefix)) for key in sorted(records) if key.startswith(prefix)]
        self._known: dict[K, T] = {}

    def __getitem__(self, name: K) -> T:
        if name not in self._known:
            self._known[name] = _parsed(self._records[f"{self._prefix}{name}"], self._read)
        return self._known[name]

    def __contains__(self, name: object) -> bool:
        return f"{self._prefix}{name}" in self._records

    def __iter__(self) -> Iterator[K]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def _parsed(line: bytes, read: Callable[[Table], T]) -> T:
    key, _, json = line.partition(b" ")
    table = read_json(json, f"directory, {key.decode('ascii', 'replace')[:60]}")
    found = read(table)
    table.mistakes.raise_any()
    return found


def _agency(agency: Agency) -> dict[str, Any]:
    shown = {each.name: getattr(agency, each.name) for each in fields(agency)}
    shown["certificates"] = [*_certificates(agency.certificates), *_organizations(shown.pop("vouched"))]
    if agency.cluster == MAIN:
        del shown["cluster"]
    if agency.broker_login == "password":
        del shown["broker_login"]
    return {name: value for name, value in shown.items() if value not in (None, "", (), [])}


def _named(named: Group | Topic, **codes: tuple[str, ...]) -> dict[str, Any]:
    return {"id": named.id, "name_th": named.name_th, "name_en": named.name_en, **codes}


def _certificates(pins: Iterable[PinnedCertificate]) -> list[dict[str, Any]]:
    return [{"pem": pin.pem, **_revoked(pin)} for pin in pins]


def _organizations(pins: Iterable[PinnedOrganization]) -> list[dict[str, Any]]:
    return [{"authority": pin.authority, "organization": pin.organization, **_revoked(pin)} for pin in pins]


def _revoked(pin: PinnedCertificate | PinnedOrganization) -> dict[str, Any]:
    return {"revoked_at": pin.revoked_at.astimezone(BANGKOK)} if pin.revoked_at else {}
