"""`make fuzz`: all five checkers of a signature on mutants of real documents; exits 1 when two differ.

`make fuzz ARGS="--documents 150000 --seed 7"` asks about more, or others.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.fuzz.campaign import Case, Outcome, ask, originals, sample

_PORTION = 500


def _portions(cases: list[Case]) -> Iterator[list[Case]]:
    for first in range(0, len(cases), _PORTION):
        yield cases[first : first + _PORTION]


def _ask(cases: list[Case]) -> Outcome:
    with TemporaryDirectory(prefix="saraban-fuzz-") as folder:
        return ask(cases, Path(folder))


def main() -> int:
    """Run one campaign and say what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=80_000, help="about how many to ask about")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="which ones")
    given = parser.parse_args()
    print(f"fuzz: seed {given.seed}, {os.cpu_count()} processes", flush=True)
    cases = sample(given.seed, given.documents)
    total = Outcome()
    # A key is made when the module is imported: the workers are forked, so that all have the same.
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for done, outcome in enumerate(pool.map(_ask, _portions(cases)), start=1):
            total.add(outcome)
            if done % 20 == 0:
                print(f"fuzz: {done * _PORTION} of {len(cases)}", flush=True)
    for what, count in sorted(total.counts.items()):
        print(f"  {count:7} {what}")
    for difference in total.differences[:50]:
        print(f"  DIFFERENCE {difference}")
    print(f"fuzz: {len(cases)} documents of {len(originals())} kinds, {len(total.differences)} differences")
    return 1 if total.differences else 0


if __name__ == "__main__":
    sys.exit(main())
