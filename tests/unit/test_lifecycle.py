"""The life of a letter: one table, and everybody who folds it comes to the same."""

from __future__ import annotations

import ast
import random
import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from adapters.mailbox.notices import NoticeRow
from adapters.mailbox.states import fold
from bus.codes import load_codes
from bus.documents.lifecycle import OUTCOMES, RULES, Condition, Deadline, Slot, Speaker, known
from bus.documents.notice import BUS, Event
from bus.errors import Refused
from bus.ledger.entry import Entry
from bus.ledger.state import LetterState, accepted, advance
from bus.ledger.transitions import violation_of
from bus.router.transitions import concerned, require_permitted
from bus.verifier.findings import Broken
from bus.verifier.transitions import Story, outcomes_of
from bus.verifier.transitions import require_permitted as verified_as_permitted
from tests.assets import factory
from tests.assets.factory import DGA, OCS, OPM, SOC
from tests.project import ROOT

SEQUENCES, PARTS, STEPS = 2_500, 8, 9
EVENTS = (*map(str, Event), "shredded")


class History:
    """One letter whose entries are judged by ledger, router, mailbox and verifier, each by itself."""

    def __init__(self, asked: str = "registration", own: bool = False) -> None:
        codes = (OPM, OCS) if own else (OCS, SOC)
        body = {
            "seq": 1,
            "kind": "accepted",
            "at": _at(1),
            "letter": 1,
            "agency": OPM,
            "letterId": "11111111-1111-4111-8111-111111111111",
            "digest": "ab" * 32,
            "acknowledgement": asked,
            "speed": "001",
            "receivedAt": _at(1),
            "recipients": {code: {"role": "to", "consignment": 7} for code in codes},
            "receiptDue": _at(1),
        }
        self.codes = codes
        self.entries: list[dict[str, Any]] = [body]
        self.rows: list[NoticeRow] = []
        self.state: LetterState = accepted(Entry(body))
        self.story = Story(body)
        self._seq = count(2)

    def step(self, kind: str, **said: Any) -> tuple[bool, ...]:
        """Offer an entry; who of ledger, router and verifier permits it. It is taken up if the ledger does."""
        seq = next(self._seq)
        body = {"seq": seq, "kind": kind, "at": _at(seq), "letter": 1, **said}
        by_ledger = violation_of(Entry(body), self.state) is None
        by_verifier = self.story.fault_of(body) is None
        by_router = self._router_permits(body) if kind == "notice" else by_ledger
        # A mailbox judges what agencies say. What the bus says of a deadline it has entered, or it is not said.
        if (row := _row(body)) and (by_ledger or kind != "overdue"):
            self.rows.append(row)
        if by_ledger:
            self.entries.append(body)
            moving = dict(self.state.recipients)
            advance(moving, Entry(body))
            self.state = replace(self.state, recipients=moving)
        if by_verifier:
            self.story.add(body)
        return by_ledger, by_router, by_verifier

    def says(
        self, event: str, by: str, about: tuple[str, ...], supersedes: str | None = None
    ) -> tuple[bool, ...]:
        notice_id = str(UUID(int=len(self.rows) + 1))
        return self.step(
            "notice",
            agency=by,
            event=event,
            about=list(about),
            noticeId=notice_id,
            digest="cd" * 32,
            **({"supersedes": supersedes} if supersedes else {}),
        )

    def _router_permits(self, body: dict[str, Any]) -> bool:
        event = known(body["event"]) or Event.DELIVERED
        notice = replace(
            factory.complete(event, about=tuple(body["about"]), supersedes=_uuid(body.get("supersedes"))),
            event=body["event"],
        )
        try:
            about = concerned(notice, body["agency"], self.state)
            require_permitted(notice, about, self.state)
        except Refused:
            return False
        # An entry is about exactly those whom the router took the notice to be about.
        return list(about) == list(body["about"])

    def by_ledger(self) -> dict[str, Any]:
        return {
            code: (
                one.outcome,
                {slot: fact.notice_id for slot, fact in one.progress.facts.items()},
                one.progress.overdue,
            )
            for code, one in self.state.recipients.items()
        }

    def by_mailbox(self) -> dict[str, Any]:
        carried = {code: one.progress.carried for code, one in self.state.recipients.items()}
        found = fold({code: code for code in self.codes}, OPM, self.rows)
        return {
            code: (
                carried[code] if one.effective is None else one.outcome,
                {slot: row.notice_id for slot, row in one.facts.items()},
                one.overdue,
            )
            for code, one in found.items()
        }

    def assert_verifier_agrees(self) -> None:
        asked = Deadline(self.entries[0]["acknowledgement"])
        for told in outcomes_of(self.entries, str):
            one = self.state.recipients[told["agency"]]
            facts = one.progress.facts
            assert told["outcome"] == one.outcome
            assert told["acknowledged"] == (not one.progress.open(asked))
            assert told["disputed"] == one.disputed
            assert told.get("answer") == (facts[Slot.ANSWER].event if Slot.ANSWER in facts else None)
            assert told.get("withdrawal") == (
                facts[Slot.WITHDRAWAL].event if Slot.WITHDRAWAL in facts else None
            )
            assert told.get("overdue", []) == list(one.overdue)
            assert ("openedAt" in told, "underActionAt" in told) == (
                Slot.OPENED in facts,
                Slot.ACTION in facts,
            )


