"""What stewards do on pages: each act says first what it will do, and is an entry with who, how and why."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from bus.console.jobs.table import JobKind, Jobs
from bus.documents.notes import make_key, witness_key
from bus.enrolment.carrying_out import Means, carry_out
from bus.enrolment.logins import by_nobody
from bus.enrolment.orders import waiting_entries
from bus.identifiers import AgencyCode
from bus.ledger.entry import Kind
from bus.ledger.store import Ledger
from bus.operators import Operator, Role
from tests.assets import factory
from tests.assets.enrolments import requested
from tests.assets.factory import OCS, OPM
from tests.contract import ledger_rig as rig
from tests.contract.console_rig import PEOPLE, Console, Visitor, console_over

NEW = AgencyCode("0999900000")
WHY = "ทดสอบตามคำสั่ง (ตัวอย่าง)"
OTHER = Operator("สมศรี (ตัวอย่าง)", Role.STEWARD, "oidc")
BY = {"operator": PEOPLE[Role.STEWARD].name, "role": "steward", "method": "local"}


@pytest.fixture
def console(sqlite_template: Path, tmp_path: Path) -> Iterator[Console]:
    shutil.copy(sqlite_template, tmp_path / "ledger.db")
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    rig.Router(ledger).activate(rig.directory())
    with console_over(ledger, tmp_path) as opened:
        yield opened
    ledger.close()


@pytest.fixture
def steward(console: Console) -> Visitor:
    return console.visited_by(Role.STEWARD)


def newest(console: Console, kind: Kind) -> dict[str, object]:
    with console.site.ledger.read() as reader:
        entry = reader.latest(kind)
    assert entry is not None
    return dict(entry.body)


def of(body: dict[str, object], *names: str) -> dict[str, object]:
    return {name: body.get(name) for name in names}


def carried_out(console: Console) -> None:
    means = Means(factory.seal("bus"), lambda _: "the broker's password", by_nobody)
    with console.site.ledger.read() as reader:
        found = waiting_entries(reader)
    for entry in found:
        carry_out(console.site.ledger, entry, means)


def test_a_steward_approves_by_the_fingerprint_that_the_agency_reads_out_and_sees_it_done(
    console: Console, steward: Visitor, tmp_path: Path
) -> None:
    make_key(tmp_path / "witness.pem")
    witness = str(witness_key(tmp_path / "witness.pem", "saraban.example/test/witness").verifier)
    name, fingerprint = requested(console.site.ledger, witness, NEW, factory.seal("bus"))
    assert "หน่วยงาน (ตัวอย่าง)" in steward.get("/enrolments").text
    page = f"/enrolments/{name}"
    assert steward.json(page)["fingerprint"] == fingerprint
    wrong = steward.send(f"{page}/approve", {"fingerprint": "0" * 64})
    assert wrong.status_code == 409
    assert "ลายนิ้วมือของกุญแจไม่ตรงกับคำขอ" in wrong.text
    spoken = " ".join(fingerprint[at : at + 4].upper() for at in range(0, 32, 4))
    order = steward.send(f"{page}/approve", {"fingerprint": spoken}).headers["location"]
    assert "รอดำเนินการ" in steward.get(order).text
    assert of(newest(console, Kind.ORDERED), *BY, "act", "agency") == {**BY, "act": "approve", "agency": NEW}
    carried_out(console)
    assert steward.json(order)["outcome"] == "done"
    assert "ดำเนินการแล้ว" in steward.get(order).text
    assert steward.json("/enrolments") == {"requests": []}
    assert of(newest(console, Kind.DIRECTORY), *BY) == BY


def test_a_request_is_declined_with_a_reason_and_not_without(
    console: Console, steward: Visitor, tmp_path: Path
) -> None:
    make_key(tmp_path / "witness.pem")
    witness = str(witness_key(tmp_path / "witness.pem", "saraban.example/test/witness").verifier)
    name, _ = requested(console.site.ledger, witness, NEW, factory.seal("bus"))
    assert steward.send(f"/enrolments/{name}/decline", {"reason": " "}).status_code == 400
    assert steward.send(f"/enrolments/{name}/decline", {"reason": "ก" * 501}).status_code == 400
    assert steward.send(f"/enrolments/{name}/decline", {"reason": WHY}).status_code == 303
    assert of(newest(console, Kind.ORDERED), *BY, "act", "reason") == {**BY, "act": "decline", "reason": WHY}


def test_suspending_says_what_it_does_first_and_resuming_ends_it(console: Console, steward: Visitor) -> None:
    page = steward.get(f"/agencies/{OCS}/suspend").text
    assert "เก็บหนังสือที่ส่งถึงหน่วยงานนี้ไว้" in page
    order = steward.send(f"/agencies/{OCS}/suspend", {"reason": WHY}).headers["location"]
    again = steward.send(f"/agencies/{OCS}/suspend", {"reason": WHY}).headers["location"]
    assert again == order
    assert steward.send(f"/agencies/{OCS}/resume", {"reason": WHY}).status_code == 409
    carried_out(console)
    assert steward.json(f"/agencies/{OCS}/resume")["state"] == "suspended"
    assert steward.send(f"/agencies/{OCS}/resume", {"reason": WHY}).status_code == 303
    carried_out(console)
    assert steward.json(f"/agencies/{OCS}/suspend")["state"] == "active"
    outcomes = [one["outcome"] for one in steward.json("/orders")["orders"]]
    assert outcomes == ["done", "done"]
    assert steward.get("/agencies/0000000001/suspend").status_code == 404


def test_the_ledger_is_halted_and_resumed_by_two_people_and_never_by_one(
    console: Console, steward: Visitor
) -> None:
    other = console.visited_by(OTHER)
    for wanted, halted in (("yes", True), ("no", False)):
        steward.send("/halt", {"halted": wanted, "reason": WHY})
        steward.send("/halt", {"halted": wanted, "reason": WHY})
        assert steward.json("/halt")["halted"] is not halted
        assert "ให้ผู้ดูแลระบบอีกคนเปิดหน้านี้และยืนยัน" in steward.get("/halt").text
        assert "ยืนยัน" in other.get("/halt").text
        other.send("/halt", {"halted": wanted, "reason": WHY})
        assert steward.json("/halt")["halted"] is halted


def test_one_parked_submission_is_replayed_with_a_reason(console: Console, steward: Visitor) -> None:
    with console.site.ledger.append() as writer:
        parked = writer.entry(Kind.PARKED, agency=OPM, rawSha256="ab" * 32, document=b"<Letter/>")
    page = f"/parked/{parked}/replay"
    assert "ผ่านการตรวจทุกด่านใหม่" in steward.get(page).text
    assert steward.send(page, {"reason": ""}).status_code == 400
    assert steward.send(page, {"reason": WHY}).status_code == 303
    asked = newest(console, Kind.REPLAY_REQUESTED)
    assert of(asked, *BY, "parked", "reason") == {**BY, "parked": parked, "reason": WHY}
    assert steward.send(f"/parked/{parked + 99}/replay", {"reason": WHY}).status_code == 404


def test_many_are_counted_first_and_replayed_by_a_job_only_as_many_as_were_seen(
    console: Console, steward: Visitor
) -> None:
    with console.site.ledger.append() as writer:
        for fault in ("KeyError", "KeyError", "TypeError"):
            writer.entry(Kind.PARKED, agency=OPM, rawSha256="ab" * 32, error=fault, document=b"<Letter/>")
    seen = steward.json("/parked/replay?fault=KeyError")
    assert (seen["count"], seen["byFault"]) == (2, {"KeyError": 2})
    form = {"fault": "KeyError", "upto": str(seen["upto"]), "rate": "60", "reason": WHY}
    assert steward.send("/parked/replay", {**form, "count": "3"}).status_code == 400
    assert steward.send("/parked/replay", {**form, "count": "2", "rate": "0"}).status_code == 400
    assert steward.send("/parked/replay", {**form, "count": "2"}).status_code == 303
    (job,) = Jobs(console.site.store).newest([JobKind.REPLAY])
    assert dict(job.asked) == {"fault": "KeyError", "upto": seen["upto"], "rate": 60, "why": WHY}
    assert steward.get("/parked/replay?agency=nobody").status_code == 400


def test_a_grant_opens_a_letter_for_one_auditor_and_the_auditor_sees_it(
    console: Console, steward: Visitor
) -> None:
    with console.site.ledger.append() as writer:
        letter = rig.in_ledger(writer, sender=OPM, to=(OCS,))
    auditor = console.visited_by(Role.AUDITOR)
    form = {"letter": str(letter), "auditor": auditor_name(), "hours": "8", "reason": WHY}
    for name, value in (
        ("letter", "99999"),
        ("auditor", ""),
        ("hours", "0"),
        ("hours", "745"),
        ("reason", ""),
    ):
        assert steward.send("/grants/new", {**form, name: value}).status_code == 400, name
    assert steward.send("/grants/new", form).status_code == 303
    steward.send("/grants/new", {**form, "auditor": "อีกคน (ตัวอย่าง)"})
    assert of(newest(console, Kind.GRANTED), *BY, "letter") == {**BY, "letter": letter}
    assert len(steward.json("/grants")["grants"]) == 2
    assert [one["auditor"] for one in auditor.json("/grants")["grants"]] == [auditor_name()]


def auditor_name() -> str:
    return PEOPLE[Role.AUDITOR].name
