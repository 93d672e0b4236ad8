"""The front door's demonstration, from nothing to its report."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_demo_accounts_for_every_letter_although_a_router_is_killed() -> None:
    played = subprocess.run(
        [sys.executable, "-m", "compose.demo"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert played.returncode == 0, played.stdout[-3000:] + played.stderr[-3000:]
    report = json.loads((ROOT / "build" / "demo" / "report.json").read_text(encoding="utf-8"))
    assert report["router_kills"] >= 1
    assert report["unaccounted"] == 0
    assert report["duplicates_at_recipients"] == 0
    assert report["letters"] == 11
    assert report["evidence"] == report["ledger"] == "pass"
    assert report["cosigned"] == 7
    assert report["refused_by_bus"] == 5
    assert report["refusals"] == {
        "top-secret": "secrecy.excluded",
        "invalid by schema": "schema.value",
        "altered after signing": "signature.broken",
        "signed with a revoked key": "key.revoked",
        "in another agency's name": "identity.sender-foreign",
    }
