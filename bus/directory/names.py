"""Agencies by whatever people call them: code, name or abbreviation, Thai or English, now or in an older directory."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from operator import attrgetter
from types import MappingProxyType

from bus.directory.model import Agency
from bus.identifiers import AgencyCode
from bus.naming import nearest, plain

_ASIDE = re.compile(r"\s*\([^()]*\)$")
_NEAREST, _DIGITS = 4, 10
_KEPT = ("code", "name_th", "name_en", "abbrev_th", "abbrev_en", "inbox", "parent")
_kept = attrgetter(*_KEPT)


class Names:
    """The agencies that some versions of the directory know; the newest version says what each is called."""

    def __init__(self, versions: Iterable[Iterable[Agency]]) -> None:
        """Take the agencies of each version, the oldest first."""
        self.agencies: dict[AgencyCode, Agency] = {}
        self.with_inbox: set[AgencyCode] = set()
        """The codes of those that have had an inbox of their own in any version."""
        # Tens of thousands of names, each of hardly more than one agency: a set takes five times what a tuple does.
        self._called: dict[str, tuple[AgencyCode, ...]] = {}
        for agency in (agency for version in versions for agency in version):
            self.agencies[agency.code] = agency
            if agency.inbox:
                self.with_inbox.add(agency.code)
            alone = (agency.code,)
            for name in _names_of(agency):
                known = self._called.setdefault(plain(name), alone)
                if agency.code not in known:
                    self._called[plain(name)] = (*known, agency.code)

    def codes(self, text: str) -> tuple[AgencyCode, ...]:
        """The codes of the agencies that are called so; usually one, none for a stranger."""
        found = self._called.get(plain(text), ())
        if not found and (one := self._coded(text)):
            code, name = one
            found = tuple(each for each in self._called.get(plain(name), ()) if each == code)
        return tuple(sorted(found))

    def containing(self, text: str) -> set[AgencyCode]:
        """The codes of the agencies in one of whose names, or in whose code, a text stands."""
        wanted = plain(text)
        return {code for name, codes in self._called.items() if wanted in name for code in codes}

    def near(self, text: str) -> tuple[str, ...]:
        """The agencies whose names are nearest to a text, each with code and name, the nearest first."""
        one = self._coded(text)
        codes = [one[0]] if one else []
        wanted = one[1] if one else text
        codes += (code for key in nearest(wanted, self._called) for code in sorted(self._called[key]))
        return tuple(self.full(code) for code in list(dict.fromkeys(codes))[:_NEAREST])

    def _coded(self, text: str) -> tuple[AgencyCode, str] | None:
        """The code of an agency and what stands behind it, as in `0100500000 สลค.`; None for another text."""
        code, name = text.strip()[:_DIGITS], text.strip()[_DIGITS:]
        return (AgencyCode(code), name) if name and code in self.agencies else None

    def full(self, code: AgencyCode) -> str:
        """The code with the name, `0100500000 สำนักเลขาธิการคณะรัฐมนตรี`; the code of a stranger."""
        return f"{code} {self.agencies[code].name_th}" if code in self.agencies else code

    def short(self, code: AgencyCode) -> str:
        """The code with the abbreviation, if there is one."""
        return f"{code} {self.agencies[code].abbrev_th}".strip() if code in self.agencies else code


def name_of(line: bytes, known: Mapping[AgencyCode, Agency] = MappingProxyType({})) -> Agency:
    """Return the agency of a record as far as names go; its certificates are not read.

    `known` are agencies that are in memory anyway: one that is called the same is returned itself.
    """
    stated = json.loads(line.partition(b" ")[2])
    agency = Agency(**{name: stated[name] for name in _KEPT if name in stated})
    there = known.get(agency.code)
    return there if there is not None and _kept(there) == _kept(agency) else agency


def _names_of(agency: Agency) -> Iterator[str]:
    yield agency.code
    for name in (agency.name_th, agency.name_en, agency.abbrev_th, agency.abbrev_en):
        if name:
            yield name
            yield _ASIDE.sub("", name)
