"""`make scale`: the bus at the size of a country, on a private broker; minutes, not seconds.

Thousands of agencies with keys and certificates, none of them suspended. Prints a table and writes build/scale.json;
`AGENCIES=1500` makes the country smaller. Ends with 1 if a figure is not reached.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import Any
from unittest.mock import patch

from rich.console import Console
from rich.table import Table

from bus.broker import topology
from bus.broker.admin import apply
from bus.broker.management import Management
from bus.documents.letter import Receiver
from bus.identifiers import AgencyCode
from compose.local import LocalBus
from compose.node import OPERATOR, Node
from compose.process import Process
from tests.bench import letters, throughput
from tests.bench.raw import raw_circular
from tests.scale import figures
from tests.scale.cost import cost
from tests.scale.country import GROUP, codes_of, directory_text

BUILD = Path(__file__).parents[2] / "build"
AGENCIES = int(os.environ.get("AGENCIES", "8000"))
VHOST = "country"
_NODE = "[{{rabbit, [{{quorum_tick_interval, 60000}}, {{file_handles_high_watermark, {}}}]}}]."
"""Its settings for so many queues (docs/scale.md). The second stands in for a limit of open files that a test cannot
raise; the node does not show it, so the rule of `topology apply` about that limit is left out here."""
_LIMITS: dict[str, float] = {
    "topology.one-more_s": 2.0,
    "directory.change_bytes": 4096,
    "directory.change_router_mb": 50,
    "circular.ratio": 1.5,
    "circular.router_mb": 300,
    "cost.ratio": 1.2,
}
"""What is to be reached, at the most."""


def main() -> int:
    """Measure, print and write."""
    folder = BUILD / "scale"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    found: dict[str, Any] = {"agencies": AGENCIES}
    node = Node(folder / "broker")
    node.folder.mkdir()
    (node.folder / "advanced.config").write_text(_NODE.format(3 * (2 * AGENCIES + 1) + 4_000))
    with node, patch("bus.broker.admin.without_room", return_value=[]):
        _run(node, folder, found)
    found |= {f"cost.{name}": value for name, value in cost(folder / "cost", AGENCIES).items()}
    (BUILD / "scale.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    return _print(found)


def _run(node: Node, folder: Path, found: dict[str, Any]) -> None:
    codes = codes_of(AGENCIES)
    with _timed(found, "prepare_s"):
        bus = LocalBus(
            folder / "bus", broker=node, vhost=VHOST, directory=directory_text(codes), witnesses=False
        )
        bus.__enter__()
    try:
        _topology(bus, codes, found)
        router = _start(bus, found)
        _change(bus, codes, router, found)
        _circular(node, bus, codes, router, found)
        _restart(node, router, found)
    finally:
        bus.__exit__(None, None, None)


def _topology(bus: LocalBus, codes: list[str], found: dict[str, Any]) -> None:
    last = int(codes[-1])
    named, unnamed = ([f"{last + more * 100_000:010}"] for more in (1, 2))
    with Management(bus.broker.management_url) as management:
        for name, wanted, by_name in (
            ("again", codes, False),
            ("one-more", named, True),
            ("one-more-not-named", [*codes, *named, *unnamed], False),
            ("after", [*codes, *named, *unnamed], False),
        ):
            shape = topology.topology_for(map(AgencyCode, wanted), vhost=VHOST)
            with _timed(found, f"topology.{name}_s"):
                done = apply(shape, management, bus.passwords, by_name=by_name)
            found[f"topology.{name}_done"] = len(done)


def _start(bus: LocalBus, found: dict[str, Any]) -> Process:
    bus.start_depot()
    with _timed(found, "router.start_s"):
        router = bus.start_router(wait=False)
        router.wait_ready(300)
    with _timed(found, "directory.first_s"):
        _until(lambda: not figures.pending(bus))
    found["router.mb"] = round(throughput.peak_rss_mb(router))
    return router


def _change(bus: LocalBus, codes: list[str], router: Process, found: dict[str, Any]) -> None:
    """One agency is abbreviated otherwise, and all are to know."""
    figures.forget_peak(router)
    before = throughput.peak_rss_mb(router)
    with _timed(found, "directory.apply_s"):
        bus.apply_directory(directory_text(codes, 2, **{f"a{codes[7]}": "สปช."}))
    with _timed(found, "directory.all_s"):
        _until(lambda: not figures.pending(bus))
    found["directory.change_bytes"] = figures.newest_statement(bus)
    found["directory.change_router_mb"] = round(throughput.peak_rss_mb(router) - before)


def _circular(node: Node, bus: LocalBus, codes: list[str], router: Process, found: dict[str, Any]) -> None:
    """A letter to all, one of whom takes nothing; and the same bytes by the bare broker."""
    sender = AgencyCode(codes[0])
    letters.upload(bus.depot_url, bus.seal(sender), sender)
    (raw,) = letters.signed(bus.keys, sender, [Receiver(group=GROUP)], 1)
    _full(node, codes[-1])
    figures.forget_peak(router)
    began = monotonic()
    asyncio.run(throughput.submit(bus, sender, [raw]))
    _until(lambda: throughput.published(router) and figures.pending(bus) == {codes[-1]: 1})
    found["circular.s"] = round(monotonic() - began, 1)
    found["circular.router_mb"] = round(throughput.peak_rss_mb(router))
    url = node.url(VHOST, OPERATOR, node.operator_password)
    with Management(node.management_url) as management:
        rights = dict.fromkeys(("configure", "write", "read"), ".*")
        management.put("permissions", VHOST, OPERATOR, body=rights)
    found["circular.raw_s"] = round(asyncio.run(raw_circular(url, topology.DELIVER, codes[1:-1], raw)), 1)
    found["circular.ratio"] = round(found["circular.s"] / found["circular.raw_s"], 2)


def _full(node: Node, code: str) -> None:
    """Have an inbox refuse everything, as one that is full does."""
    policy = {
        "pattern": f"^{topology.inbox_queue(code)}$",
        "apply-to": "queues",
        "priority": 9,
        "definition": {"max-length": 1, "overflow": "reject-publish", "delivery-limit": 1_000_000},
    }
    with Management(node.management_url) as management:
        management.put("policies", VHOST, "dead-agency", body=policy)


def _restart(node: Node, router: Process, found: dict[str, Any]) -> None:
    with _timed(found, "broker.restart_s"):
        node.stop(grace=120)
        node.start(timeout=600)
    with _timed(found, "broker.router_back_s"):
        router.wait_ready(300)
    found["broker.mb"] = figures.broker_mb(node)


@contextmanager
def _timed(found: dict[str, Any], name: str) -> Iterator[None]:
    began = monotonic()
    yield
    found[name] = round(monotonic() - began, 1)
    sys.stderr.write(f"{name} {found[name]}\n")


def _until(condition: Callable[[], object], within: float = 900.0) -> None:
    end = monotonic() + within
    while not condition():
        if monotonic() > end:
            raise TimeoutError(f"not within {within:.0f} s")
        throughput.pause()


def _print(found: dict[str, Any]) -> int:
    table = Table(title=f"Saraban Bus with {found['agencies']:,} agencies", title_justify="left")
    for column in ("what", "figure", "to reach"):
        table.add_column(column)
    missed = 0
    for name, figure in found.items():
        limit = _LIMITS.get(name)
        good = limit is None or figure <= limit
        missed += not good
        table.add_row(name, str(figure), "" if limit is None else f"≤ {limit:g}{'' if good else '  missed'}")
    Console(width=100).print(table)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
