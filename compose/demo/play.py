"""The play: offices and clerks act on what their folders tell them, until the story is told."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic, sleep
from typing import Any

from bus.identifiers import AgencyCode, LetterId
from bus.ledger.state import LetterState
from bus.ledger.store import Ledger
from bus.thai import now
from compose.demo.centre import Centre
from compose.demo.office import Office
from compose.demo.papers import scan
from compose.demo.story import AGENCIES, ETDA, LATE, LETTERS, OCS, OPM, PLANS, SOC, Clerk, Item
from compose.process import Process

_WITHIN = 120.0
_KILL_AT = "router.after-commit=kill@12"
_LOOK_EVERY = 0.1


class Play:
    """The state of the demonstration."""

    def __init__(self, bus: Centre) -> None:
        self.bus = bus
        names = bus.directory.agencies
        self.offices = {
            code: Office(code, names[code].abbrev_th, bus.exchange_folder(code)) for code in AGENCIES
        }
        self.clerks = {
            code: Clerk(code, office.act, plans=PLANS.get(code, {})) for code, office in self.offices.items()
        }
        self.events: dict[str, float] = {}
        """`event:reference` of everything that senders were told, with the second of the play."""
        self.references: dict[LetterId, str] = {}
        """The office's reference of each LetterID."""
        self.refusals: dict[str, dict[str, Any]] = {}
        self.router_kills = 0
        self.began = monotonic()
        self._sent: set[str] = set()
        self._late_started = False
        self._router: Process | None = None

    def start(self) -> None:
        """Start a router, which will die on the way, and every adapter but the late agency's."""
        self._router = self.bus.start_router(failpoints=_KILL_AT, wait=False)
        adapters = [self.bus.start_adapter(code, wait=False) for code in AGENCIES if code != LATE]
        for process in (self._router, *adapters):
            process.wait_ready()

    def run(self, show: Callable[[], None]) -> None:
        """Play until everybody has acknowledged everything, or until the time is up."""
        self.began = monotonic()
        while monotonic() - self.began < _WITHIN:
            self._revive_router()
            self._send_what_is_due()
            for code in AGENCIES:
                self._attend(code)
            if not self._late_started and self._all_but_the_late_one():
                self.bus.start_adapter(LATE)
                self._late_started = True
            show()
            if self._late_started and self.finished():
                return
            sleep(_LOOK_EVERY)

    def finished(self) -> bool:
        """Whether every letter has its answers and nothing is left to do."""
        answered = all(f"accepted:{item.key}" in self.events or item.key in self.refusals for item in LETTERS)
        return (
            answered and "registered:replacement" in self.events and self._corrected() and not self.silent()
        )

    def silent(self) -> list[tuple[str, str]]:
        """Return (reference, recipient) of everybody who has not acknowledged, by the ledger."""
        return [
            (self.references.get(state.letter_id, state.letter_id), code)
            for state in self.states()
            for code in state.unacknowledged
        ]

    def states(self) -> list[LetterState]:
        """Return the state of every accepted letter, by the ledger, in order."""
        with self.ledger.read() as reader:
            return [reader.state_of(row.letter) for row in reversed(reader.find_letters())]

    @property
    def ledger(self) -> Ledger:
        """The ledger, for reading."""
        return self.bus.open_ledger()

    def _corrected(self) -> bool:
        return any(
            one.answer and one.answer.number == "12" and len(one.events) > 2
            for state in self.states()
            for one in state.recipients.values()
        )

    def _all_but_the_late_one(self) -> bool:
        return len(self._sent) == len(LETTERS) and all(code == LATE for _, code in self.silent())

    def _revive_router(self) -> None:
        if self._router and not self._router.running:
            self.router_kills += 1
            self._router = self.bus.start_router()

    def _send_what_is_due(self) -> None:
        for item in LETTERS:
            if item.key not in self._sent and (item.after is None or item.after in self.events):
                self._send(item)

    def _send(self, item: Item) -> None:
        files = {
            f"{item.manifest['subject'][:40]} {n}.pdf": scan(f"{item.key} {n}", size)
            for n, size in enumerate(item.sizes, 1)
        }
        manifest = {"date": now().date().isoformat(), **item.manifest}
        self.offices[item.sender].send(item.key, manifest, files)
        self._sent.add(item.key)

    def _attend(self, code: AgencyCode) -> None:
        office = self.offices[code]
        for letter in office.letters():
            self.clerks[code].handle(letter)
        for receipt in office.receipts():
            self._note_receipt(office, receipt)

    def _note_receipt(self, office: Office, receipt: dict[str, Any]) -> None:
        event = receipt["event"]
        answers = receipt.get("answers")
        if answers and answers["type"] == "letter":
            self.references[answers["id"]] = answers["reference"]
            if answers["refusal"]:
                self.refusals[answers["reference"]] = answers["refusal"]
        reference = answers["reference"] if answers else receipt.get("reference")
        if reference:
            self.events.setdefault(f"{event}:{reference}", monotonic() - self.began)
        self._react(office, event, reference, receipt)

    def _react(self, office: Office, event: str, reference: str | None, receipt: dict[str, Any]) -> None:
        """What an office does about news, where the story wants something done."""
        letter = receipt.get("letter") or {}
        match office.code, event, reference:
            case c, "registered", "mistyped" if c == OCS and receipt.get("receiving_number") == "21":
                office.act(
                    "dispute", "mistyped", letter_reference="mistyped", reason="เลขรับไม่ตรงกับทะเบียน (ตัวอย่าง)"
                )
            case c, "delivered", "withdrawn" if c == OPM:
                office.act(
                    "withdraw", "withdrawn", letter_reference="withdrawn", reason="วันที่ประชุมไม่ถูกต้อง (ตัวอย่าง)"
                )
            case c, "number-disputed", _ if c == SOC:
                office.act(
                    "correct", "mistyped", letter_id=letter["letter_id"], number="12", unit="งานสารบรรณ"
                )
            case c, "withdrawal-requested", _ if c == ETDA:
                office.act("grant", "withdrawn", letter_id=letter["letter_id"])
