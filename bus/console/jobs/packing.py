"""A job that makes an evidence pack of each letter that a search finds, all of them in one zip file."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from typing import Any, Final

from bus.console.jobs.child import Work
from bus.console.jobs.found import found_by
from bus.errors import Misconfigured, Problem
from bus.evidence.pack import write_pack
from bus.evidence.stamping import stamper
from bus.ledger.evidence import NotSigned, gather
from bus.router.signers import bus_seal
from bus.thai import now

MOST: Final = 1000
"""Letters of one job."""


def pack(work: Work) -> Mapping[str, Any]:
    """Write the packs; return the file's name, and which letters no signed head covers yet.

    A pack that was made before a restart is kept. Raises Misconfigured where the seal is not to be had here.
    """
    settings = work.settings
    if not settings.console.seal:
        fix = "Run `saraban-bus evidence` where the seal is"
        raise Misconfigured(Problem("bus.toml", "console.seal", "this console seals no packs", fix))
    seal, stamp = bus_seal(settings), stamper(settings.evidence)
    with work.ledger.read() as reader:
        letters = [row.letter for row in found_by(reader, str(work.job.asked["query"]), MOST)]
    unsigned: list[int] = []
    doubts: dict[str, list[str]] = {}
    for done, letter in enumerate(letters):
        work.progress(done, len(letters))
        file = work.folder / f"letter-{letter}.asice"
        if file.exists():
            continue
        try:
            with work.ledger.read() as reader:
                evidence = gather(reader, letter)
        except NotSigned:
            unsigned.append(letter)
            continue
        if doubtful := write_pack(file, evidence, seal, at=now(), stamp=stamp):
            doubts[file.name] = list(doubtful)
    name = f"packs-{work.job.number}.zip"
    packs = sorted(work.folder.glob("letter-*.asice"))
    with zipfile.ZipFile(work.folder / name, "w", zipfile.ZIP_STORED) as archive:
        for one in packs:
            archive.write(one, one.name)
            one.unlink()
    work.progress(len(letters), len(letters), now=True)
    return {"file": name, "packs": len(packs), "unsigned": unsigned, "doubts": doubts}
