"""The database with the ledger, and what the ledger says: halted, signed, witnessed, waited for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from pathlib import Path

from bus.checks.clocks import compared
from bus.directory import Directory
from bus.directory.certificates import objection
from bus.directory.ends import first_list
from bus.directory.vouching import standing
from bus.doctor import Check, Found, fail, in_thread, ok, warn
from bus.ends import SOON
from bus.enrolment.orders import waiting_entries
from bus.errors import Misconfigured, Problem, Transient
from bus.installing.ledgers import key_of
from bus.ledger import schema
from bus.ledger.checkpoint import Tampered, read_kept, require_signed_head
from bus.ledger.entry import Kind
from bus.ledger.examining import OfConsole, look_at, snapshot
from bus.ledger.reading import Reader
from bus.ledger.rows import Head
from bus.router.activation import directory_in_force
from bus.settings.bus import BusSettings
from bus.thai import now

_SQLITE_FILE = "sqlite:///"
_UNSIGNED, _UNWITNESSED, _UNDONE = 300.0, 3600.0, 60.0
"""Seconds after which an entry should have been signed, a head cosigned by somebody, and an order carried out."""
_IN_FORCE = (Kind.DIRECTORY, Kind.CALENDAR)
_NAMED = 10
"""Agencies that one line names."""


def checks(settings: BusSettings) -> list[Check]:
    """The database first, for without it there is nothing else."""
    return [
        Check("database", in_thread(lambda: _database(settings))),
        Check("ledger", in_thread(lambda: _read(settings, _ledger))),
        Check("log key", in_thread(lambda: _log_key(settings))),
        Check("agencies", in_thread(lambda: _read(settings, _agencies))),
        Check("waiting", in_thread(lambda: _read(settings, _waiting))),
    ]


def _database(settings: BusSettings) -> Iterator[Found]:
    if absent := _absent(settings):
        yield absent
        return
    try:
        address = settings.ledger.address()
        schema.check(address)
        seen = look_at(address, settings.ledger.console_role)
    except Transient as away:
        yield fail(str(away), "See that it runs, and look at ledger.url, its user and its password.")
        return
    yield ok(f"{seen.product}, and the ledger's schema is one that this program works with")
    if seen.clock is not None:
        yield compared("the database", seen.clock)
        yield from _rights(settings, seen.excess, seen.lacking)
        if seen.console is not None:
            yield from _of_console(seen.console)
    if seen.unsafe:
        fix = "Set it to on: an entry that was acknowledged may be lost with the machine's power."
        yield fail(f"the server has {', '.join(seen.unsafe)}", fix)


def _rights(settings: BusSettings, excess: tuple[str, ...], lacking: tuple[str, ...]) -> Iterator[Found]:
    if lacking:
        fix = "Run `saraban-bus ledger init` as the owner of the tables (ledger.owner_url, or --role)."
        yield fail(f"this role may not {'; '.join(lacking)}", fix)
    if excess:
        fix = "Have routers run as another role than the owner of the tables: ledger.url beside ledger.owner_url."
        yield warn(f"this role may do more than read and append: {'; '.join(excess)}", fix)
    if not (excess or lacking):
        yield ok("this role may read and append, and change nothing that is remembered")


def _of_console(seen: OfConsole) -> Iterator[Found]:
    fix = "Run `saraban-bus ledger init` as the owner of the tables: it gives the role its rights, and no others."
    if seen.lacking:
        yield fail(f"the console's role may not {'; '.join(seen.lacking)}", fix)
    if seen.excess:
        yield warn(f"the console's role may do more than read and append acts: {'; '.join(seen.excess)}", fix)


def _absent(settings: BusSettings) -> Found | None:
    """What to say where there is no file; to look into one would make it."""
    url = settings.ledger.url
    if not url.startswith(_SQLITE_FILE) or Path(url.removeprefix(_SQLITE_FILE)).exists():
        return None
    return fail(
        f"there is no ledger at {url}", "Run `saraban-bus init` or `ledger init`, or mend ledger.url."
    )


def _read(settings: BusSettings, look: Callable[[BusSettings, Reader], Iterable[Found]]) -> list[Found]:
    """Have something looked at in the ledger, which `database` has said everything about that keeps it from that."""
    unseen = [fail("not looked at", "Mend what `database` says.")]
    if _absent(settings):
        return unseen
    try:
        schema.check(address := settings.ledger.address())
        with snapshot(address) as reader:
            return list(look(settings, reader))
    except (Misconfigured, Transient):
        return unseen


def in_force(settings: BusSettings) -> Directory:
    """Return the directory in force. Raises Misconfigured where there is none, and Transient while nobody can say."""
    if absent := _absent(settings):
        raise Misconfigured(Problem("bus.toml", "ledger.url", absent.sentence, absent.fix))
    with snapshot(settings.ledger.address()) as reader:
        return directory_in_force(reader)[1]


def figures(settings: BusSettings) -> dict[str, object]:
    """Return how much there is of what, for a bundle; nothing where the ledger cannot be read."""
    try:
        if _absent(settings):
            return {}
        with snapshot(settings.ledger.address()) as reader:
            head, directory, calendar = (reader.heads.newest(), *map(reader.latest_seq, _IN_FORCE))
            return {
                "entries": reader.head(),
                "signed": head.size if head else 0,
                "directory_entry": directory,
                "calendar_entry": calendar,
                "halted": reader.halted() is not None,
                "parked": reader.parked.count(),
                "requests_waiting": len(reader.enrolments.waiting()),
            }
    except (Misconfigured, Transient):
        return {}


def _ledger(settings: BusSettings, reader: Reader) -> Iterator[Found]:
    entries, head = reader.head(), reader.heads.newest()
    if (reason := reader.halted()) is not None:
        fix = "docs/operating.md, `The ledger is halted`: at once, and before anything else."
        yield fail(f"it is halted: {reason}", fix)
    signed = f"the newest signed head is of {head.size}" if head else "no head is signed yet"
    yield ok(f"{entries} entries, {signed}")
    for kind in _IN_FORCE:
        if not reader.latest_seq(kind):
            yield fail(f"no {kind} is in force, and routers do not start", f"Run `saraban-bus {kind} apply`.")
    if head is not None and (entries > head.size):
        newest = reader.newest()
        age = (now() - datetime.fromisoformat(newest.body["at"])).total_seconds() if newest else 0.0
        if age > _UNSIGNED:
            fix = "Look whether a router runs, and at its log: it signs every few seconds."
            yield warn(f"what was entered {age:.0f} s ago is not signed yet", fix)


def _log_key(settings: BusSettings) -> list[Found]:
    try:
        key = key_of(settings).verifier
    except Misconfigured:
        return [fail("it cannot be used", "Mend what `configuration` says of it.")]

    def fits(settings: BusSettings, reader: Reader) -> Iterator[Found]:
        fix = "Bring the key that signed before, and look for who changed it: docs/operating.md."
        for whose, head in (("the ledger's", reader.heads.newest()), ("this machine's own", _kept(settings))):
            try:
                if head is not None:
                    require_signed_head(head, key)
            except Tampered as wrong:
                yield fail(f"{whose} newest head was not signed with it: {wrong}", fix)
            else:
                yield ok(f"{whose} newest head {'was signed with it' if head else 'is not there yet'}")

    return _read(settings, fits)


def _kept(settings: BusSettings) -> Head | None:
    return read_kept(settings.ledger.kept_head)


def _agencies(_settings: BusSettings, reader: Reader) -> Iterator[Found]:
    """Each agency's certificate, and how many have cosigned."""
    if not reader.latest_seq(Kind.DIRECTORY):
        yield fail("no directory is in force", "Run `saraban-bus directory apply`.")
        return
    _, directory = directory_in_force(reader)
    at = now()
    ended = sorted(_without(directory, at))
    ending = sorted(set(_without(directory, at + SOON)) - set(ended))
    if ended:
        fix = "Whatever they send is refused: invite them again (`saraban-bus agency invite`)."
        yield fail(f"no certificate that may sign now: {_named(ended)}", fix)
    if ending:
        fix = "Their adapters ask for a new key by themselves (`saraban-bus agency waiting`); else call them."
        yield warn(f"no certificate beyond the next {SOON.days} days: {_named(ending)}", fix)
    if not (ended or ending):
        yield ok(
            f"{len(directory.agencies)} in the directory (version {directory.version}), each with a certificate"
        )
    yield from _lists(directory, at)
    yield from _witnesses(directory, reader)


