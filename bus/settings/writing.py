"""Writing a settings file from the commented example that ships with the programs."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

Values = Mapping[str, Mapping[str, str | int | float | bool | None]]
"""Values by section and key; the section of what stands above all sections is the empty text. None hides a key."""
_SECTION = re.compile(r"\[([a-z.-]+)\]\s*")


def filled(example: str, values: Values) -> str:
    """Return an example with these values in the place of those that it shows; its comments stay.

    Raises KeyError for a key that the example does not show.
    """
    left = {(section, key): value for section, some in values.items() for key, value in some.items()}
    lines, section = [], ""
    for line in example.splitlines():
        if begun := _SECTION.fullmatch(line):
            section = begun[1]
        shown = re.match(r"(?:# )?([a-z_]+) = ", line)
        place = (section, shown[1] if shown else "")
        lines.append(_line(place[1], line, left.pop(place)) if place in left else line)
    if left:
        raise KeyError(f"the example does not show {sorted(left)}")
    return "\n".join(lines) + "\n"


def _line(key: str, shown: str, value: str | int | float | bool | None) -> str:
    if value is not None:
        return f"{key} = {_toml(value)}"
    return shown if shown.startswith("# ") else f"# {shown}"


def _toml(value: str | int | float | bool) -> str:
    """The value as TOML: of these kinds, JSON's own form (TOML 1.0, basic strings)."""
    return json.dumps(value, ensure_ascii=False)
