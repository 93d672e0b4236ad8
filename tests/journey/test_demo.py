"""The front door's demonstration, from nothing to its report, and an auditor who follows the instructions on it."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from contextlib import closing
from dataclasses import replace
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from time import monotonic

import httpx
import pytest

from bus.identifiers import AgencyCode
from bus.settings.adapter import load_adapter_settings
from bus.settings.bus import load_bus_settings
from compose.demo.accounting import altered, balanced
from compose.demo.offices.asking import AskingOffice
from compose.demo.offices.office import Held, digests
from compose.demo.story import AGENCIES, DGA, ETDA, LETTERS, OCS, OCSC, OPDC, OPM, SOC
from tests.assets.instructions import followed, of_the_demonstration

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "build" / "demo"


class _Poster(AskingOffice):
    """An office that posts to a door, as often as it may."""

    every = 0.0

    def __init__(self, code: AgencyCode, name: str, address: str) -> None:
        super().__init__(code, name, httpx.Client(base_url=address, trust_env=False))

    def post(self, path: str) -> None:
        self._want(partial(self._ask, "POST", path))

    def _take(self) -> None:
        """Nothing comes."""


@pytest.fixture(scope="module")
def played() -> subprocess.CompletedProcess[str]:
    """The demonstration, played once for this file."""
    return subprocess.run(
        [sys.executable, "-m", "compose.demo"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )


def test_the_demo_accounts_for_every_letter_although_a_router_is_killed(
    played: subprocess.CompletedProcess[str],
) -> None:
    assert played.returncode == 0, played.stdout[-3000:] + played.stderr[-3000:]
    report = json.loads((DEMO / "report.json").read_text(encoding="utf-8"))
    assert report["router_kills"] >= 1
    assert report["unaccounted"] == 0
    assert report["duplicates_at_recipients"] == 0
    assert report["letters"] == 11
    assert report["evidence"] == report["ledger"] == "pass"
    assert report["cosigned"] == report["joined_by_invitation"] == 7
    assert report["refused_by_bus"] == 5
    assert report["problems"] == []
    assert report["refusals"] == {
        "top-secret": "secrecy.excluded",
        "invalid by schema": "schema.value",
        "altered after signing": "signature.broken",
        "signed with a revoked key": "key.revoked",
        "in another agency's name": "identity.sender-foreign",
    }


@pytest.mark.usefixtures("played")
def test_every_office_holds_what_came_to_it_whatever_its_door() -> None:
    report = json.loads((DEMO / "report.json").read_text(encoding="utf-8"))
    doors = {one["agency"]: one for one in report["doors"]}
    assert {code: one["door"] for code, one in doors.items()} == {
        OPM: "REST",
        OCS: "e-CMS",
        SOC: "folder",
        OCSC: "desk",
        OPDC: "SQL",
        DGA: "folder",
        ETDA: "desk",
    }
    assert {code: one["held"] for code, one in doors.items()} == {
        OPM: 4,
        OCS: 2,
        SOC: 3,
        OCSC: 3,
        OPDC: 1,
        DGA: 2,
        ETDA: 4,
    }
    for one in doors.values():
        assert balanced(one), one
        assert one["doubled"] == 0, one
    assert sum(one["sent"] for one in doors.values()) == 12
    assert sum(one["accepted"] for one in doors.values()) == 11
    assert sum(one["registered"] for one in doors.values()) == report["registered"] == 12


def test_an_office_that_holds_other_bytes_or_nothing_is_a_problem() -> None:
    item = next(one for one in LETTERS if one.key == "stamped")
    whole = Held(item.subject, "1", digests(item.files().values()))
    assert altered({OCS: [whole]}) == []
    assert altered({OCS: [whole, replace(whole, files=whole.files[:-1])]}) == [("stamped", OCS)]


def test_what_was_neither_accepted_nor_refused_or_is_not_in_the_office_does_not_balance() -> None:
    whole = {"sent": 2, "accepted": 1, "refused": 1, "delivered": 3, "held": 3}
    assert balanced(whole)
    assert not balanced({**whole, "refused": 0})
    assert not balanced({**whole, "held": 2})


def test_an_office_asks_again_until_its_door_is_there_and_keeps_what_it_would_not_take() -> None:
    answers = [503, 200, 422, 200]
    asked: list[str] = []

    class Door(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(self.path)
            self.send_response(answers.pop(0))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing: this is no program's log."""

    with HTTPServer(("127.0.0.1", 0), Door) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        with closing(_Poster(OPM, "สปน.", f"http://127.0.0.1:{server.server_port}")) as office:
            for path in ("/first", "/second", "/third"):
                office.post(path)
            until = monotonic() + 60
            while answers and monotonic() < until:
                office.look()
        server.shutdown()
        thread.join()
    assert asked == ["/first", "/first", "/second", "/third"]
    assert len(office.failed) == 1
    assert "POST /second: 422" in office.failed[0]


