"""The end of the demonstration: an evidence pack for the circular, and what the independent verifier says of it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from bus.documents.notes import log_key
from bus.identifiers import LetterId
from compose.demo.play import Play
from compose.demo.story import AGENCIES
from compose.local import ORIGIN
from compose.process import ROOT

CIRCULAR = "circular"
_WITHIN = 60.0


def witness(play: Play, folder: Path) -> dict[str, Any]:
    """Write `evidence.asice` and `log.vkey` into the folder; return the verifier's report and the ledger's."""
    letter_id = next(id for id, reference in play.references.items() if reference == CIRCULAR)
    cosigned = _await_witnesses(play, letter_id)
    key = str(log_key(play.bus.log_key, ORIGIN).verifier)
    (folder / "log.vkey").write_text(f"{key}\n", encoding="utf-8")
    pack = folder / "evidence.asice"
    made = play.bus.run_bus("evidence", letter_id, "-o", str(pack), "--files")
    if made.returncode:
        return {"verdict": "fail", "why": made.stderr, "cosigned": cosigned}
    # A program of its own, as an auditor would run it: it knows nothing but the pack and the key.
    command = [sys.executable, "-m", "bus.verifier", str(pack), "--log-key", key, "--json"]
    checked = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    verified = play.bus.run_bus("ledger", "verify", "--json")
    found: dict[str, Any] = json.loads(checked.stdout)
    return (
        found
        | {"cosigned": cosigned}
        | {"ledger": json.loads(verified.stdout)["verdict"] if verified.stdout else verified.stderr}
    )


def _await_witnesses(play: Play, letter_id: LetterId) -> int:
    """Wait until every agency has cosigned a head that covers the letter; return how many have, if the time is up."""
    cosigned, until = 0, monotonic() + _WITHIN
    while cosigned < len(AGENCIES) and monotonic() < until:
        sleep(0.2)
        with play.ledger.read() as reader:
            (row,) = reader.find_letters(letter_id=letter_id)
            anchor = reader.heads.anchor_covering(reader.entries_of(row.letter)[-1].seq)
            cosigned = len(reader.heads.cosignatures(anchor.size)) if anchor else 0
    return cosigned


def words(found: dict[str, Any]) -> list[str]:
    """Return what an auditor reads, a line each."""
    results: dict[str, int] = {}
    for check in found.get("checks", ()):
        results[check["result"]] = results.get(check["result"], 0) + 1
    counted = ", ".join(f"{count} {result}" for result, count in results.items())
    lines = [
        f"saraban-verify build/demo/evidence.asice: [bold]{found['verdict']}[/] ({counted or found.get('why')})"
    ]
    lines += [f"  {found['cosigned']} agencies have cosigned the head that it stands under, as witnesses"]
    lines += [
        f"  {one['outcome']:<12} {one['name']}{'' if one['acknowledged'] else '  [red]not acknowledged[/]'}"
        for one in found.get("recipients", ())
    ]
    return [*lines, f"saraban-bus ledger verify: [bold]{found.get('ledger')}[/]"]
