"""Reading a directory from its TOML file, and its parts from the JSON of their records, with every mistake noted.

File and records have one shape, except that the file names certificate files where a record carries the certificates
themselves; so one reading serves both.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Final

from cryptography import x509

from bus.directory.certificates import ANOTHER, unfitness
from bus.directory.model import (
    BUS,
    EVERYONE,
    READS_BY_DEFAULT,
    Agency,
    Directory,
    Group,
    Login,
    PinnedCertificate,
    Relation,
    State,
    Topic,
)
from bus.identifiers import CLUSTER_NAME, MAIN, AgencyCode
from bus.toml import STAND_IN, Mistakes, Table, read_toml
from bus.verifier.notes import WITNESS, Unreadable, VerifierKey

BUS_WRITES: Final = "notice/1.0"
"""The version of the bus's own notices."""
_CODE: Final = r"[0-9]{10}"
_CODE_MEANT: Final = "an agency's code of ten digits"
_ID: Final = r"[a-z0-9][a-z0-9-]{0,49}"
_ID_MEANT: Final = "an identifier of small letters, digits and hyphens"
_VERSION: Final = r"(letter|notice)/[1-9][0-9]*\.[0-9]+"


_Source = Callable[[Table], PinnedCertificate | None]


def load_directory(path: Path, *, certificates: Path | None = None) -> Directory:
    """The directory of a TOML file; Misconfigured with all its mistakes.

    Certificate files are looked for in `certificates`, else in the file's own `certificates_folder`, which is
    relative to the file. A certificate that can never sign is a mistake, unless its line says that it has ended; one
    that has expired is none, as what it signed goes on being verified (speaking.py).
    """
    table = read_toml(path)
    stated = table.optional_text("certificates_folder", meant="a folder") or "."
    folder = certificates if certificates is not None else path.parent / stated

    def from_file(entry: Table) -> PinnedCertificate | None:
        name = entry.text("file", meant="the name of a certificate file")
        pin = _certificate_file(entry, folder / name) if "file" in entry.values else None
        if pin and "revoked_at" not in entry.values and (found := unfitness(pin.certificate)):
            wrong = f"{folder / name}: {found.detail} (key.{found.doubt}), and nothing signed with it would be taken"
            entry.wrong("file", wrong, ANOTHER)
        return pin

    return _read(table, from_file)


def read_agency(table: Table) -> Agency:
    """An agency from its record; mistakes are noted in the table."""
    return _agency(table, _from_pem)


def read_group(table: Table) -> Group:
    """A group, likewise."""
    return Group(**_names(table), members=_members(table, "members"))


def read_topic(table: Table) -> Topic:
    """A topic, likewise."""
    return Topic(**_names(table), subscribers=_members(table, "subscribers"))


def read_bus(table: Table) -> tuple[PinnedCertificate, ...]:
    """The bus's own certificates, likewise."""
    return _bus(table, _from_pem)


def _from_pem(entry: Table) -> PinnedCertificate | None:
    """The certificate as it is written: it is read when it is needed (model.py)."""
    pem = entry.text("pem", like="(?s)-----BEGIN CERTIFICATE-----\n.+", meant="a certificate in PEM form")
    return PinnedCertificate(pem=pem)


def _read(table: Table, source: _Source) -> Directory:
    version = table.positive("version")
    follows = table.positive("follows") if "follows" in table.values else None
    bus_certificates = _bus(table.table(BUS), source)
    agencies = [_agency(each, source) for each in table.tables("agency", "code")]
    groups = [read_group(each) for each in table.tables("group", "id")]
    topics = [read_topic(each) for each in table.tables("topic", "id")]
    table.close()
    directory = Directory(
        version=version,
        agencies=MappingProxyType({agency.code: agency for agency in agencies}),
        groups=MappingProxyType({group.id: group for group in groups}),
        topics=MappingProxyType({topic.id: topic for topic in topics}),
        bus_certificates=bus_certificates,
        follows=follows,
    )
    _once(table.mistakes, "agency", (agency.code for agency in agencies))
    _once(table.mistakes, "group", (group.id for group in groups))
    _once(table.mistakes, "topic", (topic.id for topic in topics))
    _cross_check(directory, table.mistakes)
    table.mistakes.raise_any()
    return directory


