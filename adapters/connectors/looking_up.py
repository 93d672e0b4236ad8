"""Whom a letter can name: agencies, groups and topics of the directory, found by words of their names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bus.directory import Directory
from bus.naming import plain


@dataclass(frozen=True, slots=True, kw_only=True)
class Addressee:
    """One entry of the directory that can stand in a letter's `to` or `copy`."""

    kind: str
    """`agency`, `group` or `topic`."""
    value: str
    """As the letter's fields have it: ten digits, `group:<id>` or `topic:<id>`."""
    name_th: str
    name_en: str
    abbrev_th: str = ""
    members: int = 1
    """How many agencies it stands for."""
    suspended: bool = False


class AddresseeIndex:
    """The addressees of one version of the directory, ready to be searched; ten thousand take some milliseconds."""

    _newest: tuple[Directory, AddresseeIndex] | None = None

    def __init__(self, directory: Directory) -> None:
        self._by_value = {each.value: each for each in _addressees(directory)}
        self._words = [(_words(each), each) for each in self._by_value.values()]

    @classmethod
    def of(cls, directory: Directory) -> AddresseeIndex:
        """Return the index of a directory; that of the newest one asked for is kept."""
        kept = cls._newest
        if kept is None or kept[0] is not directory:
            kept = cls._newest = (directory, cls(directory))
        return kept[1]

    def get(self, value: str) -> Addressee | None:
        """The addressee that a letter's field names; None if the directory has it not."""
        return self._by_value.get(value)

    def find(self, text: str, limit: int) -> list[Addressee]:
        """Return those in whose names every word of a text is found, the nearest first: whole names before parts."""
        wanted = [word for word in map(plain, text.split()) if word]
        if not wanted:
            return []
        whole = plain(text)
        found = [
            ((whole not in names, not any(name.startswith(whole) for name in names), position), each)
            for position, (names, each) in enumerate(self._words)
            if all(any(word in name for name in names) for word in wanted)
        ]
        found.sort(key=lambda one: one[0])
        return [each for _, each in found[:limit]]


def _addressees(directory: Directory) -> Iterator[Addressee]:
    for group in directory.groups.values():
        members = len(directory.members(group.id) or ())
        value = f"group:{group.id}"
        yield Addressee(
            kind="group", value=value, name_th=group.name_th, name_en=group.name_en, members=members
        )
    for topic in directory.topics.values():
        members = len(directory.subscribers(topic.id) or ())
        value = f"topic:{topic.id}"
        yield Addressee(
            kind="topic", value=value, name_th=topic.name_th, name_en=topic.name_en, members=members
        )
    for code, agency in sorted(directory.agencies.items()):
        if directory.inbox_of(code) is not None:
            yield Addressee(
                kind="agency",
                value=code,
                name_th=agency.name_th,
                name_en=agency.name_en,
                abbrev_th=agency.abbrev_th,
                suspended=not agency.active,
            )


def _words(addressee: Addressee) -> tuple[str, ...]:
    _, _, identifier = addressee.value.rpartition(":")
    names = (identifier, addressee.name_th, addressee.name_en, addressee.abbrev_th)
    return tuple(dict.fromkeys(filter(None, map(plain, names))))
