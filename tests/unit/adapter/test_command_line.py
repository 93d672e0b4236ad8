"""`saraban-adapter`: what is typed twice happens once, and mistakes are told in words."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tomli_w

from adapters.agent.verifying import Verifier
from adapters.cli import main
from adapters.cli.acts import _COMMANDS as COMMANDS
from adapters.mailbox.acts import Verb
from bus.directory import BUS
from bus.documents.notes import log_key, make_key, witness_name
from bus.verifier.notes import VerifierKey
from tests.assets.factory import OCS, OPM, seal
from tests.unit.adapter.network import QUICK, Office
from tests.unit.adapter.test_acts import judge, received, sent
from tests.unit.adapter.test_folder import LETTER

Say = Callable[..., tuple[int, str, str]]


@pytest.fixture
def say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Say:
    """Type a command for an agency; gives exit status, output and complaints."""

    def run(agency: str, *words: str) -> tuple[int, str, str]:
        settings = tmp_path / f"{agency}.toml"
        settings.write_text(
            tomli_w.dumps({"agency": agency, "mailbox": {"folder": str(tmp_path / agency)}}), encoding="utf-8"
        )
        command, *options = words
        monkeypatch.setattr(sys, "argv", ["saraban-adapter", "--config", str(settings), command, *options])
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main()
        printed = capsys.readouterr()
        return int(end.value.code or 0), printed.out, printed.err

    return run


def ask(say: Say, agency: str, *words: str) -> Any:
    status, out, complaints = say(agency, *words, "--json")
    assert (status, complaints) == (0, "")
    return json.loads(out)


def test_a_letter_sent_twice_is_one_letter(sender: Office, say: Say, tmp_path: Path) -> None:
    sender.mailbox.arrivals.store([sender.bus.directory()])
    judge(sender)
    (tmp_path / "letter.toml").write_text(tomli_w.dumps(LETTER), encoding="utf-8")
    (tmp_path / "หนังสือ.pdf").write_bytes(b"%PDF")
    first = ask(say, OPM, "send", str(tmp_path / "letter.toml"))
    assert first["state"] == "waiting"
    assert ask(say, OPM, "send", str(tmp_path / "letter.toml"))["id"] == first["id"]
    assert len(sender.mailbox.outbox.letters()) == 1


def test_a_clerk_registers_by_number_and_sees_it(recipient: Office, say: Say) -> None:
    received(recipient, number="นร 0105/1234")
    first = ask(say, OCS, "register", "นร ๐๑๐๕/๑๒๓๔", "--number", "12", "--officer", "ตัวอย่าง")
    assert (
        ask(say, OCS, "register", "นร 0105/1234", "--number", "12", "--officer", "ตัวอย่าง")["id"]
        == first["id"]
    )
    (listed,) = ask(say, OCS, "inbox")
    assert listed["standing"]["receiving_number"] == "12"
    shown = ask(say, OCS, "show", "นร 0105/1234")
    assert [each["event"] for each in shown["notices"]] == ["delivered", "registered"]
    status, out, _ = say(OCS, "inbox")
    assert status == 0
    assert "12" in out


def test_a_mistake_is_told_in_thai_and_english_without_a_traceback(recipient: Office, say: Say) -> None:
    status, out, complaints = say(recipient.mailbox.agency, "register", "นร 9/9", "--number", "1")
    assert (status, out) == (1, "")
    assert "ไม่พบหนังสือ" in complaints
    assert "no letter" in complaints
    assert "Traceback" not in complaints


def test_settings_that_cannot_be_used_are_told_with_their_key(say: Say, tmp_path: Path) -> None:
    status, _, complaints = say("12", "status")
    assert status == 2
    assert "agency" in complaints


def test_the_senders_acts_name_letters_by_id(sender: Office, say: Say, tmp_path: Path) -> None:
    row = sent(sender, tmp_path, (OCS,))
    asked = ask(say, OPM, "withdraw", row.document_id, "--to", OCS, "--reason", "ส่งผิด")
    assert asked["what"] == "withdrawal-requested"
    (listed,) = ask(say, OPM, "outbox")
    assert listed["recipients"][0]["withdrawal"] == "requested"


def test_the_status_shows_what_is_missing_and_what_is_kept_aside(recipient: Office, say: Say) -> None:
    recipient.bus.number = 4
    recipient.mailbox.arrivals.store([recipient.bus.directory(), recipient.bus.message("postcard", b"?")])
    Verifier(recipient.mailbox, seal(BUS).certificate, QUICK).work()
    status = ask(say, OCS, "status")
    assert status["missing_consignments"] == [{"first": 1, "last": 4}]
    assert [each["type"] for each in status["quarantine"]] == ["postcard"]
    assert (status["running"], status["directory_version"]) == (False, 1)
    code, out, _ = say(OCS, "status")
    assert code == 0
    assert "postcard" in out


def test_every_act_has_its_command() -> None:
    assert set(COMMANDS) == set(Verb)


@pytest.mark.parametrize("columns", ["20", "40", "80", "300"])
def test_the_witness_key_is_one_line_however_narrow_the_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], columns: str
) -> None:
    make_key(tmp_path / "log.key.pem")
    origin = f"ledger.{'very-' * 30}long.example"
    log = log_key(tmp_path / "log.key.pem", origin).verifier
    (tmp_path / "log.vkey").write_text(f"{log}\n", encoding="utf-8")
    (tmp_path / "adapter.toml").write_text(f'agency = "{OPM}"\n[witness]\nlog_key = "log.vkey"\n')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setattr(sys, "argv", ["saraban-adapter", "log", "key"])
    with pytest.raises(SystemExit) as end:
        main()
    assert not end.value.code
    (line,) = capsys.readouterr().out.splitlines()
    assert VerifierKey.parse(line).name == witness_name(log, OPM)
