"""`make demo`: the whole journey on real components, and a report at its end."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import threading
from pathlib import Path
from time import monotonic
from typing import Any

from rich.console import Console, Group
from rich.live import Live

from bus.documents.making import new_seal
from bus.process import keep_private
from compose.console import sample_links
from compose.demo import evidence, pictures
from compose.demo.accounting import accounted, reckon
from compose.demo.centre import Centre
from compose.demo.doors import desks, hints
from compose.demo.intruder import bad_submissions, submit
from compose.demo.joining import join
from compose.demo.play import Play
from compose.demo.story import AGENCIES, DGA, LATE
from compose.local import LOOPBACK
from compose.people import PEOPLE

BUILD = Path(__file__).parents[2] / "build"


def main() -> int:
    """Play the demonstration; return 0 only if everything is accounted for."""
    keep_private()
    # Ctrl-C and a polite kill both unwind the stack, which stops every process.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    console = Console(width=max(Console().width, 110))
    folder = BUILD / "demo"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    began = monotonic()
    console.print("The centre is put in service, and seven agencies join it, by the product's own commands:")
    lost = new_seal("lost key")
    with Centre(folder, lambda line: console.print(f"  {line}", highlight=False, soft_wrap=True)) as bus:
        join(bus, AGENCIES, {LATE: lost})
        with Play(bus) as play:
            console.print("Starting a router and six adapters …")
            play.start()
            with Live(pictures.live(play), console=console, refresh_per_second=4) as live:
                badly = submit(bus, LATE, bad_submissions(bus, LATE, DGA, lost))
                play.run(lambda: live.update(pictures.live(play)))
            found = evidence.witness(play, folder)
            report = {
                **reckon(play, badly),
                "evidence": found["verdict"],
                "cosigned": found.get("cosigned", 0),
                "ledger": found.get("ledger"),
                "seconds": round(monotonic() - began, 1),
            }
            _conclude(console, report, play, found)
        if os.environ.get("KEEP"):
            _keep(console, bus)
    return 0 if accounted(report) else 1


def _conclude(console: Console, report: dict[str, Any], play: Play, found: dict[str, Any]) -> None:
    text = json.dumps(report, ensure_ascii=False, indent=2)
    (play.bus.folder / "report.json").write_text(f"{text}\n", encoding="utf-8")
    console.print(Group(pictures.outcome(play), pictures.doors(report), pictures.refusals(report)))
    silent = ", ".join(f"{code} ({key})" for key, code in play.silent()) or "nobody"
    console.print(f"Who has not acknowledged: [bold]{silent}[/]")
    for problem in report["problems"]:
        console.print(f"[red]![/] {problem}")
    figures = {key: value for key, value in report.items() if isinstance(value, int | float)}
    console.print(figures)
    console.print("build/demo/report.json has the report.")
    console.print(*evidence.words(found), sep="\n")
    console.print("docs/auditing.md shows what an auditor can do with it: its commands work as written here.")


def _keep(console: Console, bus: Centre) -> None:
    bus.start_console()
    console.print(
        f"\nThe console is at http://{LOOPBACK}:{bus.console_port}; each of these links enters it once, as a sample "
        "person:",
        *(f"  {PEOPLE[name][0]}: {link}" for name, link in sample_links(bus).items()),
        sep="\n",
        highlight=False,
        soft_wrap=True,
    )
    console.print(
        "\nThe desks of the agencies that have no system; each of these links enters one once, as a sample clerk:",
        *(f"  {name}: {link}" for name, link in desks(bus).items()),
        sep="\n",
        highlight=False,
        soft_wrap=True,
    )
    console.print(
        "\nStill running (KEEP=1); Ctrl-C stops everything. To look around, in another terminal:",
        *(f"  {line}" for line in _looking_around(bus)),
        sep="\n",
        highlight=False,
        soft_wrap=True,
    )
    told = threading.Event()
    signal.signal(signal.SIGINT, lambda *_: told.set())
    told.wait()


def _looking_around(bus: Centre) -> list[str]:
    """Return commands to be typed in the checkout while everything runs."""
    centre, adapter = "-c build/demo/bus.toml", f"build/demo/agencies/{DGA}"
    asking = "curl --silent --cacert build/demo/keys/authority.crt.pem"
    lines = [
        f".venv/bin/saraban-bus ledger tail {centre}",
        f".venv/bin/saraban-bus ledger find --state registered {centre}",
        f".venv/bin/saraban-bus agency list {centre}",
        f".venv/bin/saraban-bus doctor {centre}",
        f".venv/bin/saraban-adapter --config {adapter}/adapter.toml inbox",
        f"ls {adapter}/folder/*",
        *hints(bus),
        f"{asking} {bus.depot_url}/readyz    # the depot",
    ]
    if bus.own_broker:
        login = '--user "operator:$(cat build/demo/broker/operator.password)"'
        at = f"https://{LOOPBACK}:{bus.own_broker.ports.management}"
        lines.append(f"{asking} {login} {at}/api/connections    # the broker")
    file = "build/demo/new.saraban"
    return [
        *lines,
        "An eighth agency joins:",
        f".venv/bin/saraban-bus agency invite 0999900000 --name หน่วยงานใหม่ --auto -o {file} {centre}",
        f".venv/bin/saraban-adapter init {file} --folder build/demo/new",
        ".venv/bin/saraban-adapter --config build/demo/new/adapter.toml run",
    ]


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
