"""`saraban-conformance` passes the client in Node.js and our own adapter, and does not pass one that does nothing."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from compose.conformance.__main__ import main
from compose.conformance.client import Client
from compose.conformance.failing import Failed
from compose.conformance.steps import STEPS
from tests.foreign import FOLDER, NODE


@pytest.mark.parametrize("client", ["node", "own"])
def test_both_clients_pass_every_step(
    client: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if client == "node" and NODE is None:
        pytest.skip("Node.js is not installed")
    which = ["--client", f"{NODE} {FOLDER / 'client.mjs'}"] if client == "node" else ["--own"]
    ended = main([*which, "--folder", str(tmp_path / "bench"), "--json", str(tmp_path / "report.json")])
    printed = capsys.readouterr().out
    assert ended == 0, printed
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert report["passed"]
    assert [one["name"] for one in report["steps"]] == [step.name for step in STEPS]
    assert printed.splitlines()[-1] == f"{len(STEPS)} / {len(STEPS)}"


def test_a_client_that_says_nothing_fails_its_step(tmp_path: Path) -> None:
    with (tmp_path / "log").open("w") as log:
        client = Client(f"{sys.executable} -c 'import sys; sys.stdin.read()'", {}, log)
        client.start()
        try:
            with pytest.raises(Failed, match="has not said ready within 1 s"):
                client.until("ready", after=0, within=1)
        finally:
            client.stop()


def test_a_program_that_is_not_there_is_named(tmp_path: Path) -> None:
    with (tmp_path / "log").open("w") as log, pytest.raises(Failed, match="no-such-client"):
        Client(str(tmp_path / "no-such-client"), {}, log).start()
