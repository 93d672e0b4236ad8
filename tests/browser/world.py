"""A bus in which something has happened: what operators, stewards and auditors find in it, good and bad.

Four agencies. OPM and SOC write to each other; DGA has no adapter; OCS is suspended; a fifth asks to join. One receipt
is overdue, five submissions are parked, and some letters try to do harm by what they are called.
"""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from argon2 import PasswordHasher
from sqlalchemy import NullPool, create_engine, select

from adapters.mailbox import tables as mail
from bus import assets
from bus.console.jobs.table import JobKind, Jobs
from bus.console.store import Store
from bus.documents.notes import make_key, witness_key
from bus.enrolment.orders import Act, order
from bus.identifiers import AgencyCode
from bus.ledger.entry import Kind, timestamp
from bus.people import People
from bus.settings.bus import load_bus_settings
from bus.thai import now
from compose import people
from compose.demo.offices.exchange import Exchange
from compose.demo.papers import scan
from compose.local import LOOPBACK, LocalBus
from tests.assets.enrolments import requested
from tests.faults.waiting import eventually

OPM, SOC, DGA, OCS = map(AgencyCode, ("0100100000", "0100500000", "1100800000", "0100900000"))
NEW = AgencyCode("0999900000")
"""It asks to join, twice if it has been declined."""
PASSWORD: Final = "sample password 1"
CANARY: Final = "window.__harmed=1"
HOSTILE: Final = (
    f"<script>{CANARY}</script><img src=x onerror={CANARY}>",
    f"\"'><svg onload={CANARY}>{{{{ 7 * 7 }}}}{{% raw %}}",
    "=cmd|'/c'!A1",
    "เรื่อง\u202eกลับด้าน\u2066\u202d",
    "ก" * 1000,
)
"""Subjects that a page, a spreadsheet or a terminal could take for something else."""
TERMINAL: Final = "\x1b[2J\x1b]0;harmed\x07"
"""What clears a screen; no letter can bear it, but a question to the console can."""
SUBJECT: Final = "ขอความอนุเคราะห์ข้อมูลการเชื่อมโยงระบบสารบรรณ"
NUMBER: Final = "นร 0101/๒๑๐"
ATTACHED: Final = scan("the letter that is looked for", 3000)
_SIGNER = {"given_name": "ตัวอย่าง", "family_name": "ผู้ลงนาม", "job_title": "ผู้อำนวยการ (ตัวอย่าง)"}
_NAMES = {
    OPM: ("สำนักงานปลัดสำนักนายกรัฐมนตรี", "Office of the Permanent Secretary, Prime Minister's Office", "สปน."),
    SOC: ("สำนักเลขาธิการคณะรัฐมนตรี", "Secretariat of the Cabinet", "สลค."),
    DGA: ("สำนักงานพัฒนารัฐบาลดิจิทัล (องค์การมหาชน)", "Digital Government Development Agency", "สพร."),
    OCS: ("สำนักงานคณะกรรมการกฤษฎีกา", "Office of the Council of State", "สคก."),
}


@dataclass
class World:
    """The bus, and the numbers under which the ledger has what happened."""

    bus: LocalBus
    address: str
    letters: dict[str, int] = field(default_factory=dict)
    """Ledger number of each accepted letter, by the sender's own reference."""
    parked: dict[AgencyCode, list[int]] = field(default_factory=dict)
    request: str = ""
    """Name of the request to join, and what the agency would read out."""
    fingerprint: str = ""
    job: int = 0
    """An export of an auditor, which is done."""
    head: int = 0
    """How many entries a signed head has."""

    def entry(self, kind: Kind) -> int:
        """Return the number of the newest entry of a kind."""
        with self.bus.open_ledger().read() as reader:
            return reader.latest_seq(kind)

    def ask_to_join(self, code: AgencyCode = NEW) -> None:
        """Have an agency ask to join."""
        key = self.bus.keys / f"{code}.asks.pem"
        make_key(key)
        witness = str(witness_key(key, f"saraban.example/{code}/witness").verifier)
        asked = requested(self.bus.open_ledger(), witness, code, self.bus.seal("bus"))
        self.request, self.fingerprint = asked


