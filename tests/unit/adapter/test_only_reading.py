"""A command that reads changes nothing and binds nothing; `status` says first what is wrong and what to do."""

from __future__ import annotations

import datetime as dt
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import typer

from adapters.agent.verifying import Verifier
from adapters.cli import app, main
from adapters.mailbox import ArrivalState, Mailbox
from adapters.mailbox.conditions import ConditionCode, Finding
from bus.directory import BUS
from bus.documents.making import new_seal, write_seal
from bus.errors import Misconfigured
from bus.identifiers import AgencyCode
from tests.assets.factory import OCS, OPM, seal
from tests.contract.test_usage import ADAPTER
from tests.unit.adapter.network import QUICK, Office
from tests.unit.adapter.test_acts import judge, received
from tests.unit.adapter.test_command_line import Say, ask, say

__all__ = ["say"]

READING = ("outbox", "inbox", "show x", "status", "log status", "check", "doctor", "ping")
"""`ping` reads until it is sure that somebody would send its letter."""
WRITING = {
    "init",
    "key make",
    "unit",
    "run",
    "send",
    "send-again",
    "verify-again",
    "dismiss",
    "reconcile",
    "log key",
    *(f"ecms {what}" for what in ("list", "skip", "serve-again")),
    "sql tables",
    *(f"rest key {what}" for what in ("make", "list", "rotate", "revoke")),
    *(f"rest webhook {what}" for what in ("add", "list", "retry", "remove")),
    "desk link",
    *(f"desk user {what}" for what in ("add", "password", "role", "oidc", "list", "remove")),
}
"""And the acts of clerks."""


def everything(folder: Path) -> dict[str, bytes | None]:
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }


def typed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str
) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "argv", ["saraban-adapter", *words])
    capsys.readouterr()
    with pytest.raises(SystemExit) as end:
        main()
    printed = capsys.readouterr()
    return int(end.value.code or 0), printed.out, printed.err


def test_every_command_either_reads_or_writes() -> None:
    acts = {name for name, command in typer.main.get_command(app).commands.items() if _is_act(command)}  # type: ignore[attr-defined]
    reading = {line.removesuffix(" x") for line in READING}
    assert {str(each) for each in ADAPTER} == reading | WRITING | acts


def _is_act(command: object) -> bool:
    return getattr(getattr(command, "callback", None), "__module__", "") == "adapters.cli.acts"


@pytest.mark.parametrize("line", READING)
@pytest.mark.parametrize("there", ["nothing", "an empty folder", "another agency's"])
def test_where_there_is_no_mailbox_of_ours_a_command_that_reads_makes_and_binds_nothing(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    line: str,
    there: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "adapter.toml").write_text(f'agency = "{OPM}"\n')
    if there == "an empty folder":
        (tmp_path / "mailbox").mkdir()
    elif there == "another agency's":
        Mailbox(tmp_path / "mailbox", OCS).close()
    before = everything(tmp_path)
    status, out, complaints = typed(monkeypatch, capsys, *line.split())
    assert status == 2, (out, complaints)
    assert "mailbox" in out + complaints
    assert everything(tmp_path) == before


@pytest.mark.parametrize("line", READING)
def test_a_command_that_reads_leaves_every_byte_of_a_mailbox_as_it_is(
    recipient: Office,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    line: str,
) -> None:
    letter = received(recipient, number="นร 0105/1234")
    recipient.mailbox.close()
    (tmp_path / "adapter.toml").write_text(f'agency = "{OCS}"\n[mailbox]\nfolder = "{OCS}"\n')
    monkeypatch.chdir(tmp_path)
    before = everything(tmp_path)
    assert before[f"{OCS}/mailbox.sqlite"]
    status, out, complaints = typed(
        monkeypatch, capsys, *(str(letter.letter_id) if word == "x" else word for word in line.split())
    )
    assert "Traceback" not in complaints
    assert status in ((0,) if line.split()[0] in ("outbox", "inbox", "show", "status", "log") else (1, 2)), (
        out
    )
    assert everything(tmp_path) == before


def test_what_was_opened_for_reading_cannot_be_written(tmp_path: Path) -> None:
    Mailbox(tmp_path / "m", OPM).close()
    with (
        Mailbox(tmp_path / "m", OPM, only_reading=True) as mailbox,
        pytest.raises(Exception, match=r"READONLY|readonly|read.only"),
    ):
        mailbox.properties.set("name", "value")


def test_a_mailbox_whose_disk_is_not_mounted_is_not_made_beside_the_mount(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"is not there.*Mount its disk"):
        Mailbox(tmp_path / "srv" / "mailbox", OPM)
    assert not (tmp_path / "srv").exists()


# ── what status says first ──────────────────────────────────────────────────────────────────────


def first_words(say: Say, agency: str) -> list[str]:
    return [each["en"] for each in ask(say, agency, "status")["wrong"]]


