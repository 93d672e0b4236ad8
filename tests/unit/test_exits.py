"""How a command ends: each status means one thing, and nothing that goes wrong ends in a traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer

from bus.errors import Transient
from bus.exits import FAULT, IO_ERROR, MISUSED, NOT_NOW, status_of
from bus.faults import unexpected
from tests.project import ROOT

EVIL = "[/x]\x1b[2J\u202e\nPASS"


def known(error: Exception) -> int:
    return NOT_NOW if isinstance(error, Transient) else unexpected(error)


def ended(work: Callable[[], None]) -> int:
    """The status of a program whose only command does this."""
    app = typer.Typer()
    app.command()(work)

    def run(**options: Any) -> object:
        result: object = typer.main.get_command(app).main(args=[], prog_name="x", **options)
        return result

    return status_of(run, known)


def failing(error: BaseException) -> Callable[[], None]:
    def work() -> None:
        raise error

    return work


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (Transient("away"), NOT_NOW),
        (typer.Exit(3), 3),
        (typer.BadParameter(EVIL), MISUSED),
        (ValueError(EVIL), FAULT),
        (RecursionError(), FAULT),
        (MemoryError(), FAULT),
        (KeyError(EVIL), FAULT),
        (PermissionError(13, "Permission denied", EVIL), MISUSED),
        (NotADirectoryError(20, "Not a directory", EVIL), MISUSED),
        (PermissionError(13, "Permission denied"), IO_ERROR),
        (OSError(5, "Input/output error", EVIL), IO_ERROR),
        (NotADirectoryError(20, "Not a directory", 5), MISUSED),
        (OSError(EVIL), IO_ERROR),
        (OSError(28, "No space left on device"), IO_ERROR),
        (BrokenPipeError(32, "Broken pipe"), IO_ERROR),
        pytest.param("\udcff".encode, MISUSED, id="text that UTF-8 cannot hold"),
        (KeyboardInterrupt(), 130),
    ],
    ids=str,
)
def test_every_end_has_its_status_and_a_harmless_line(
    error: BaseException | Callable[[], bytes], status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    def encode() -> None:
        "\udcff".encode()

    assert ended(failing(error) if isinstance(error, BaseException) else encode) == status
    said = capsys.readouterr()
    assert said.out == ""
    assert "Traceback" not in said.err
    assert not {"\x1b", "\u202e"} & set(said.err)
    assert "PASS" not in said.err.splitlines()
    if status == FAULT:
        assert "internal fault" in said.err
        assert "test_exits.py" in said.err, "where it happened, and not what it was about"
        assert "x" not in said.err.partition("(")[2].partition(" at ")[0].replace("KeyError", "")


def test_success_is_nought() -> None:
    assert ended(lambda: None) == 0


@pytest.mark.parametrize("program", ["bus", "adapters"])
def test_the_programs_end_so_too(program: str, tmp_path: Path) -> None:
    """A disk that is full, a reader that went away: neither is what the programs' other statuses mean."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "80"}
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", program, "--help"],
            stdout=full,
            stderr=subprocess.PIPE,
            cwd=tmp_path,
            env=environment,
            check=False,
        )
    assert done.returncode == IO_ERROR, done.stderr
    assert b"Traceback" not in done.stderr