def _without(directory: Directory, at: datetime) -> Iterator[str]:
    """Yield the active agencies that have no certificate which may sign at a time."""
    for code, agency in directory.agencies.items():
        pins, vouched = agency.certificates, directory.vouched(code)
        pinned = any(objection(pin.certificate, pins, at) is None for pin in pins)
        if agency.active and (pins or vouched) and not pinned and all(standing(one, at) for one in vouched):
            yield code


def _lists(directory: Directory, at: datetime) -> Iterator[Found]:
    """The lists of revoked certificates (CRL) of public authorities: without a current one nothing is taken."""
    fix = "Put its newest list into the directory: docs/operating.md, `Certificates of a public authority`."
    for authority in directory.authorities.values():
        first = first_list(authority)
        until = f"the list of revoked certificates of {authority.id} ends at {first.until.isoformat()}"
        if first.until < at:
            yield fail(f"{until}: whatever is signed under it is refused", fix)
        elif first.ageing(at):
            yield warn(until, fix)


def _witnesses(directory: Directory, reader: Reader) -> Iterator[Found]:
    witnesses = sum(agency.witness is not None for agency in directory.agencies.values())
    anchor = reader.heads.newest_anchor()
    if not witnesses or anchor is None:
        yield ok("nobody is asked to cosign the ledger's head yet")
        return
    head, asked = anchor
    cosigned = len(reader.heads.cosigners(head.size))
    age = (now() - datetime.fromisoformat(asked)).total_seconds()
    sentence = (
        f"{cosigned} of {witnesses} witnesses have cosigned the head of {head.size}, asked {age:.0f} s ago"
    )
    if not cosigned and age > _UNWITNESSED:
        yield warn(
            sentence, "Look at agencies' adapters (`saraban-bus agencies`) and at the depot's address."
        )
    else:
        yield ok(sentence)


def _waiting(_settings: BusSettings, reader: Reader) -> Iterator[Found]:
    if parked := reader.parked.count():
        fix = "`saraban-bus parked list`, and docs/incidents.md, `A submission is parked`."
        yield warn(f"{parked} parked submissions wait for an operator", fix)
    if asked := len(reader.enrolments.waiting()):
        fix = "`saraban-bus agency waiting`, then `agency approve` or `decline`."
        yield warn(f"{asked} requests of agencies wait for an operator", fix)
    orders = waiting_entries(reader)
    if orders and (now() - orders[0].at).total_seconds() > _UNDONE:
        fix = "See that `saraban-bus enrol` runs, which carries them out, and look at its log."
        yield warn(f"{len(orders)} orders of stewards wait, the first since {orders[0].body['at']}", fix)
    if not (parked or asked):
        yield ok("nothing waits for an operator")


def _named(codes: list[str]) -> str:
    more = f" and {len(codes) - _NAMED} more" if len(codes) > _NAMED else ""
    return f"{', '.join(codes[:_NAMED])}{more}"
