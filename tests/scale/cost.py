"""What one letter costs in a whole country, against what it costs among seven agencies."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from multiprocessing import get_context
from pathlib import Path

from bus import assets
from bus.calendar import load_calendar
from bus.directory import directory_of, load_directory, records_of
from bus.documents.letter import Receiver
from bus.documents.seal import Seal
from bus.identifiers import AgencyCode
from bus.process import collect_rarely
from tests.bench import costs, evidence, letters
from tests.scale.country import codes_of, directory_text, make_keys

_TURNS = 25
"""Batches measured of each, after one that is not counted."""
_measured: Iterator[dict[str, float]]
"""Of a measuring process: what each batch costs, which is accepted when it is asked for."""


def cost(folder: Path, count: int, entries: int = 1_000_000) -> dict[str, float]:
    """Return the CPU of a letter, in µs, among so many agencies and entries and among seven and ten thousand.

    Each has a process of its own, as a router has. Both are made first and then measured by turns, so that what else
    the machine does falls on both.
    """
    sizes = {"small": (7, 10_000), "large": (count, entries)}
    with ExitStack() as opened:
        processes = [opened.enter_context(_process(folder / name, *size)) for name, size in sizes.items()]
        turns = [[one.submit(_next).result() for one in processes] for _ in range(_TURNS + 1)][1:]
    small, large = (costs.medians(spent) for spent in zip(*turns, strict=True))
    named = {
        f"{name}_{part}_us": round(us)
        for name, spent in zip(sizes, (small, large), strict=True)
        for part, us in spent.items()
    }
    return named | {"ratio": round(large["all"] / small["all"], 2)}


def _process(folder: Path, count: int, entries: int) -> ProcessPoolExecutor:
    """Return a process for a country of so many agencies, whose ledger has so many entries when first asked."""
    codes = codes_of(count)
    folder.mkdir(parents=True)
    make_keys(folder, ["bus", *codes])
    (folder / "agencies.toml").write_text(directory_text(codes), encoding="utf-8")
    sender, receiver = AgencyCode(codes[0]), AgencyCode(codes[-1])
    raws = letters.signed(folder, sender, [Receiver(agency=receiver)], (_TURNS + 1) * costs.BATCH)
    spawn = get_context("spawn")
    return ProcessPoolExecutor(1, spawn, initializer=_open, initargs=(folder, sender, entries, raws))


def _open(folder: Path, sender: AgencyCode, entries: int, raws: list[bytes]) -> None:
    global _measured
    process = costs.InProcess(
        costs.new_ledger(folder),
        directory_of(1, records_of(load_directory(folder / "agencies.toml", certificates=folder))),
        load_calendar(assets.path("config/calendar.toml")),
        Seal.from_files(folder / "bus.key.pem", folder / "bus.crt.pem"),
        before=lambda ledger: evidence.fill(ledger, entries),
    )
    collect_rarely()
    _measured = (process.cost_us(batch, sender) for batch in costs.batches(raws))


def _next() -> dict[str, float]:
    return next(_measured)
