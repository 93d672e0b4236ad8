"""The run of the demonstration: offices and clerks act on what their doors tell them, until all is answered."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic, sleep

from bus.identifiers import AgencyCode, LetterId
from bus.ledger.state import LetterState, RecipientState
from bus.ledger.store import Ledger
from bus.thai import now
from compose.demo.centre import Centre
from compose.demo.doors import offices
from compose.demo.offices.office import News, Office
from compose.demo.story import AGENCIES, ETDA, KEYS, LATE, LETTERS, OCS, OPM, PLANS, SOC, Clerk, Item
from compose.process import Process

_WITHIN = 120.0
_KILL_AT = "router.after-commit=kill@12"
_LOOK_EVERY = 0.1


class Play:
    """The state of the demonstration; a context manager, which closes the offices."""

    def __init__(self, bus: Centre) -> None:
        self.bus = bus
        self.offices: dict[AgencyCode, Office] = offices(bus)
        self.clerks = {
            code: Clerk(office, plans=PLANS.get(code, {})) for code, office in self.offices.items()
        }
        self.events: dict[str, float] = {}
        """`event:key` of everything that offices were told, with the second of the play."""
        self.references: dict[LetterId, str] = {}
        """The story's key of each LetterID."""
        self.refusals: dict[str, str] = {}
        """Why the bus refused a letter, by its key."""
        self.router_kills = 0
        self.began = monotonic()
        self._sent: set[str] = set()
        self._handled = dict.fromkeys(AGENCIES, 0)
        self._late_started = False
        self._router: Process | None = None

    def __enter__(self) -> Play:
        return self

    def __exit__(self, *_: object) -> None:
        for office in self.offices.values():
            office.close()

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
        """Whether every letter has its answers, and every office what it was sent."""
        answered = all(f"accepted:{item.key}" in self.events or item.key in self.refusals for item in LETTERS)
        told = answered and "registered:replacement" in self.events
        return told and self._corrected() and not self.silent() and not self.missing()

    def silent(self) -> list[tuple[str, str]]:
        """Return (reference, recipient) of everybody who has not acknowledged, by the ledger."""
        return [
            (self.references.get(state.letter_id, state.letter_id), code)
            for state in self.states()
            for code in state.unacknowledged
        ]

    def missing(self) -> list[tuple[str, str]]:
        """Return (reference, recipient) of what was delivered and is not in that office."""
        held = {code: {KEYS.get(one.subject) for one in office.held} for code, office in self.offices.items()}
        return [
            (key, one.agency)
            for state in self.states()
            for one in state.recipients.values()
            if one.receipt and (key := self.references[state.letter_id]) not in held[one.agency]
        ]

    def states(self) -> list[LetterState]:
        """Return the state of every accepted letter, by the ledger, in order."""
        with self.ledger.read() as reader:
            rows = list(reversed(reader.find_letters()))
            self.references |= {row.letter_id: KEYS[row.subject or ""] for row in rows}
            return [reader.state_of(row.letter) for row in rows]

    @property
    def ledger(self) -> Ledger:
        """The ledger, for reading."""
        return self.bus.open_ledger()

    def _corrected(self) -> bool:
        def corrected(one: RecipientState) -> bool:
            return one.answer is not None and one.answer.number == "12" and len(one.events) > 2

        return any(corrected(one) for state in self.states() for one in state.recipients.values())

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
        manifest = {"date": now().date().isoformat(), "reference": item.key, **item.manifest}
        self.offices[item.sender].send(manifest, item.files())
        self._sent.add(item.key)

    def _attend(self, code: AgencyCode) -> None:
        office = self.offices[code]
        told = office.look()
        come, self._handled[code] = office.held[self._handled[code] :], len(office.held)
        for letter in come:
            self.clerks[code].handle(letter)
        for news in told:
            self._note(office, news)

    def _note(self, office: Office, news: News) -> None:
        key = KEYS[news.subject]
        self.events.setdefault(f"{news.event}:{key}", monotonic() - self.began)
        if news.code:
            self.refusals[key] = news.code
        self._react(office, key, news)

    def _react(self, office: Office, key: str, news: News) -> None:
        """What an office does about news, where the story wants something done."""
        match office.code, news.event, key:
            case c, "registered", "mistyped" if c == OCS and news.number == "21":
                office.act("dispute", news.subject, reason="เลขรับไม่ตรงกับทะเบียน (ตัวอย่าง)")
            case c, "delivered", "withdrawn" if c == OPM:
                office.act("withdraw", news.subject, reason="วันที่ประชุมไม่ถูกต้อง (ตัวอย่าง)")
            case c, "number-disputed", "mistyped" if c == SOC:
                office.act("correct", news.subject, number="12", unit="งานสารบรรณ")
            case c, "withdrawal-requested", "withdrawn" if c == ETDA:
                office.act("grant", news.subject)
            case _:
                pass
