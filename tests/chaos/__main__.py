"""`make chaos`: seeded runs of random faults against real processes, judged by a checker of their own.

By default a few seeds, of 80 s each, in turn on PostgreSQL (two routers) and SQLite (one). The environment may say
otherwise: SEED repeats one (of several, separated by commas), SECONDS is how long letters and faults go on, DATABASE
is `postgresql` or `sqlite`, KNOWN=meet runs into the faults of the product that are known (tests/chaos/known.py), and
PLAN=show prints the plan and runs nothing.
"""

from __future__ import annotations

import os
import random
import shutil
import sys
from pathlib import Path

from compose.cluster import PostgresCluster
from compose.node import Node
from tests.chaos.drawing import draw
from tests.chaos.known import KNOWN, avoided, unexplained
from tests.chaos.plan import Plan
from tests.chaos.running import run

BUILD = Path(__file__).parents[2] / "build" / "chaos"
_RUNS = 4
_DATABASES = ("postgresql", "sqlite")


def main() -> int:
    """Run every plan; 0 if nothing was violated that no known fault explains."""
    known = () if os.environ.get("KNOWN") == "meet" else KNOWN
    plans = _plans(avoided(known))
    if os.environ.get("PLAN") == "show":
        for plan in plans:
            print(*plan.lines(), sep="\n")
        return 0
    shutil.rmtree(BUILD, ignore_errors=True)
    BUILD.mkdir(parents=True)
    failed = []
    with Node(BUILD / "broker") as node, PostgresCluster(BUILD / "postgres") as cluster:
        for plan in plans:
            place = BUILD / f"seed-{plan.seed}"
            place.mkdir()
            (place / "plan.txt").write_text("\n".join(plan.lines()) + "\n", encoding="utf-8")
            print(next(plan.lines()), f"(plan: {place / 'plan.txt'})", flush=True)
            outcome = run(place / "bus", plan, node, cluster)
            print(*outcome.lines(known), sep="\n", flush=True)
            if unexplained(outcome.violations, known) or not outcome.happened:
                failed.append(plan)
    for plan in failed:
        print(f"FAILED: make chaos SEED={plan.seed} SECONDS={plan.seconds:g} DATABASE={plan.database}")
    return 1 if failed else 0


def _plans(without: frozenset[str]) -> list[Plan]:
    seconds = float(os.environ.get("SECONDS") or 80)
    chosen = os.environ.get("DATABASE") or None
    named = [int(each) for each in (os.environ.get("SEED") or "").split(",") if each.strip()]
    seeds = named or [random.SystemRandom().randrange(1, 1_000_000) for _ in range(_RUNS)]
    return [
        draw(seed, seconds, database=chosen or (None if named else _DATABASES[n % 2]), without=without)
        for n, seed in enumerate(seeds)
    ]


if __name__ == "__main__":
    sys.exit(main())
