"""Writes every bad input into a file named by its defect, with a list of the codes that they have to get.

    python -m tests.assets.build_bad_inputs [folder]

The keys are made for the run and forgotten: the files show what is refused, and are no secret.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests.assets.bad_inputs import BAD_INPUTS

FOLDER = Path(__file__).parents[2] / "build" / "bad-inputs"
CODES = "codes.tsv"


def build(folder: Path) -> list[Path]:
    """Write the files and return them; what was in the folder under the same names is replaced."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, defect in BAD_INPUTS.items():
        path = folder / f"{name}.xml"
        path.write_bytes(defect.make())
        written.append(path)
    lines = [f"{name}.xml\t{defect.code}\n" for name, defect in BAD_INPUTS.items()]
    (folder / CODES).write_text("".join(lines), encoding="utf-8")
    return written


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    print(f"{len(build(target))} bad inputs are in {target}")