def _uuid(text: str | None) -> UUID | None:
    return UUID(text) if text else None


def _at(seq: int) -> str:
    return f"2026-11-22T10:{seq // 60:02}:{seq % 60:02}.000000+07:00"


def _row(body: dict[str, Any]) -> NoticeRow | None:
    """The entry as a mailbox hears of it."""
    nothing = dict.fromkeys(NoticeRow.__slots__)
    if body["kind"] == "overdue":
        event, author, about = f"overdue-{body['deadline']}", BUS, body["silent"]
    elif body["kind"] == "notice":
        event, author, about = body["event"], body["agency"], body["about"]
    else:
        return None
    values: dict[str, Any] = {
        **nothing,
        "id": body["seq"],
        "entry": body["seq"],
        "event": event,
        "author": author,
        "about": tuple(about),
        "notice_id": body.get("noticeId", ""),
        "supersedes": body.get("supersedes"),
        "event_time": body["at"],
        "void": False,
    }
    return NoticeRow(**values)


def _random_step(draw: random.Random, history: History) -> tuple[bool, ...]:
    kind = draw.choices(("notice", "overdue", "consigned"), (18, 2, 1))[0]
    some = tuple(draw.sample(history.codes, draw.randint(1, len(history.codes))))
    if kind == "overdue":
        silent = list(some) if draw.random() < 0.9 else [DGA]
        return history.step(kind, deadline=draw.choice(list(Deadline)), silent=silent, due=_at(1))
    if kind == "consigned":
        return history.step(kind, recipients={code: [draw.choice((7, 8))] for code in some})
    event = draw.choice(EVENTS)
    meant = known(event)
    rule = RULES[meant] if meant else None
    recipient = draw.choice(history.codes)
    lawful = draw.random() < 0.85
    if rule is not None and rule.by is Speaker.SENDER:
        by, about = (OPM if lawful else draw.choice((OCS, DGA))), some
    else:
        by, about = (recipient if lawful else draw.choice((OPM, DGA))), (recipient,)
    if not lawful and draw.random() < 0.3:
        about = (*about, DGA)
    answer = history.state.recipients[recipient].answer
    in_force = answer.notice_id if answer else None
    supersedes = draw.choices((in_force, None, str(UUID(int=99_999))), (5, 4, 1))[0]
    if rule is not None and not rule.corrects and draw.random() < 0.95:
        supersedes = None
    return history.says(event, by, about, supersedes)


@pytest.mark.parametrize("seed", range(PARTS), ids=lambda seed: f"{SEQUENCES} sequences, seed {seed}")
def test_ledger_router_mailbox_and_verifier_permit_the_same_and_come_to_the_same(seed: int) -> None:
    draw = random.Random(seed)
    permitted = refused = 0
    for _ in range(SEQUENCES):
        history = History(draw.choice(("receipt", "registration")), own=draw.random() < 0.1)
        for _ in range(draw.randint(1, STEPS)):
            by_ledger, by_router, by_verifier = _random_step(draw, history)
            assert by_ledger == by_router == by_verifier, history.entries
            permitted, refused = permitted + by_ledger, refused + (not by_ledger)
        assert history.by_mailbox() == history.by_ledger(), history.rows
        history.assert_verifier_agrees()
        verified_as_permitted(history.entries)
    assert min(permitted, refused) > SEQUENCES, "both kinds are there in number"


@pytest.mark.parametrize(
    ("said", "outcome"),
    [
        ((Event.DELIVERED, Event.HANDOVER_FAILED), "delivered"),
        ((Event.HANDOVER_FAILED, Event.DELIVERED), "delivered"),
        ((Event.REGISTERED, Event.SETTLED), "registered"),
        ((Event.SETTLED, Event.REGISTERED), "registered"),
        ((Event.WITHDRAWAL_REQUESTED, Event.WITHDRAWAL_GRANTED, Event.SETTLED), "withdrawn"),
        ((Event.REGISTERED, Event.NUMBER_DISPUTED), "registered"),
        ((Event.DELIVERED, Event.OPENED, Event.UNDER_ACTION), "delivered"),
        ((Event.OPENED, Event.WITHDRAWAL_REQUESTED), "accepted"),
    ],
    ids=lambda value: ", ".join(value) if isinstance(value, tuple) else value,
)
def test_what_was_told_differently_by_each_is_decided_once(said: tuple[Event, ...], outcome: str) -> None:
    history = History()
    for event in said:
        by = OPM if RULES[event].by is Speaker.SENDER else OCS
        assert all(history.says(event, by, (OCS,)))
    history.assert_verifier_agrees()
    assert history.by_ledger() == history.by_mailbox()
    assert history.state.recipients[OCS].outcome == outcome


