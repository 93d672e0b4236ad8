"""What the tree costs an append, what verifying costs, and how proofs, packs and searches fare at a million entries."""

from __future__ import annotations

import json
import os
import random
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from time import perf_counter
from typing import Any
from uuid import UUID

from sqlalchemy import select

from bus.documents.notes import log_key, make_key
from bus.documents.signing import sign
from bus.evidence.pack import write_pack
from bus.identifiers import ContentDigest, as_letter_id
from bus.ledger import schema, tiles
from bus.ledger.checkpoint import Signer
from bus.ledger.database import reading
from bus.ledger.entry import Kind, timestamp
from bus.ledger.evidence import gather
from bus.ledger.rows import LetterRow
from bus.ledger.store import Ledger, Writer
from bus.ledger.tables import entries, letters
from bus.router.activation import activate_calendar
from bus.thai import now
from bus.verifier.merkle import leaf_hash
from tests.assets import factory
from tests.assets.digests import raw_digest
from tests.assets.factory import OCS, OPM
from tests.assets.operators import by
from tests.contract import ledger_rig as rig

ORIGIN = "saraban.example/bench"
PER_LETTER = 4
"""Entries: accepted, consigned, delivered, registered."""
_SEED = random.Random(2563)


def tree_overhead(folder: Path, letters_: int = 4_000) -> dict[str, float]:
    """Return seconds for the same appends with tiles and signed heads, without them, and their ratio; medians."""
    runs: dict[str, list[float]] = {"with": [], "without": []}
    for turn in range(3):
        for name in ("without", "with") if turn % 2 else ("with", "without"):
            with _ledger(f"sqlite:///{folder / f'{name}-{turn}.db'}") as ledger:
                runs[name].append(_appended(ledger, letters_, folder / name, tree=name == "with"))
    found = {name: round(statistics.median(times), 2) for name, times in runs.items()}
    return {**found, "ratio": round(found["with"] / found["without"], 3)}


def _appended(ledger: Ledger, count: int, key: Path, *, tree: bool) -> float:
    signer = _signer(ledger, key) if tree else None
    kept = tiles.extend
    if not tree:
        tiles.extend = lambda *_: None
    try:
        began = last = perf_counter()
        for start in range(0, count, 64):
            with ledger.append() as writer:
                for number in range(start, min(start + 64, count)):
                    _letter(writer, number, b"x" * 8_000)
            if signer and perf_counter() - last >= 2.0:
                signer.sign()
                last = perf_counter()
        if signer:
            signer.sign()
        return perf_counter() - began
    finally:
        tiles.extend = kept


def at_scale(folder: Path, url: str, wanted: int) -> dict[str, Any]:
    """Fill a ledger with so many entries and measure on it; the letters are small, the last one is real."""
    with _ledger(url) as ledger:
        signer = _signer(ledger, folder / "scale")
        router = rig.Router(ledger)
        router.activate(rig.directory())
        activate_calendar(ledger, rig.calendar(), operator=by("bench"))
        began = perf_counter()
        fill(ledger, wanted)
        filled = perf_counter() - began
        real = _real_letter(ledger, router)
        signer.sign()
        numbers = _numbers(ledger)
        found: dict[str, Any] = {
            "fill_s": round(filled, 1),
            "find_by_number_ms": _median_ms(lambda: _find(ledger, _SEED.choice(numbers)), 50),
            "proof_ms": _median_ms(lambda: _prove(ledger), 100),
            "pack_ms": _median_ms(lambda: _pack(ledger, real, folder), 20),
        }
        return found


def verify_at_scale(url: str, key: Path) -> dict[str, Any]:
    """Verify a ledger as the command does, by one process and by as many as there are processors.

    Entries per second for both, and per second of processor time; the memory of all processes together; and the figure
    of the bare hash.
    """
    alone, team = (_verified(url, key, processes) for processes in (1, os.cpu_count() or 1))
    bare, rate = _bare_hashes(url), team["entries"] / team["seconds"]
    return {
        "entries_per_s": round(rate),
        "one_process_per_s": round(alone["entries"] / alone["seconds"]),
        "entries_per_cpu_s": [round(each["entries"] / each["cpu"]) for each in (alone, team)],
        "bare_sha256_per_s": round(bare),
        "ratio": round(rate / bare, 4),
        "memory_mb": round(team["mb"], 1),
    }