@pytest.mark.usefixtures("played")
def test_everything_in_the_demo_speaks_tls_by_the_authority_that_init_made() -> None:
    report = json.loads((DEMO / "report.json").read_text(encoding="utf-8"))
    assert report["connections_with_tls"] >= 8, "a router and seven adapters"
    assert report["connections_without_tls"] == 0
    authority = DEMO / "keys" / "authority.crt.pem"
    centre = load_bus_settings(DEMO / "bus.toml")
    assert centre.broker.ca_file == centre.depot.ca_file == authority
    schemes = [centre.broker.url, centre.broker.management_url, centre.depot.url]
    assert [url.partition("://")[0] for url in schemes] == ["amqps", "https", "https"]
    for code in AGENCIES:
        adapter = load_adapter_settings(DEMO / "agencies" / code / "adapter.toml")
        assert adapter.broker.url == centre.broker.url
        assert adapter.depot.url == centre.depot.url
        trusted = {adapter.broker.ca_file, adapter.depot.ca_file}
        assert [path.read_text() for path in trusted if path] == [authority.read_text()]
    listeners = (DEMO / "broker" / "rabbitmq.conf").read_text(encoding="utf-8").splitlines()
    assert "listeners.tcp = none" in listeners
    assert not [line for line in listeners if line.startswith(("listeners.tcp.", "management.tcp."))]


@pytest.mark.usefixtures("played")
def test_what_the_demo_writes_is_for_its_owner_alone() -> None:
    secret = [
        *DEMO.rglob("*.key.pem"),
        *DEMO.rglob("passwords/*"),
        *DEMO.rglob("*.saraban"),
        *DEMO.rglob("rest.key"),
        *DEMO.rglob("office.db"),
        *DEMO.rglob("people.toml"),
        *DEMO.glob("*.toml"),
    ]
    assert len(secret) > 30
    assert [path for path in secret if path.stat().st_mode & 0o77] == []


@pytest.mark.usefixtures("played")
def test_every_command_of_the_instructions_for_auditors_works_on_the_demo_as_written() -> None:
    blocks = of_the_demonstration()
    assert len(blocks) >= 15
    said = {block: followed([block], DEMO) for block in blocks}
    everything = "".join(said.values())
    assert "PASS" in everything
    documents = (DEMO / "signed.txt").read_text(encoding="utf-8").splitlines()
    assert documents[0] == "letter.xml 0100500000", "its sender"
    assert len([line for line in documents if line.startswith("notices/")]) == 12, (
        "a receipt and a number of each"
    )
    assert everything.splitlines().count("OK") == len(documents)
    assert everything.count("is about this letter: delivered") == 6
    assert everything.count("Signature Verified Successfully") == 1 + 7, "the log's, and the witnesses'"
    assert everything.count("pass: the ledger is what was signed") == 4
    (finding,) = (text for block, text in said.items() if "ledger find --certificate" in block)
    assert "\n0 letters\n" not in f"\n{finding}", "no example finds nothing"
    assert "duplicates: 2" in everything
    assert (DEMO / "list.csv").read_bytes().startswith(b"\xef\xbb\xbf")
    opened = {path.name for path in (DEMO / "folder").iterdir()}
    assert {"index.html", "letter.xml"} <= opened
    assert len([name for name in opened if name.endswith(".pdf")]) == 2
