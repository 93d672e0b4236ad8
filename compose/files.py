"""The files of a local bus: what a directory file names before it can be read, and settings as TOML."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def inboxes_in(path: Path) -> list[str]:
    """The agencies of a directory file that have an inbox and a certificate."""
    agencies = tomllib.loads(path.read_text(encoding="utf-8")).get("agency", [])
    return [agency["code"] for agency in agencies if agency.get("inbox", True) and agency.get("certificates")]


def toml_of(settings: Mapping[str, Any], prefix: str = "") -> str:
    """Return settings as TOML: values first, then tables. A JSON string is a TOML string."""
    lines = [
        f"{key} = {json.dumps(value)}" for key, value in settings.items() if not isinstance(value, Mapping)
    ]
    for key, value in settings.items():
        if isinstance(value, Mapping):
            lines += ["", f"[{prefix}{key}]", toml_of(value, f"{prefix}{key}.")]
    return "\n".join(lines)
