"""An operator's year on one bus: every command of docs/incidents.md is run, and prints what the document says.

A block fenced as `console` is run by its incident's test, in the document's order; other blocks are not. `…` in a line
stands for anything, on a line of its own for any lines; blanks and blank lines do not count. What differs from run to
run and has to be typed (an entry's number, a fingerprint) is replaced by the tests' `typed`.
"""

from __future__ import annotations

import io
import json
import re
import shlex
import shutil
import sys
import tomllib
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import redirect_stderr, redirect_stdout
from datetime import timedelta
from pathlib import Path

import pytest
import tomli_w

from adapters.cli.main import main as adapter_main
from bus.broker.management import Management
from bus.cli.main import main as bus_main
from bus.documents.making import new_seal, write_seal
from bus.enrolment.merging import require_drained
from bus.errors import Misconfigured
from bus.ledger.entry import Kind
from bus.settings.bus import load_bus_settings
from bus.thai import now
from compose.cluster import PostgresCluster
from compose.node import Node
from tests.faults.scene import DGA, OPM, SOC, Scene, scene
from tests.faults.test_deadlines import calendar
from tests.faults.test_readiness import ready, readyz, says
from tests.faults.waiting import eventually
from tests.project import ROOT

DOCUMENT = ROOT / "docs" / "incidents.md"
BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ROOM = 10


class Page:
    """One incident of the document: its blocks, run one after the other."""

    def __init__(self, network: Scene, number: int) -> None:
        _, _, after = DOCUMENT.read_text(encoding="utf-8").partition(f"\n## {number}. ")
        self._network = network
        self._blocks = BLOCK.findall(after.partition("\n## ")[0])

    def run(self, typed: Mapping[str, str] | None = None, *, at: str = DGA) -> None:
        """Run the next block, with these values in the place of the document's; `at`: whose adapter."""
        for command, expected in _commands(self._blocks.pop(0)):
            for sample, value in (typed or {}).items():
                command, expected = command.replace(sample, value), expected.replace(sample, value)
            said = self.said(command, at)
            assert re.fullmatch(_pattern(expected), _plain(said)), f"{command}\n{said}"

    def end(self) -> None:
        """Fail if a block was left out."""
        assert self._blocks == []

    def said(self, command: str, at: str = DGA) -> str:
        """Return what a command prints now."""
        program, *words = shlex.split(command)
        if program == "curl":
            return _got(words[-1])
        bus = self._network.bus
        if program == "saraban-bus":
            return _printed(bus_main, [program, *words, "-c", str(bus.folder / "bus.toml")])
        return _printed(adapter_main, [program, "--config", str(bus.adapter_settings(at)), *words])


def _printed(main: Callable[[], None], words: list[str]) -> str:
    """Run a command line within this process, whose start would cost more than it; return what it printed."""
    said = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(said), redirect_stderr(said):
        patch.setattr(sys, "argv", words)
        with pytest.raises(SystemExit):
            main()
    return said.buffer.getvalue().decode()


def _commands(block: str) -> Iterator[tuple[str, str]]:
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        command, _, expected = part.partition("\n")
        yield command, expected


def _plain(text: str) -> str:
    lines = (" ".join(line.split()) for line in text.splitlines())
    return "".join(f"{line}\n" for line in lines if line)


def _pattern(expected: str) -> str:
    lines = _plain(expected).splitlines()
    return "".join(
        "(?:.*\n)*?" if line == "…" else re.escape(line).replace("…", ".*?") + "\n" for line in lines
    )


def _got(url: str) -> str:
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:
            return str(answer.read().decode())
    except urllib.error.HTTPError as error:
        return error.read().decode()


@pytest.fixture(scope="module")
def network(
    broker_node: Node, postgres_server: PostgresCluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Scene]:
    """A bus on PostgreSQL, of which one agency's certificate ends in ten days; DGA's adapter does not run."""
    folder = tmp_path_factory.mktemp("year")
    write_seal(new_seal(OPM, not_after=now() + timedelta(days=10)), folder / "keys", OPM)
    url = postgres_server.create_database("incidents")
    try:
        with (
            pytest.MonkeyPatch.context() as patch,
            scene(
                broker_node, folder, ledger_url=url, calendar=calendar("PT5S", "PT4H"), inbox_max_length=ROOM
            ) as found,
        ):
            patch.setenv("LOGNAME", "somying")
            patch.setenv("COLUMNS", "120")
            yield found.start(OPM, SOC)
    finally:
        postgres_server.start()
        postgres_server.drop_database("incidents")


def test_1_and_2_a_silent_agency_and_its_inbox_that_fills(network: Scene) -> None:
    silent, filling = Page(network, 1), Page(network, 2)
    network.send(OPM, DGA, number="นร 0105/166", acknowledgement="registration")
    eventually(lambda: network.entries(Kind.OVERDUE), "the silence is recorded")
    # The broker counts its queues, and who is at them, anew every five seconds.
    eventually(lambda: silent.said("saraban-bus agencies").count("trouble") == 1, "the broker has counted")
    silent.run()
    network.send(OPM, DGA, count=ROOM - 3)
    eventually(lambda: "nearly full" in filling.said("saraban-bus agencies"), "the broker has counted")
    filling.run()
    network.adapter(DGA)
    network.calm()
    eventually(lambda: _nothing_waits(filling), "the broker has counted both")
    silent.run()
    filling.run()
    silent.end()
    filling.end()


def _nothing_waits(page: Page) -> bool:
    """Whether all three agencies have an adapter and an empty inbox, as the broker has counted last."""
    said = _plain(page.said("saraban-bus agencies"))
    return "trouble" not in said and said.count("in its queue 0\n") == 3