def test_a_letter_of_which_a_receipt_followed_a_failure_waits_for_its_registration_again() -> None:
    history = History()
    assert all(history.says(Event.HANDOVER_FAILED, OCS, (OCS,)))
    assert history.state.unacknowledged == [SOC]
    assert all(history.says(Event.DELIVERED, OCS, (OCS,)))
    assert history.state.unacknowledged == [OCS, SOC]


def test_who_has_turned_a_letter_away_does_not_act_on_it() -> None:
    history = History()
    assert all(history.says(Event.REFUSED, OCS, (OCS,)))
    assert not any(history.says(Event.UNDER_ACTION, OCS, (OCS,)))
    assert all(history.says(Event.OPENED, OCS, (OCS,)))
    assert not any(history.says(Event.OPENED, OCS, (OCS,)))


@pytest.mark.parametrize("event", ["shredded", "", "Delivered", "accepted"])
def test_an_event_that_nobody_knows_is_refused_by_all(event: str) -> None:
    history = History()
    assert not any(history.says(event, OCS, (OCS,)))
    assert history.by_ledger() == history.by_mailbox()
    with pytest.raises(Broken):
        verified_as_permitted([*history.entries, {**_notice_body(event), "seq": 9, "at": _at(9)}])


def _notice_body(event: str) -> dict[str, Any]:
    return {"kind": "notice", "agency": OCS, "event": event, "about": [OCS], "noticeId": "n", "letter": 1}


# ---- the table -----------------------------------------------------------------------------------------------------


def test_every_event_has_a_row_a_name_and_every_outcome_words() -> None:
    assert set(RULES) == set(Event)
    assert set(load_codes().events) == set(Event)
    assert len(set(OUTCOMES)) == len(OUTCOMES)
    for rule in RULES.values():
        assert (rule.slot is None) == (rule.by is Speaker.BUS)
        assert bool(rule.outcome) == bool(rule.rank)


def test_two_facts_of_one_rank_cannot_stand_beside_each_other() -> None:
    ranks = {(rule.rank, rule.slot) for rule in RULES.values() if rule.rank}
    assert len({rank for rank, _ in ranks}) == len(ranks)


def _matches() -> Iterator[tuple[Path, ast.Match]]:
    for package in ("bus", "adapters", "compose"):
        for file in sorted((ROOT / package).rglob("*.py")):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Match):
                    yield file, node


def test_a_match_over_events_names_them_all() -> None:
    seen = 0
    for file, match in _matches():
        seen += 1
        named = set(re.findall(r"Event\.([A-Z_]+)", ast.unparse(match)))
        if named & set(Event.__members__):
            assert named >= set(Event.__members__), f"{file.relative_to(ROOT)}:{match.lineno}"
    assert seen > 10, "matches are found where they are"


# ---- its page ------------------------------------------------------------------------------------------------------

_BY = {
    Speaker.BUS: "ระบบกลาง · bus",
    Speaker.ADAPTER: "โปรแกรมของผู้รับ · the recipient's adapter",
    Speaker.CLERK: "เจ้าหน้าที่ผู้รับ · the recipient's clerk",
    Speaker.SENDER: "ผู้ส่ง · the sender",
}


def rows_of_the_page() -> list[str]:
    """What docs/lifecycle.md has to say of every event."""
    names = load_codes().events
    return [
        f"| `{event}` | {names[event].th} · {names[event].en} | {_BY[rule.by]} "
        f"| {_listed([rule.after] if rule.after else [])} | {_listed(rule.not_after)} "
        f"| {_listed(rule.closes)} | {f'`{rule.outcome}`' if rule.outcome else '–'} |"
        for event, rule in RULES.items()
    ]


def _listed(values: Any) -> str:
    order = [*Condition, *Deadline]
    return ", ".join(f"`{value}`" for value in sorted(values, key=order.index)) or "–"


def test_the_page_for_clerks_shows_the_table_as_it_is() -> None:
    page = (ROOT / "docs" / "lifecycle.md").read_text(encoding="utf-8")
    shown = [line for line in page.splitlines() if line.startswith("| `")]
    events = [line for line in shown if line.count("|") == 8]
    assert events == rows_of_the_page()
    for value in (*Condition, *OUTCOMES):
        assert f"`{value}`" in page
