"""A child that is held on a leash does not outlive its parent, and nothing else is ended in its stead."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from compose.leash import Leash

_PARENT = """
import os, signal, subprocess, sys
from compose.leash import Leash
child = subprocess.Popen(["/bin/sh", "-c", sys.argv[1]], stdout=sys.stdout, start_new_session=True)
leash = Leash(child.pid if sys.argv[2] == "one" else -child.pid, signal.SIGKILL)
sys.stdin.readline()
os.kill(os.getpid(), signal.SIGKILL)
"""
_LATER = """#!/bin/sh
[ -e "$0.asked" ] && echo later && exit
echo first
: > "$0.asked"
"""


def _parent(script: str, kind: str, environment: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", _PARENT, script, kind],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
        cwd=Path(__file__).parents[2],
        text=True,
    )


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        ("echo up; read -r _ < pipe", "one"),
        ("(echo up; read -r _ < pipe) & wait", "group"),
        ("(read -r _ < pipe) & echo up", "group"),
    ],
    ids=["one", "a group", "a group whose first process has ended"],
)
def test_it_ends_with_its_parent_that_is_killed(tmp_path: Path, script: str, kind: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    with _parent(script.replace("pipe", str(tmp_path / "pipe")), kind, dict(os.environ)) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "up\n"
        parent.communicate("\n", timeout=60)  # to the end of the output: of the child too


def test_a_process_that_was_given_its_number_later_is_let_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "ps"
    program.write_text(_LATER)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    with subprocess.Popen(["/bin/sh", "-c", "read -r _"], stdin=subprocess.PIPE) as child:
        leash = Leash(child.pid)
        while not (tmp_path / "ps.asked").exists():
            os.sched_yield()
        assert leash._watcher.stdin is not None
        leash._watcher.stdin.close()
        assert leash._watcher.wait(60) != 0
        assert child.poll() is None
        child.communicate(b"\n", timeout=60)
        assert child.returncode == 0