def _verified(url: str, key: Path, processes: int) -> dict[str, float]:
    program = (
        "import json, multiprocessing, os, resource, sys, time\n"
        "from pathlib import Path\n"
        "from bus.documents.notes import log_key\n"
        "from bus.ledger.store import Ledger\n"
        "from bus.ledger.verifying import verify\n"
        "from bus.ledger.verifying_workers import side_by_side\n"
        "from bus.process import collect_rarely\n"
        # What they share is counted once; none of them gives any of it back before the end.
        "def memory(process):\n"
        "    said = Path(f'/proc/{process}/smaps_rollup').read_text()\n"
        "    return int(said.partition('Pss:')[2].split()[0]) / 1024\n"
        "ledger = Ledger(sys.argv[1])\n"
        "collect_rarely()\n"
        "began, used = time.perf_counter(), time.process_time()\n"
        "with side_by_side(ledger.engine, int(sys.argv[4])) as (connection, team):\n"
        "    report = verify(connection, log_key(Path(sys.argv[2]), sys.argv[3]).verifier, team=team)\n"
        "    seconds = time.perf_counter() - began\n"
        "    others = [one.pid for one in multiprocessing.active_children()]\n"
        "    taken = sum(memory(each) for each in (os.getpid(), *others))\n"
        "assert report.passed, report.findings[:3]\n"
        "cpu = time.process_time() - used\n"
        "theirs = resource.getrusage(resource.RUSAGE_CHILDREN)\n"
        "cpu += theirs.ru_utime + theirs.ru_stime\n"
        "print(json.dumps({'entries': report.size, 'seconds': seconds, 'cpu': cpu, 'mb': taken}))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, url, str(key), ORIGIN, str(processes)],
        capture_output=True,
        text=True,
        check=True,
    )
    said: dict[str, float] = json.loads(done.stdout)
    return said


def _bare_hashes(url: str) -> float:
    """Leaf hashes of the same bytes per second, with nothing else done."""
    with _opened(url) as ledger, reading(ledger.engine) as connection:
        bodies = [text.encode() for text in connection.scalars(select(entries.c.body).limit(100_000))]
    began = perf_counter()
    for body in bodies:
        leaf_hash(body)
    return len(bodies) / (perf_counter() - began)


# ---- filling -------------------------------------------------------------------------------------------------------


def fill(ledger: Ledger, wanted: int) -> None:
    count = wanted // PER_LETTER
    for start in range(0, count, 2_000):
        with ledger.append() as writer:
            # What is confirmed at once need not be listed as pending first.
            writer._pend = lambda *_, **__: None  # type: ignore[method-assign]
            for number in range(start, min(start + 2_000, count)):
                _life(writer, number)


def _life(writer: Writer, number: int) -> None:
    """A letter from its acceptance to its registration."""
    letter, consigned = _letter(writer, number, f"<letter {number}/>".encode())
    writer.entry(Kind.CONSIGNED, letter=letter, recipients={OCS: [consigned]})
    for event in ("delivered", "registered"):
        _notice(writer, letter, event, number)