@contextmanager
def lived_in(folder: Path, **options: Any) -> Iterator[World]:
    """Give the bus once all has happened, with depot, router, two adapters, `enrol` and the console running."""
    router = {"sweep_interval": 1.0, "deadline_interval": 1.0, "settle_seconds": 1.0}
    settings: dict[str, Any] = {"directory": _directory(), "calendar": _calendar(), "router": router}
    settings |= {"log": {"anchor_interval": 3.0}, **options}
    with LocalBus(folder, **settings) as bus:
        world = World(bus, f"http://{LOOPBACK}:{bus.console_port}")
        _with_passwords(folder / "people.toml")
        bus.start_enrolment()
        bus.start_depot()
        bus.start_router()
        for code in (OPM, SOC):
            # What is sent again while no verdict has come would be parked again.
            bus.start_adapter(code, resend_after=600.0)
        _suspend(world, OCS)
        _let_it_happen(world)
        bus.start_console()
        _export(world)
        _looked(world)
        yield world


def _suspend(world: World, code: AgencyCode) -> None:
    with world.bus.open_ledger().append() as writer:
        order(writer, Act.SUSPEND, code, people.sample(), "ย้ายห้องเครื่อง (ตัวอย่าง)")
    eventually(lambda: world.entry(Kind.ORDER_DONE), "it is suspended")


def _grant(world: World, letter: int) -> None:
    given: dict[str, Any] = {"letter": letter, "auditor": people.AUDITOR, "reason": "ตรวจสอบตามแผน (ตัวอย่าง)"}
    with world.bus.open_ledger().append() as writer:
        until = timestamp(writer.at + timedelta(hours=8))
        writer.entry(Kind.GRANTED, until=until, **given, **people.sample().fields())


def _looked(world: World) -> None:
    """Wait until the console has asked broker and ledger for the first time."""
    with Store(load_bus_settings(world.bus.folder / "bus.toml").console.database_address()) as store:
        token = store.begin(people.sample(people.OPERATOR))
    asked = urllib.request.Request(
        f"{world.address}/overview.json", headers={"Cookie": f"saraban-session={token}"}
    )
    eventually(lambda: json.load(urllib.request.urlopen(asked))["asOf"], "the console has looked around")


def _export(world: World) -> None:
    console = load_bus_settings(world.bus.folder / "bus.toml").console
    with Store(console.database_address()) as store:
        jobs = Jobs(store)
        world.job = jobs.add(JobKind.EXPORT, {"report": "overdue"}, people.sample(people.AUDITOR))
        eventually(lambda: (found := jobs.get(world.job)) and found.state.over, "the export ends")


def _let_it_happen(world: World) -> None:
    bus = world.bus
    opm, soc = (Exchange(code, bus.exchange_folder(code)) for code in (OPM, SOC))
    _send(opm, "asked", SUBJECT, SOC, number=NUMBER, attached=ATTACHED)
    _send(soc, "answered", f"ตอบ {SUBJECT}", OPM, number="นร 0505/165")
    _send(opm, "circular", "ซักซ้อมแนวทางปฏิบัติในการส่งหนังสือทางอิเล็กทรอนิกส์", SOC, DGA, OCS, number="นร 0101/ว 211")
    _send(opm, "urgent", "ขอเชิญประชุมด่วน", DGA, number="นร 0101/212", speed="ด่วนที่สุด")
    for at, subject in enumerate(HOSTILE):
        _send(opm, f"hostile-{at}", subject, SOC, DGA, number=f"นร 0101/9{at}")
    expected = {"asked", "answered", "circular", "urgent", *(f"hostile-{at}" for at in range(len(HOSTILE)))}
    eventually(lambda: set(_accepted(world)) >= expected, "the letters are accepted")
    for letter in _came(soc, 2 + len(HOSTILE)):
        _register(soc, letter)
    for letter in _came(opm, 1):
        _register(opm, letter, officer='<b id="harmed">=1+1</b>')
    registered = 3 + len(HOSTILE)
    eventually(lambda: _count(world, Kind.NOTICE, "registered") == registered, "they are registered")
    eventually(lambda: world.entry(Kind.OVERDUE), "the receipt that is missing is overdue")
    _park(world, {OPM: (opm, 3), SOC: (soc, 2)})
    world.letters = _accepted(world)
    _grant(world, world.letters["asked"])
    world.ask_to_join()
    size = ledger_size(world)
    eventually(lambda: _signed(world) >= size, "all of it is under a head of the log")
    world.head = _signed(world)


def _park(world: World, sent: dict[AgencyCode, tuple[Exchange, int]]) -> None:
    """Have submissions parked: the router that runs then can look at none."""
    bus = world.bus
    bus.processes["router-1"].stop()
    router = bus.start_router(failpoints="router.before-gates=raise@*")
    for office, count in sent.values():
        for at in range(1, count + 1):
            _send(office, f"parked-{at}", f"หนังสือที่ถูกพักไว้ {at}", OPM if office.code == SOC else SOC)
    expected = {code: count for code, (_, count) in sent.items()}
    world.parked = eventually(lambda: _parked(world, expected), "they are parked")
    # The next router would take what a sender, who has not heard of it, sends again.
    eventually(lambda: all(_is_told(world, code) for code in sent), "their senders are told")
    router.stop()
    (bus.folder / "logs" / "router-1.failpoints").unlink()
    bus.start_router()


