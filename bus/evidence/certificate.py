"""The certificate of delivery as PDF/A-3b (ISO 19005-3), with the evidence pack inside of it as an associated file.

The same evidence, time and pack make the same octets. typst sets it, in a process of its own (`typesetting.py`).
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from bus.directory import Names
from bus.errors import BusError, Misconfigured, Problem
from bus.evidence.glyphs import FONTS, shown
from bus.evidence.sheet import sheet_of
from bus.evidence.statement import statement_of
from bus.ledger.evidence import Evidence

PACK: Final = "evidence.asice"
"""The name of the pack in the certificate."""
LARGEST: Final = 256 * 1024 * 1024
"""Octets of a pack that is put into a certificate: larger ones are sent beside it."""
_WITHIN: Final = 150.0
"""Seconds; a letter to 1,500 recipients takes about ten."""
_HERE: Final = Path(__file__).parent


class NotSet(BusError):
    """A certificate could not be set: too large, too slow, or a fault of ours; says which and what to do."""

    for_logs = True


def require_typst() -> None:
    """Raise Misconfigured, with how to install it, unless typst is there."""
    try:
        found = find_spec("typst")
    except (ImportError, ValueError):  # it is there by half
        found = None
    if found is None:
        fix = "Run: pip install 'saraban-bus[pdf]'. A name that ends in .html gives the page for printing without it."
        raise Misconfigured(
            Problem("saraban-bus", "certificate", "typst, which makes PDF, is not installed", fix)
        )


def certificate_of(
    evidence: Evidence,
    names: Names,
    at: datetime,
    *,
    pack: bytes | None,
    stamped: bool = False,
    doubts: Sequence[str] = (),
) -> bytes:
    """Return the certificate as PDF, with the pack in it; `at` is when the pack was made.

    `stamped` and `doubts` as they are of the pack. Raises Misconfigured where typst is not installed, and NotSet.
    """
    require_typst()
    if pack is not None and len(pack) > LARGEST:
        most = LARGEST // 1024**2
        raise NotSet(
            f"the pack is larger than {most} MiB: make it without the letter's files, or send it beside"
        )
    sheet = sheet_of(statement_of(evidence, names, at, pack=pack, stamped=stamped, doubts=doubts))
    return typeset(asdict(sheet), at, pack=pack)


def typeset(sheet: dict[str, Any], at: datetime, *, pack: bytes | None = None) -> bytes:
    """Return a sheet as PDF/A-3b, in a process of its own. Raises NotSet."""
    with tempfile.TemporaryDirectory(prefix="saraban-certificate-") as name:
        folder = Path(name)
        template = (_HERE / "templates" / "certificate.typ").read_bytes()
        (folder / "certificate.typ").write_bytes(template)
        if pack is not None:
            (folder / PACK).write_bytes(pack)
        task = {
            "sheet": json.dumps(_shown(sheet)),
            "at": int(at.timestamp()),
            "fonts": str(FONTS),
            "pack": None if pack is None else PACK,
        }
        (folder / "task.json").write_text(json.dumps(task), encoding="utf-8")
        _run(folder)
        return (folder / "certificate.pdf").read_bytes()


def _run(folder: Path) -> None:
    # -P: nothing that lies beside is taken for a module.
    command = [sys.executable, "-P", str(_HERE / "typesetting.py"), str(folder)]
    try:
        done = subprocess.run(
            command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, timeout=_WITHIN, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise NotSet(
            f"the certificate took more than {_WITHIN:.0f} seconds: print the page (.html)"
        ) from error
    if done.returncode or not (folder / "certificate.pdf").exists():
        # What typst says may quote the letter.
        raise NotSet(
            f"typst ended with status {done.returncode}: print the page (.html), and report this line"
        )


def _shown(value: Any) -> Any:
    """The values of a sheet with every text in signs that the fonts have."""
    match value:
        case str():
            return shown(value)
        case dict():
            return {key: _shown(one) for key, one in value.items()}
        case list() | tuple():
            return [_shown(one) for one in value]
        case _:
            return value