def with_seal(tmp_path: Path, agency: str, not_after: dt.timedelta = dt.timedelta(days=100)) -> None:
    """The settings that `say` writes name no keys: those of their defaults are here then."""
    now = dt.datetime.now(dt.UTC)
    write_seal(
        new_seal("x", not_before=now - dt.timedelta(days=200), not_after=now + not_after),
        tmp_path / "keys",
        "agency",
    )
    write_seal(seal(BUS), tmp_path / "keys", "bus")


def test_a_mailbox_without_a_directory_says_that_everything_waits_and_what_to_do(
    sender: Office, say: Say, tmp_path: Path
) -> None:
    with_seal(tmp_path, OPM)
    wrong = first_words(say, OPM)
    assert wrong[0].startswith("The adapter does not run")
    assert "no directory" in wrong[1]
    _, out, _ = say(OPM, "status")
    assert out.splitlines()[0].startswith("✗ โปรแกรมเชื่อมต่อไม่ได้ทำงาน")
    assert "saraban-adapter reconcile" in out
    sender.mailbox.arrivals.store([sender.bus.directory()])
    judge(sender)
    with sender.mailbox.exclusive():
        assert first_words(say, OPM) == []
        assert "nothing is wrong" in say(OPM, "status")[1].splitlines()[0]


@pytest.mark.parametrize(("days", "said"), [(-1, "has expired"), (10, "expires soon"), (100, None)])
def test_a_certificate_that_ends_is_said_by_status_whether_or_not_the_adapter_runs(
    sender: Office, say: Say, tmp_path: Path, days: int, said: str | None
) -> None:
    with_seal(tmp_path, OPM, dt.timedelta(days=days))
    wrong = first_words(say, OPM)
    assert bool(said and said in wrong[0]) == bool(said)
    assert any("certificate" in each for each in wrong) == bool(said)


def test_what_stops_the_adapter_stands_before_what_does_not(sender: Office, say: Say, tmp_path: Path) -> None:
    with_seal(tmp_path, OPM)
    found = [Finding(ConditionCode.OUTBOX_UNKNOWN, "x"), Finding(ConditionCode.FOLDER_AWAY, "/srv")]
    sender.mailbox.conditions.report("folder.import", found)
    codes = [each.get("code") for each in ask(say, OPM, "status")["wrong"]]
    assert codes[:2] == ["folder.away", "outbox.unknown"]


# ── the quarantine ──────────────────────────────────────────────────────────────────────────────


def test_what_is_in_quarantine_can_be_dismissed_with_a_reason_and_does_not_come_back(
    open_office: Callable[[AgencyCode], Office], say: Say
) -> None:
    office = open_office(OCS)
    office.mailbox.arrivals.store([office.bus.directory(), office.bus.message("postcard", b"?")])
    Verifier(office.mailbox, seal(BUS).certificate, QUICK).work()
    ((shown,)) = (ask(say, OCS, "status")["quarantine"],)
    number = str(shown[0]["arrival"])
    assert say(OCS, "dismiss", number, "--reason", "  ")[0] == 2
    assert say(OCS, "dismiss", "999", "--reason", "x")[0] == 1
    assert ask(say, OCS, "dismiss", number, "--reason", "ทดสอบ\nของผู้ดูแล")["state"] == "dismissed"
    after = ask(say, OCS, "status")
    assert (after["quarantine"], after["arrivals"]["dismissed"]) == ([], 1)
    row = office.mailbox.arrivals.get(int(number))
    assert row.body == b"?"
    assert "no known type" in (row.detail or "")
    assert (row.detail or "").endswith("ทดสอบ ของผู้ดูแล")
    assert ask(say, OCS, "verify-again")["to_be_judged"] == 0
    assert office.mailbox.arrivals.get(int(number)).state is ArrivalState.DISMISSED
    assert say(OCS, "dismiss", number, "--reason", "x")[0] == 1


# ── what is copied ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("columns", ["10", "40"])
@pytest.mark.parametrize("terminal", ["0", "1"])
def test_nothing_that_is_read_by_a_machine_or_copied_is_wrapped(
    sender: Office, say: Say, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, columns: str, terminal: str
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setenv("TTY_COMPATIBLE", terminal)
    for line in ("status", "outbox", "inbox", "log status", "doctor"):
        json.loads(say(OPM, *line.split(), "--json")[1])
    _, out, _ = say(OPM, "status")
    wrong = ask(say, OPM, "status")["wrong"]
    for each, line in zip(wrong, out.splitlines()[1::2], strict=False):
        assert line == f"  {each['en']} {each['advice_en']}"
    lines = json.loads(say(OPM, "doctor", "--json")[1])["lines"]
    shown = say(OPM, "doctor")[1].splitlines()
    assert len(shown) == len(lines)
    for each, line in zip(lines, shown, strict=True):
        assert line.startswith(f"{each['level']:<4} {each['check']}: ")
        assert line.endswith(each["fix"])
