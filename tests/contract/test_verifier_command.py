"""`saraban-verify` as a program: its exit status is a verdict or none, and no pack draws on the screen."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus import text
from bus.ledger.store import Ledger
from bus.verifier import cli, printing
from bus.verifier.cli import main
from tests.contract.lived import Lived, live
from tests.contract.test_evidence import key_of, members_of, packed, repacked
from tests.project import ROOT


@pytest.fixture
def lived(sqlite_template: Path, tmp_path: Path) -> Lived:
    shutil.copy(sqlite_template, tmp_path / "ledger.db")
    return live(Ledger(f"sqlite:///{tmp_path / 'ledger.db'}"), tmp_path)


@pytest.fixture
def pack(lived: Lived, tmp_path: Path) -> Path:
    return packed(lived, tmp_path / "pack.asice")


def verify(*words: str | Path, encoding: str = "utf-8", **more: str) -> subprocess.CompletedProcess[bytes]:
    """Run the program as an auditor's console does."""
    command = [sys.executable, "-m", "bus.verifier", *map(str, words)]
    environment = {**os.environ, "PYTHONIOENCODING": encoding, **more}
    return subprocess.run(command, capture_output=True, cwd=ROOT, env=environment, check=False)


@given(st.text(st.characters()))
def test_the_verifiers_copy_prints_as_the_bus_does(foreign: str) -> None:
    assert printing.printable(foreign) == text.printable(foreign)
    for encoding in ("utf-8", "cp874"):
        assert printing.json_text([foreign], encoding=encoding) == text.json_text(
            [foreign], encoding=encoding
        )


Misuse = Callable[[Path], tuple[str | Path, ...]]
MISUSES: dict[str, Misuse] = {
    "nothing": lambda _: (),
    "a mistyped name": lambda folder: (folder / "pakc.asice",),
    "a folder": lambda folder: (folder,),
    "a name that no file has": lambda _: ("a\0b",),
    "an unknown option": lambda folder: (folder / "pack.asice", "--log-kye", "x"),
    "two packs": lambda folder: (folder / "pack.asice", folder / "pack.asice"),
    "no value": lambda folder: (folder / "pack.asice", "--log-key"),
    "no key": lambda folder: (folder / "pack.asice", "--log-key", "nonsense"),
    "a key that is not there": lambda folder: (folder / "pack.asice", "--log-key", folder / "none.vkey"),
    "a key that is no text": lambda folder: (folder / "pack.asice", "--log-key", folder / "pack.asice"),
    "a witness that is none": lambda folder: (folder / "pack.asice", "--witness", "a+b+c"),
}


@pytest.mark.parametrize("name", MISUSES)
def test_what_is_asked_wrongly_gets_no_verdict(
    pack: Path, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(word) for word in MISUSES[name](tmp_path)]) == 64
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("saraban-verify: no verdict: ")
    assert len(said.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (RuntimeError("x\ny"), 70),
        (RecursionError(), 70),
        (MemoryError(), 70),
        (OSError(5, "Input/output"), 74),
    ],
)
def test_a_crash_is_no_verdict(
    pack: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: Exception,
    status: int,
) -> None:
    def crash(*_: object) -> None:
        raise error

    monkeypatch.setattr(cli, "judge", crash)
    assert main([str(pack)]) == status
    said = capsys.readouterr()
    assert (said.out, len(said.err.splitlines())) == ("", 1)
    assert "no verdict" in said.err


def test_a_disk_that_fails_while_a_check_reads_is_no_verdict(
    lived: Lived, pack: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("bus.verifier.proving.sealed_members", fail)
    assert main([str(pack), "--log-key", str(key_of(lived))]) == 74


def test_without_its_libraries_it_gives_no_verdict(pack: Path, tmp_path: Path) -> None:
    """A copied folder on a computer that has only Python: Python itself would exit 1, which is a verdict."""
    shutil.copytree(ROOT / "bus" / "verifier", tmp_path / "elsewhere" / "verifier")
    command = [sys.executable, "-I", "-S", str(tmp_path / "elsewhere" / "verifier"), str(pack)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 70
    assert "cannot be imported" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("encoding", ["cp874", "cp1252", "ascii", "utf-16"])
def test_the_verdict_stands_whatever_the_console_can_show(lived: Lived, pack: Path, encoding: str) -> None:
    done = verify(pack, "--log-key", str(key_of(lived)), encoding=encoding)
    assert (done.returncode, done.stderr) == (0, b"")
    assert "PASS" in done.stdout.decode(encoding)
    if encoding == "cp874":
        assert "ขอเชิญประชุม" in done.stdout.decode(encoding)
        assert "\\u" not in done.stdout.decode(encoding)
    done = verify(pack, "--log-key", str(key_of(lived)), "--json", encoding=encoding)
    assert done.returncode == 0
    assert "ขอเชิญประชุม" in json.loads(done.stdout.decode(encoding))["letter"]["subject"]


def test_output_that_goes_nowhere_is_no_verdict(lived: Lived, pack: Path) -> None:
    command = [sys.executable, "-m", "bus.verifier", str(pack), "--log-key", str(key_of(lived))]
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, cwd=ROOT, check=False)
    assert done.returncode == 74
    assert b"Traceback" not in done.stderr


def test_a_pack_draws_nothing_on_the_screen(pack: Path, tmp_path: Path) -> None:
    """Names and values of a forged pack reach the report: with them, a terminal could be made to show a PASS."""
    drawing = "\x1b[2J\x1b[H\u2713 PASS \u00b7 \u0e1c\u0e48\u0e32\u0e19\n\u202eSSAP\u009b31m\x1b]8;;https://evil.example\x07"
    members = members_of(pack)
    body = json.loads(members["entries/3.json"])
    for name in ("letterId", "agency", "at"):
        body[name] = drawing
    members["entries/3.json"] = json.dumps(body).encode()
    members["checkpoint"] = members["checkpoint"].replace(b"\n", drawing.split("\n")[0].encode() + b"\n", 1)
    forged = tmp_path / f"{drawing.replace('/', '-')}.asice"
    repacked(forged, members)
    for words in ((), ("--json",)):
        done = verify(forged, *words)
        assert done.returncode == 1
        shown = (done.stdout + done.stderr).decode()
        assert not [char for char in shown if char != "\n" and text.printable(char) != char]
        assert "Traceback" not in shown