def require_sound(directory: Directory) -> None:
    """Raise Misconfigured unless what its parts say of each other holds."""
    mistakes = Mistakes("directory")
    _cross_check(directory, mistakes)
    mistakes.raise_any()


def _bus(table: Table, source: _Source) -> tuple[PinnedCertificate, ...]:
    certificates = _certificates(table, source)
    if not table.values.get("certificates"):
        table.wrong("certificates", "names none", "Name the certificate with which the bus signs")
    table.close()
    return certificates


def _agency(table: Table, source: _Source) -> Agency:
    agency = Agency(
        code=AgencyCode(table.text("code", like=_CODE, meant=_CODE_MEANT)),
        name_th=table.text("name_th", meant="the Thai name"),
        name_en=table.text("name_en", meant="the English name"),
        abbrev_th=table.optional_text("abbrev_th", meant="the Thai abbreviation") or "",
        abbrev_en=table.optional_text("abbrev_en", meant="the English abbreviation") or "",
        prefixes=table.texts("prefixes", meant="how a letter number begins, such as นร 05"),
        state=_state(table),
        inbox=table.flag("inbox", default=True),
        cluster=_cluster(table),
        parent=_code(table, "parent"),
        successor=_code(table, "successor"),
        reads=table.texts("reads", like=_VERSION, meant="a version such as letter/1.0") or READS_BY_DEFAULT,
        sealed=table.flag("sealed", default=False),
        certificates=_certificates(table, source),
        broker_login=_login(table),
        witness=_witness(table),
    )
    if agency.inbox and agency.active and not table.values.get("certificates"):
        fix = "Name its certificate, or say that it is suspended until it has one"
        table.wrong("certificates", "names none, but the agency is active", fix)
    table.close()
    return agency


def _code(table: Table, name: str) -> AgencyCode | None:
    stated = table.optional_text(name, like=_CODE, meant=_CODE_MEANT)
    return None if stated is None else AgencyCode(stated)


def _cluster(table: Table) -> str:
    stated = table.optional_text("cluster", like=CLUSTER_NAME, meant=_ID_MEANT)
    if stated is not None and table.values.get("inbox") is False:
        fix = "Leave it out: its letters are where its parent's inbox is"
        table.wrong("cluster", "is stated, but it has no inbox", fix)
    return stated or MAIN


def _witness(table: Table) -> str | None:
    text = table.optional_text("witness", meant="the key that `saraban-adapter log key` prints")
    try:
        if text is None or VerifierKey.parse(text).kind == WITNESS:
            return text
    except Unreadable:
        pass
    table.wrong("witness", "is no witness's public key", "Copy what `saraban-adapter log key` prints")
    return None


def _state(table: Table) -> State:
    stated = table.optional_text("state", like="active|suspended", meant="active or suspended")
    return "suspended" if stated == "suspended" else "active"


def _login(table: Table) -> Login:
    meant = "password or certificate"
    stated = table.optional_text("broker_login", like="password|certificate", meant=meant)
    return "certificate" if stated == "certificate" else "password"


def _names(table: Table) -> dict[str, str]:
    return {
        "id": table.text("id", like=_ID, meant=_ID_MEANT),
        "name_th": table.text("name_th", meant="the Thai name"),
        "name_en": table.text("name_en", meant="the English name"),
    }


def _members(table: Table, name: str) -> tuple[AgencyCode, ...]:
    if table.values.get(name) == [EVERYONE]:
        members: tuple[AgencyCode, ...] = (EVERYONE,) if table.texts(name) else ()
    else:
        listed = table.texts(name, like=_CODE, meant=f'{_CODE_MEANT}, or ["{EVERYONE}"] alone')
        members = tuple(map(AgencyCode, listed))
    table.close()
    return members


