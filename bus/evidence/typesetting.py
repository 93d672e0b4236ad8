"""A program of its own that sets a certificate by typst: `typesetting.py FOLDER`; `certificate.py` starts it.

It reads in FOLDER `certificate.typ`, `task.json` (`sheet`, a text for typst; `at`, seconds since 1970; `fonts`, a
folder; `pack`, a name or null) and writes `certificate.pdf`. It imports nothing of the bus, opens no connection, and
has only so much memory and time, so that what a document makes of typst ends here.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import typst

try:
    import resource
except ImportError:  # Windows has no such limits: there the time limit alone holds
    resource = None  # type: ignore[assignment]

_MEMORY = 2 * 1024**3
_FOR_EACH_OCTET = 8
"""Of the pack: read, compressed and written, each once or twice."""
_SECONDS = 120


def main(folder: Path) -> None:
    """Set the certificate that the folder describes."""
    task = json.loads((folder / "task.json").read_text(encoding="utf-8"))
    pack = task["pack"]
    _limit(0 if pack is None else (folder / pack).stat().st_size)
    fonts = typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=[task["fonts"]])
    inputs = {"sheet": task["sheet"]} | ({} if pack is None else {"pack": pack})
    typst.compile(
        str(folder / "certificate.typ"),
        output=str(folder / "certificate.pdf"),
        root=str(folder),
        font_paths=fonts,
        ignore_system_fonts=True,
        sys_inputs=inputs,
        pdf_standards=["a-3b"],
        package_path=str(folder / "packages"),
        package_cache_path=str(folder / "packages"),
        timestamp=task["at"],
    )


def _limit(octets: int) -> None:
    if resource is not None:
        memory = _MEMORY + _FOR_EACH_OCTET * octets
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
        resource.setrlimit(resource.RLIMIT_CPU, (_SECONDS, _SECONDS))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
