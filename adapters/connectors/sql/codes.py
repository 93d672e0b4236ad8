"""The office's codes and the bus's, each way; what no map has is remembered until it has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from adapters.connectors.folder.manifest import is_agency_code
from adapters.mailbox.conditions import Condition, ConditionCode, Finding
from bus.text import printable

MAPS: Final = ("agencies", "speed", "secrecy", "kinds", "states", "events")
_MOST = 50


class CodeMaps:
    """Maps by name; one that is not given leaves codes as they are."""

    def __init__(
        self,
        codes: Mapping[str, Mapping[str, str]],
        defaults: Mapping[str, str],
        lasting: Iterable[Condition] = (),
    ) -> None:
        """`lasting`: what an earlier run has reported, which goes on until it is mapped."""
        self._outward = {name: dict(codes.get(name, {})) for name in MAPS}
        self._inward = {
            name: {code: office for office, code in reversed(found.items())}
            for name, found in self._outward.items()
        }
        self._defaults = defaults
        self._unmapped: dict[str, Finding] = {}
        for each in lasting:
            if each.finding.code is ConditionCode.SQL_UNMAPPED and not self._knows(each.finding.about):
                self._unmapped[each.finding.about] = each.finding

    def outward(self, name: str, value: str) -> str:
        """The bus's code for an office's; where none is known, the default, or what it says."""
        found = self._outward[name]
        if not found or value in found:
            return found.get(value, value)
        if name == "agencies" and (is_agency_code(value) or value.partition(":")[0] in ("group", "topic")):
            return value
        default = self._defaults.get(f"{name}_out")
        self._note(name, "out", value, default)
        return value if default is None else default

    def inward(self, name: str, code: str) -> str:
        """The office's code for the bus's; where none is known, the default, or the bus's own."""
        found = self._inward[name]
        default = self._defaults.get(f"{name}_in")
        if code in found or not (found or default):
            return found.get(code, code)
        self._note(name, "in", code, default)
        return code if default is None else default

    def state(self, word: str) -> str:
        """What stands for a state of a row; its own word unless the map has another."""
        return self._inward["states"].get(word, word)

    def findings(self, way: str) -> list[Finding]:
        """What was not mapped on the way `out` or `in`."""
        return [each for each in list(self._unmapped.values()) if f"_{way}: " in each.about]

    def _knows(self, about: str) -> bool:
        name, _, rest = about.partition("_")
        way, _, code = rest.partition(": ")
        return code in (self._outward if way == "out" else self._inward).get(name, {})

    def _note(self, name: str, way: str, code: str, default: str | None) -> None:
        about = printable(f"{name}_{way}: {code[:60]}")
        if about in self._unmapped or len(self._unmapped) >= _MOST:
            return
        th = f"ใช้ค่า {default} แทน" if default is not None else "ไม่มีค่าแทน"
        en = f"{default} was taken" if default is not None else "nothing stands for it"
        self._unmapped[about] = Finding(ConditionCode.SQL_UNMAPPED, about, th, en)