def _certificates(table: Table, source: _Source) -> tuple[PinnedCertificate, ...]:
    pins = []
    for entry in table.tables("certificates"):
        pin = source(entry)
        revoked_at = entry.moment("revoked_at")
        entry.close()
        if pin is not None:
            pins.append(replace(pin, revoked_at=revoked_at))
    return tuple(pins)


def _certificate_file(entry: Table, path: Path) -> PinnedCertificate | None:
    """Exactly one certificate: of two, which one speaks for the agency would be anybody's guess."""
    try:
        pem = path.read_bytes()
    except OSError as exc:
        reason = (exc.strerror or str(exc)).lower()
        entry.wrong("file", f"{path} cannot be read: {reason}", "Put the certificate there, or mend the name")
        return None
    try:
        with warnings.catch_warnings():
            # An odd serial number is the gates' affair; here it must not become an exception of its own.
            warnings.simplefilter("ignore")
            found = x509.load_pem_x509_certificates(pem)
    except (ValueError, x509.InvalidVersion):
        found = []
    if len(found) == 1:
        return PinnedCertificate.of(found[0])
    wrong = f"holds {len(found)} certificates" if found else "holds no certificate in PEM form"
    entry.wrong("file", f"{path} {wrong}", "Put exactly one certificate there, not a chain and not a key")
    return None


def _cross_check(directory: Directory, mistakes: Mistakes) -> None:
    """Note what no single table shows: strangers, circles, and one certificate for two."""
    for agency in directory.agencies.values():
        _relatives(mistakes, directory, agency)
        if BUS_WRITES not in agency.reads:
            wrong = f"lacks {BUS_WRITES}, in which the bus answers everybody"
            mistakes.note(f"agency[{agency.code}].reads", wrong, f"Add {BUS_WRITES}")
    for group in directory.groups.values():
        _known(mistakes, directory, f"group[{group.id}].members", group.members)
    for topic in directory.topics.values():
        _known(mistakes, directory, f"topic[{topic.id}].subscribers", topic.subscribers)
    _one_holder_each(mistakes, directory)


def _relatives(mistakes: Mistakes, directory: Directory, agency: Agency) -> None:
    key = f"agency[{agency.code}]"
    relations: tuple[tuple[Relation, AgencyCode | None], ...] = (
        ("parent", agency.parent),
        ("successor", agency.successor),
    )
    for name, code in relations:
        if code is None:
            continue
        _known(mistakes, directory, f"{key}.{name}", (code,))
        if any(each.code == agency.code for each in directory.line(code, name)):
            mistakes.note(f"{key}.{name}", "leads back to the agency itself", "Break the circle")
    if not agency.inbox and directory.inbox_of(agency.code) is None:
        fix = "Name a parent that has an inbox, or give it one of its own"
        mistakes.note(f"{key}.inbox", "is false, and no parent of it has an inbox", fix)


def _once(mistakes: Mistakes, kind: str, names: Iterable[str]) -> None:
    counted = Counter(name for name in names if name != STAND_IN)
    for name in sorted(name for name, times in counted.items() if times > 1):
        mistakes.note(f"{kind}[{name}]", f"stands there {counted[name]} times", "Keep one of them")


def _known(mistakes: Mistakes, directory: Directory, key: str, codes: Iterable[AgencyCode]) -> None:
    for code in codes:
        if code not in (STAND_IN, EVERYONE) and code not in directory.agencies:
            mistakes.note(key, f"{code} is no agency of this directory", "Add the agency, or mend the code")


def _one_holder_each(mistakes: Mistakes, directory: Directory) -> None:
    """One key for two holders would let either speak as the other."""
    holder_of = {pin.fingerprint: BUS for pin in directory.bus_certificates}
    for agency in directory.agencies.values():
        for pin in agency.certificates:
            holder = holder_of.setdefault(pin.fingerprint, agency.code)
            if holder != agency.code:
                wrong = f"{pin.fingerprint[:16]}… is the certificate of {holder} too"
                mistakes.note(f"agency[{agency.code}].certificates", wrong, "Give each a key of its own")