def ledger_size(world: World) -> int:
    """Return how many entries the ledger has."""
    with world.bus.open_ledger().read() as reader:
        return reader.head()


def _signed(world: World) -> int:
    with world.bus.open_ledger().read() as reader:
        newest = reader.heads.newest()
        return newest.size if newest else 0


def _accepted(world: World) -> dict[str, int]:
    with world.bus.open_ledger().read() as reader:
        found = {row.letter_id: row.letter for row in reader.find_letters()}
    numbers = {}
    for code in (OPM, SOC):
        for row in _rows(world, code, select(mail.outbox).where(mail.outbox.c.type == "letter")):
            if row.letter_id in found:
                numbers[row.reference] = found[row.letter_id]
    return numbers


def _count(world: World, kind: Kind, event: str) -> int:
    with world.bus.open_ledger().read() as reader:
        return sum(1 for entry in reader.every(kind) if entry.body.get("event") == event)


def _parked(world: World, expected: dict[AgencyCode, int]) -> dict[AgencyCode, list[int]]:
    """The numbers of the letters that are parked, by agency, once they are as many as expected of each.

    What adapters report meanwhile, such as a cosignature, is parked too.
    """
    found: dict[AgencyCode, list[int]] = {code: [] for code in expected}
    with world.bus.open_ledger().read() as reader:
        for one in reader.parked.waiting():
            if b"<Letter" in reader.must_document(one)[:200]:
                found[AgencyCode(str(one.body["agency"]))].append(one.seq)
    return found if {code: len(entries) for code, entries in found.items()} == expected else {}


def _is_told(world: World, code: str) -> bool:
    query = select(mail.outbox.c.state).where(mail.outbox.c.reference.startswith("parked-"))
    return {state for (state,) in _rows(world, code, query)} == {"parked"}


def _rows(world: World, code: str, query: Any) -> list[Any]:
    file = world.bus.mailbox(code) / "mailbox.sqlite"
    engine = create_engine(f"sqlite:///file:{file}?mode=ro&uri=true", poolclass=NullPool)
    with engine.connect() as connection:
        found = list(connection.execute(query))
    engine.dispose()
    return found


def _send(office: Exchange, key: str, subject: str, *to: str, attached: bytes = b"", **fields: Any) -> None:
    manifest = {
        "date": now().date().isoformat(),
        "kind": "external",
        "number": f"ตย 0001/{key}",
        "to": list(to),
        "subject": subject,
        "signers": [_SIGNER],
        **fields,
    }
    office.send(key, manifest, {"หนังสือ.pdf": attached or scan(f"{office.code} {key}", 2000)})


def _came(office: Exchange, count: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []

    def look() -> bool:
        found.extend(office.letters())
        return len(found) >= count

    eventually(look, f"{count} letters come to {office.code}")
    return found


def _register(office: Exchange, letter: dict[str, Any], officer: str = "เจ้าหน้าที่ตัวอย่าง") -> None:
    about = {"letter_id": letter["letter_id"], "unit": "งานสารบรรณ", "officer": officer}
    office.act("register", letter["letter_id"][:8], number=letter["letter_id"][:4], **about)


def _with_passwords(file: Path) -> None:
    """Give the sample people a password; its hash costs least, which is as good here."""
    hashed = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1).hash(PASSWORD)
    found = People.read(file)
    for name in people.PEOPLE:
        found = found.replace(replace(found.must(name), password=hashed))
    found.write()


def _directory() -> str:
    head = 'version = 1\n[bus]\ncertificates = [{ file = "bus.crt.pem" }]\n'
    return head + "".join(
        f"[[agency]]\ncode = {json.dumps(code)}\nname_th = {json.dumps(th, ensure_ascii=False)}\n"
        f"name_en = {json.dumps(en)}\nabbrev_th = {json.dumps(short, ensure_ascii=False)}\n"
        + f'certificates = [{{ file = "{code}.crt.pem" }}]\n'
        for code, (th, en, short) in _NAMES.items()
    )


def _calendar() -> str:
    """The shipped one, but for the receipt of what is most urgent, which is due at once."""
    text = assets.path("config/calendar.toml").read_text(encoding="utf-8")
    before, line, after = text.partition("[deadline.004]")
    assert 'receipt = "PT30M"' in after
    return before + line + after.replace('receipt = "PT30M"', 'receipt = "PT2S"', 1)
