"""Where the data files are that ship with the code: schemas and examples of configuration."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
_ROOTS = (_PACKAGE / "_assets", _PACKAGE.parent)
"""A wheel carries `xsd/`, `config/` and `docs/` inside the package; in a checkout they stand beside it."""


def path(relative: str) -> Path:
    """The file or folder `relative` (such as `xsd/letter/1.0`), in the wheel or in the checkout."""
    for root in _ROOTS:
        found = root / relative
        if found.exists():
            return found
    raise FileNotFoundError(f"{relative} is missing from {_PACKAGE} and beside it: incomplete installation")