def test_3_an_alarm_of_the_brokers_disk(network: Scene, broker_node: Node) -> None:
    page, router = Page(network, 3), network.process("router-1")
    typed = {"http://127.0.0.1:9464": str(router.health)}
    broker_node.ctl("set_disk_free_limit", "900GB")
    try:
        network.send(OPM, SOC)
        eventually(lambda: says(router, "broker-blocked"), "the router says it")
        with Management(broker_node.management_url) as management:
            # What the nodes tell of themselves takes some seconds to be there.
            eventually(lambda: management.get("nodes")[0]["disk_free_alarm"], "and so does the management")
        page.run(typed)
    finally:
        broker_node.ctl("set_disk_free_limit", "1MB")
    eventually(lambda: ready(router), "ready again")
    page.run(typed)
    page.end()


def test_4_the_database_is_restarted(network: Scene, postgres_server: PostgresCluster) -> None:
    page, router = Page(network, 4), network.process("router-1")
    typed = {"http://127.0.0.1:9464": str(router.health)}
    postgres_server.kill()
    try:
        # First that the connection was lost, and what is to stay from the next attempt on.
        eventually(lambda: "is not answering" in readyz(router)[1], "the router says it")
        page.run(typed)
    finally:
        postgres_server.start()
    eventually(lambda: ready(router), "ready again")
    network.calm()
    page.run(typed)
    page.end()


def test_5_a_submission_is_parked_and_replayed(network: Scene) -> None:
    page = Page(network, 5)
    network.process("router-1").stop()
    (key,) = network.send(OPM, SOC, number="นร 0105/167")
    eventually(lambda: network.states(OPM).get(key) == "sent", "it is in the intake")
    _, poison = network.raw(OPM, key)
    network.router(failpoints=f"router.before-gates:{poison}=raise@*")
    eventually(lambda: network.states(OPM)[key] == "parked", "its sender is told")
    (parked,) = network.entries(Kind.PARKED)
    page.run({"4711": str(parked.seq)})
    network.router()
    page.run({"4711": str(parked.seq)})
    eventually(lambda: network.accepted(OPM, [key]), "it passes")
    network.calm()  # its recipient's receipt is shown, too
    page.run()
    page.end()


def test_6_a_letter_that_is_said_to_be_lost(network: Scene) -> None:
    page = Page(network, 6)
    with network.bus.open_ledger().read() as reader:
        (letter,) = reader.find_letters(number="นร 0105/166")
    page.run({"2026-11-27": letter.dated})  # which was yesterday if midnight has passed since
    before = len(network.entries(Kind.RECONCILED))
    page.run(at=DGA)
    eventually(lambda: len(network.entries(Kind.RECONCILED)) > before, "the bus has compared")
    page.run()
    page.end()


def test_7_a_certificate_ends(network: Scene) -> None:
    page = Page(network, 7)
    eventually(lambda: network.entries(Kind.ENROLMENT_REQUESTED), "its adapter has asked for the next one")
    waiting = json.loads(network.bus.run_bus("agency", "waiting", "--json").stdout)
    page.run({"5fd1…": waiting[0]["fingerprint"]})
    page.run()
    page.end()


def test_9_an_agency_is_suspended_for_a_while(network: Scene) -> None:
    page = Page(network, 9)
    page.run()
    (key,) = network.send(OPM, DGA, number="นร 0105/168")
    eventually(lambda: network.accepted(OPM, [key]), "accepted")
    page.run()
    page.run()
    network.calm()
    page.run()
    page.end()


def test_11_a_backup_is_made_and_read(network: Scene, tmp_path: Path) -> None:
    page = Page(network, 11)
    typed = {"/backup/": f"{tmp_path}/"}
    page.run(typed)
    page.run(typed)
    page.end()


def test_12_a_holiday_is_announced(network: Scene, tmp_path: Path) -> None:
    page, file = Page(network, 12), tmp_path / "calendar-2.toml"
    file.write_text(calendar("PT5S", "PT48H", version=2), encoding="utf-8")
    page.run({"calendar-2.toml": str(file)})
    page.run({"calendar-2.toml": str(file)})
    page.end()


def test_10_an_agency_is_merged_at_last(network: Scene) -> None:
    page = Page(network, 10)
    page.run()
    network.process(DGA).stop()
    # The broker counts its queues, and who is at them, anew every five seconds.
    eventually(lambda: _is_drained(network), "the broker has counted")
    page.run()
    page.run()
    page.end()


def _is_drained(network: Scene) -> bool:
    try:
        require_drained(
            load_bus_settings(network.bus.folder / "bus.toml"), network.bus.directory.agencies[DGA]
        )
    except Misconfigured:
        return False
    return True


def test_8_the_buss_own_key_is_replaced_and_an_agencys_revoked(network: Scene, tmp_path: Path) -> None:
    page, bus = Page(network, 8), network.bus
    typed = {"1a2b3c4d5e6f7081": bus.seal(SOC).fingerprint[:16], "/srv/": f"{tmp_path}/"}
    page.run(typed)
    file, made = tmp_path / "directory" / "agencies.toml", tmp_path / "keys" / "bus-next.crt.pem"
    exported = tomllib.loads(file.read_text(encoding="utf-8"))
    exported["bus"]["certificates"].append({"file": made.name})
    (bus.folder / "agencies.toml").write_text(tomli_w.dumps(exported), encoding="utf-8")
    for certificate in (made, *file.parent.glob("*.crt.pem")):
        shutil.copy(certificate, bus.keys)
    page.run()
    page.run(typed)
    page.end()
