"""Examine a client of the wire (docs/wire.md, section 13).

    saraban-conformance --client "node client.mjs" [--json report.json] [--folder FOLDER]
    saraban-conformance --own

A bus is started below a folder of its own; `SARABAN_BROKER_MANAGEMENT` and
`SARABAN_BROKER_AMQP` have it use a broker that is there.
The exit code is 0 if every step passed and 1 if one did not.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from bus import logs
from compose.conformance.bench import COUNTERPART, Bench
from compose.conformance.client import Client
from compose.conformance.failing import Failed
from compose.conformance.steps import STEPS, Course, Step
from compose.local import LocalBus

OWN = f"{sys.executable} -m compose.conformance.own"


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a step."""

    number: int
    name: str
    th: str
    en: str
    passed: bool
    detail: str
    seconds: float


def examine(command: str, folder: Path) -> list[Result]:
    """Take a client through every step, also where one fails, and print each."""
    with LocalBus(folder / "bus", witnesses=False) as bus, (folder / "client.log").open("w") as log:
        bus.start_all([COUNTERPART])
        bench = Bench(bus)
        client = Client(command, bench.environment(folder / "client"), log)
        course = Course(bench, client)
        try:
            return [_take(step, course) for step in STEPS]
        finally:
            client.stop()


def _take(step: Step, course: Course) -> Result:
    began, detail = time.monotonic(), ""
    try:
        step.run(course)
    except Failed as failed:
        detail = str(failed)
    seconds = round(time.monotonic() - began, 1)
    result = Result(step.number, step.name, step.th, step.en, not detail, detail, seconds)
    print(
        f"{step.number:2} {'ผ่าน · pass' if result.passed else 'ไม่ผ่าน · FAIL'}  {step.th} · {step.en}",
        flush=True,
    )
    if detail:
        print(f"   {detail}", flush=True)
    return result


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="saraban-conformance", description=__doc__.splitlines()[0])
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--client", metavar="COMMAND", help="the client, as it is started")
    which.add_argument("--own", action="store_true", help="our own adapter")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the report there, too")
    parser.add_argument(
        "--folder", type=Path, help="where bus and client keep what they have; a new one otherwise"
    )
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="saraban-conformance-") as temporary:
        folder = (given.folder or Path(temporary)).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        results = examine(OWN if given.own else given.client, folder)
    failed = sum(not one.passed for one in results)
    if given.json:
        report = {"wire": "1.0", "passed": not failed, "steps": [asdict(one) for one in results]}
        given.json.write_text(json.dumps(report, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    print(f"{len(results) - failed} / {len(results)}")
    return 1 if failed else 0


def run() -> None:
    """The program's way in."""
    logs.configure("conformance", level="WARNING")  # to standard error: the report is on standard output
    raise SystemExit(main())


if __name__ == "__main__":
    run()
