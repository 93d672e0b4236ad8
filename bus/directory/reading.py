"""Reading a directory from its TOML file, and its parts from the JSON of their records, with every mistake noted.

File and records have one shape, except that the file names certificate files where a record carries the certificates
themselves; so one reading serves both.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from sys import intern
from types import MappingProxyType
from typing import Final

from bus.directory.authorities import TAX_NUMBER, Authority
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
from bus.directory.reading_pins import (
    ID,
    ID_MEANT,
    Files,
    Records,
    Source,
    read_authority,
    read_number,
    read_pins,
)
from bus.directory.vouching import organization_in
from bus.identifiers import CLUSTER_NAME, MAIN, AgencyCode
from bus.toml import STAND_IN, Mistakes, Table, read_toml
from bus.verifier.notes import WITNESS, Unreadable, VerifierKey

BUS_WRITES: Final = "notice/1.0"
"""The version of the bus's own notices."""
_CODE: Final = r"[0-9]{10}"
_CODE_MEANT: Final = "an agency's code of ten digits"
_VERSION: Final = r"(letter|notice)/[1-9][0-9]*\.[0-9]+"


def load_directory(path: Path, *, certificates: Path | None = None) -> Directory:
    """The directory of a TOML file; Misconfigured with all its mistakes.

    Certificate files are looked for in `certificates`, else in the file's own `certificates_folder`, which is
    relative to the file. A certificate that can never sign is a mistake, unless its line says that it has ended; one
    that has expired is none, as what it signed goes on being verified (speaking.py).
    """
    table = read_toml(path)
    stated = table.optional_text("certificates_folder", meant="a folder") or "."
    folder = certificates if certificates is not None else path.parent / stated

    return _read(table, Files(folder))


def read_agency(table: Table) -> Agency:
    """An agency from its record; mistakes are noted in the table."""
    return _agency(table, Records())


def read_group(table: Table) -> Group:
    """A group, likewise."""
    return Group(**_names(table), members=_members(table, "members"))


def read_topic(table: Table) -> Topic:
    """A topic, likewise."""
    return Topic(**_names(table), subscribers=_members(table, "subscribers"))


def read_public_authority(table: Table) -> Authority:
    """A public authority, likewise."""
    return read_authority(table, Records())


def read_bus(table: Table) -> tuple[PinnedCertificate, ...]:
    """The bus's own certificates, likewise."""
    return _bus(table, Records())


def _read(table: Table, source: Source) -> Directory:
    version = table.positive("version")
    follows = table.positive("follows") if "follows" in table.values else None
    bus_certificates = _bus(table.table(BUS), source)
    agencies = [_agency(each, source) for each in table.tables("agency", "code")]
    groups = [read_group(each) for each in table.tables("group", "id")]
    topics = [read_topic(each) for each in table.tables("topic", "id")]
    authorities = [read_authority(each, source) for each in table.tables("public_authority", "id")]
    table.close()
    directory = Directory(
        version=version,
        agencies=MappingProxyType({agency.code: agency for agency in agencies}),
        groups=MappingProxyType({group.id: group for group in groups}),
        topics=MappingProxyType({topic.id: topic for topic in topics}),
        authorities=MappingProxyType({authority.id: authority for authority in authorities}),
        bus_certificates=bus_certificates,
        follows=follows,
    )
    _once(table.mistakes, "agency", (agency.code for agency in agencies))
    _once(table.mistakes, "group", (group.id for group in groups))
    _once(table.mistakes, "topic", (topic.id for topic in topics))
    _once(table.mistakes, "public_authority", (authority.id for authority in authorities))
    _cross_check(directory, table.mistakes)
    table.mistakes.raise_any()
    return directory


def require_sound(directory: Directory) -> None:
    """Raise Misconfigured unless what its parts say of each other holds."""
    mistakes = Mistakes("directory")
    _cross_check(directory, mistakes)
    mistakes.raise_any()


def _bus(table: Table, source: Source) -> tuple[PinnedCertificate, ...]:
    certificates, vouched = read_pins(table, source)
    if vouched:
        fix = "Pin its certificate itself: adapters are given that one"
        table.wrong("certificates", "leaves the bus's own to an authority", fix)
    if not table.values.get("certificates"):
        table.wrong("certificates", "names none", "Name the certificate with which the bus signs")
    table.close()
    return certificates


def _agency(table: Table, source: Source) -> Agency:
    certificates, vouched = read_pins(table, source)
    agency = Agency(
        code=AgencyCode(intern(table.text("code", like=_CODE, meant=_CODE_MEANT))),
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
        organization=read_number(table),
        certificates=certificates,
        vouched=vouched,
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
    stated = table.optional_text("cluster", like=CLUSTER_NAME, meant=ID_MEANT)
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
        "id": table.text("id", like=ID, meant=ID_MEANT),
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


def _cross_check(directory: Directory, mistakes: Mistakes) -> None:
    """Note what no single table shows: strangers, circles, and one certificate for two."""
    for agency in directory.agencies.values():
        _relatives(mistakes, directory, agency)
        _vouched(mistakes, directory, agency)
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


def _vouched(mistakes: Mistakes, directory: Directory, agency: Agency) -> None:
    key = f"agency[{agency.code}].certificates"
    for pin in agency.vouched:
        if pin.authority not in (STAND_IN, *directory.authorities):
            fix = "Add the authority, or mend the id"
            mistakes.note(key, f"{pin.authority} is no public authority of this directory", fix)
        if agency.organization not in (None, pin.organization.removeprefix(TAX_NUMBER)):
            wrong = f"pins {pin.organization}, and the agency is {agency.organization}"
            mistakes.note(key, wrong, "Pin the agency's own number")


def _one_holder_each(mistakes: Mistakes, directory: Directory) -> None:
    """One key for two holders, or one organization, would let either speak as the other."""
    holder_of = {pin.fingerprint: BUS for pin in directory.bus_certificates}
    organizations = {
        pin.organization: agency.code for agency in directory.agencies.values() for pin in agency.vouched
    }
    for agency in directory.agencies.values():
        for pin in agency.certificates:
            holder = holder_of.setdefault(pin.fingerprint, agency.code)
            # Certificates are read here only where some organization is pinned at all.
            stated = organization_in(pin.certificate) if organizations else None
            holder = holder if holder != agency.code else organizations.get(stated or "", holder)
            _require_own(
                mistakes, agency, holder, f"{pin.fingerprint[:16]}… is the certificate of {holder} too"
            )
        for one in agency.vouched:
            holder = organizations[one.organization]
            _require_own(mistakes, agency, holder, f"{one.organization} is pinned for {holder} too")


def _require_own(mistakes: Mistakes, agency: Agency, holder: AgencyCode, wrong: str) -> None:
    if holder != agency.code:
        mistakes.note(f"agency[{agency.code}].certificates", wrong, "Give each a key of its own")