def _letter(writer: Writer, number: int, raw: bytes) -> tuple[int, int]:
    raw = b"%d %b" % (number, raw)
    letter_id = as_letter_id(UUID(int=number))
    kept, digest = raw_digest(raw), ContentDigest(raw_digest(raw))
    shown = f"นร 0105/{number}"
    numbers = writer.numbers([OCS])
    answer = writer.numbers([OPM])[OPM]
    at = timestamp(writer.at)
    body: dict[str, Any] = {
        "recipients": writer.keep(factory.recipient_set([OCS]).octets),
        "consignments": [numbers[OCS]],
        "receiptDue": at,
        "registrationDue": at,
    }
    kept = writer.keep(raw)
    acceptance = writer.keep(b"acceptance of " + raw[:40])
    entry = writer.entry(
        Kind.ACCEPTED,
        agency=OPM,
        document=raw,
        letterId=letter_id,
        digest=digest,
        acknowledgement="registration",
        speed="001",
        receivedAt=at,
        answer=answer,
        acceptance=acceptance,
        **body,
    )
    row = LetterRow(
        letter=entry,
        sender=OPM,
        letter_id=letter_id,
        digest=digest,
        number=shown,
        number_normalised=shown,
        dated="2026-11-25",
        speed="001",
        acknowledgement="registration",
        accepted_at=at,
        receipt_due=at,
        registration_due=at,
        subject="ขอความอนุเคราะห์ข้อมูลการเชื่อมโยงระบบ",
    )
    frozen = [{"agency": OCS, "addressed": OCS, "role": "to"}]
    writer.letter_accepted(row, frozen=frozen, files={kept: 1}, deadlines=[])
    writer.submission(
        entry=entry, agency=OPM, type="letter", id=letter_id, digest=digest, raw=kept, answer=answer
    )
    headers = {"entry": entry}
    writer.consign(
        OCS, numbers[OCS], type="letter", entry=entry, document=kept, headers=headers, letter=entry
    )
    writer.consign(OPM, answer, type="verdict", entry=entry, document=acceptance, headers=headers)
    return entry, numbers[OCS]


def _notice(writer: Writer, letter: int, event: str, number: int) -> None:
    raw = f"<notice {event} {number}/>".encode()
    kept, digest = raw_digest(raw), ContentDigest(raw_digest(raw))
    notice_id = str(UUID(int=number * 2 + (event == "delivered")))
    answer = writer.numbers([OCS])[OCS]
    entry = writer.entry(
        Kind.NOTICE,
        agency=OCS,
        letter=letter,
        document=raw,
        noticeId=notice_id,
        event=event,
        digest=digest,
        about=[OCS],
        answer=answer,
    )
    writer.submission(
        entry=entry, agency=OCS, type="notice", id=notice_id, digest=digest, raw=kept, answer=answer
    )
    writer.consign(
        OCS, answer, type="entry", entry=entry, document=writer.keep(raw), headers={"entry": entry}
    )


def _real_letter(ledger: Ledger, router: rig.Router) -> int:
    letter = factory.letter(sender=factory.sender(OPM), number="นร 0105/ว 165")
    assert router.take(rig.delivery(sign(letter, factory.seal(OPM)).raw)).outcome == "accepted"
    with ledger.read() as reader:
        (row,) = reader.find_letters(letter_id=as_letter_id(letter.letter_id))
    return row.letter


# ---- measuring -----------------------------------------------------------------------------------------------------


def _numbers(ledger: Ledger) -> list[str]:
    with reading(ledger.engine) as connection:
        query = select(letters.c.number_normalised).order_by(letters.c.letter.desc()).limit(100_000)
        return list(connection.scalars(query))


def _find(ledger: Ledger, number: str) -> None:
    with ledger.read() as reader:
        (row,) = reader.find_letters(number=number)
        reader.states_of([row.letter])


def _prove(ledger: Ledger) -> None:
    with ledger.read() as reader:
        head = reader.heads.newest()
        assert head is not None
        reader.tree().inclusion_proof(_SEED.randint(1, head.size), head.size)


def _pack(ledger: Ledger, letter: int, folder: Path) -> None:
    with ledger.read() as reader:
        found = gather(reader, letter)
    write_pack(folder / "pack.asice", found, factory.seal("bus"), at=now())


def _median_ms(act: Callable[[], None], times: int) -> float:
    taken = []
    for _ in range(times):
        began = perf_counter()
        act()
        taken.append((perf_counter() - began) * 1000)
    return round(statistics.median(taken), 2)


def _signer(ledger: Ledger, folder: Path) -> Signer:
    folder.mkdir(exist_ok=True)
    key = folder / "log.key.pem"
    if not key.exists():
        make_key(key)
    kept = folder / "log.head"
    kept.unlink(missing_ok=True)
    return Signer(ledger, log_key(key, ORIGIN), kept, anchor_every=timedelta(minutes=10))


@contextmanager
def _ledger(url: str) -> Iterator[Ledger]:
    schema.upgrade(url)
    with _opened(url) as ledger:
        yield ledger


@contextmanager
def _opened(url: str) -> Iterator[Ledger]:
    ledger = Ledger(url)
    try:
        yield ledger
    finally:
        ledger.close()
