"""The programs that the tests fork are what the command itself would begin."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.programs import Programs


@pytest.fixture(scope="module")
def forked() -> Iterator[Programs]:
    programs = Programs()
    yield programs
    programs.close()


@pytest.mark.parametrize(
    "words",
    [
        ["bus", "--version"],
        ["bus", "ledger", "--help"],
        ["adapters", "no-such-command"],
        ["bus", "ledger", "verify", "-c", "missing.toml"],
    ],
)
def test_a_forked_program_prints_and_exits_as_its_command_does(
    forked: Programs, tmp_path: Path, words: list[str]
) -> None:
    command = [sys.executable, "-m", *words]
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}
    begun = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    done = forked.finished(command, folder=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (begun.returncode, begun.stdout, begun.stderr)


def test_it_has_its_own_folder_environment_and_session(forked: Programs, tmp_path: Path) -> None:
    settings = {**os.environ, "SARABAN_BUS__NO_SUCH_THING": "1"}
    done = forked.finished(
        [sys.executable, "-m", "bus", "ledger", "verify"], folder=tmp_path, environment=settings
    )
    assert "SARABAN_BUS__NO_SUCH_THING" in done.stderr
    assert "SARABAN_BUS__NO_SUCH_THING" not in os.environ
    serving = forked.started([sys.executable, "-m", "bus", "init"], folder=tmp_path)
    assert os.getsid(serving.pid) == serving.pid
    assert serving.wait(60) != 0


def test_a_signal_ends_it_and_is_its_exit_code(forked: Programs, tmp_path: Path) -> None:
    program = forked.started([sys.executable, "-m", "bus", "ledger", "verify"], folder=tmp_path)
    program.send_signal(signal.SIGSTOP)
    assert program.poll() is None
    program.kill()
    assert program.wait(60) == -signal.SIGKILL
    with pytest.raises(ProcessLookupError):
        os.kill(program.pid, 0)


def test_one_that_cannot_begin_is_an_error_and_no_long_wait(forked: Programs, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError):
        forked.started([sys.executable, "-m", "bus"], folder=tmp_path / "missing")
    assert forked.finished([sys.executable, "-m", "bus", "--version"]).returncode == 0


def test_what_wants_another_interpreter_is_begun_by_its_command(forked: Programs, tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONVERBOSE": "1", "PYTHONPATH": os.getcwd()}
    command = [sys.executable, "-m", "bus", "--version"]
    done = forked.finished(command, folder=tmp_path, environment=environment)
    assert "import 'bus'" in done.stderr
