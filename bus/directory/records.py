"""A directory as records: one line for each agency, group and topic, and for the bus; its content, root and changes.

A record is a line `KEY JSON`: `agency/0100500000 {"certificates":…}`, `bus {…}`, `group/all {…}`, `topic/news {…}`. The
lines in the order of their keys, each ended by a line feed, are a version's **content**; its SHA-256 is the address
under which the content is fetched. The same lines are the leaves of a Merkle tree (RFC 6962, section 2.1), whose root
stands in the version's entry of the ledger: any few records can be shown to be in a version without the others.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence

from bus.errors import Misconfigured, Problem
from bus.identifiers import RawDigest
from bus.verifier.merkle import EMPTY_ROOT, leaf_hash, node_hash

Records = Mapping[str, bytes]
"""The line of each record, without its line feed, by its key."""
Changes = Mapping[str, bytes | None]
"""The records that another version has otherwise, by key; None for one that it does not have."""


def content_of(records: Records) -> bytes:
    """Return the content of a version."""
    return b"".join(records[key] + b"\n" for key in sorted(records))


def records_in(content: bytes) -> dict[str, bytes]:
    """Return the records of a content. Raises Misconfigured unless it is one, in its one form."""
    records = {key_of(line): line for line in content.split(b"\n")[:-1]}
    if content_of(records) != content:
        raise unreadable("its lines are not in order, or not whole")
    return records


def key_of(line: bytes) -> str:
    """Return the key of a record. Raises Misconfigured."""
    key, blank, _ = line.partition(b" ")
    if not blank or not key.isascii():
        raise unreadable("a line of it has no key")
    return key.decode()


def unreadable(wrong: str) -> Misconfigured:
    """What is raised for a directory from elsewhere that is none."""
    return Misconfigured(Problem("directory", "(whole)", wrong, "Ask for it again"))


def digest_of(content: bytes) -> RawDigest:
    """Return the address of a content: its SHA-256 in lower-case hexadecimal."""
    return RawDigest(hashlib.sha256(content).hexdigest())


def changes_between(old: Records, new: Records) -> dict[str, bytes | None]:
    """Return what turns one version's records into another's."""
    return {key: new.get(key) for key in sorted(old.keys() | new.keys()) if old.get(key) != new.get(key)}


def changed(records: Records, changes: Changes) -> dict[str, bytes]:
    """Return the records of the version that differs by these changes."""
    together = {**records, **changes}
    return {key: line for key, line in together.items() if line is not None}


class Tree:
    """The Merkle tree over the records of one version."""

    def __init__(self, records: Records) -> None:
        self._keys = sorted(records)
        self._leaves = [leaf_hash(records[key]) for key in self._keys]
        self._records = records

    @property
    def root(self) -> bytes:
        """The root."""
        return self._root(0, len(self._leaves)) if self._leaves else EMPTY_ROOT

    def places(self, keys: Iterable[str]) -> list[int]:
        """Return where these records stand; where a key has none, where its neighbours do, so that it is seen to."""
        found: set[int] = set()
        for key in keys:
            at = bisect_left(self._keys, key)
            there = at < len(self._keys) and self._keys[at] == key
            found |= {at} if there else {at - 1, at} & set(range(len(self._keys)))
        return sorted(found)

    def lines(self, places: Sequence[int]) -> list[bytes]:
        """Return the records that stand at these places."""
        return [self._records[self._keys[place]] for place in places]

    def proof(self, places: Sequence[int]) -> list[bytes]:
        """Return the hashes that lead from these leaves (in order, from 0) to the root, from left to right."""
        hashes: list[bytes] = []
        self._prove(0, len(self._leaves), places, hashes)
        return hashes

    def _prove(self, start: int, stop: int, places: Sequence[int], hashes: list[bytes]) -> None:
        if bisect_left(places, start) == bisect_left(places, stop):
            if start < stop:
                hashes.append(self._root(start, stop))
        elif stop - start > 1:
            middle = start + _split(stop - start)
            self._prove(start, middle, places, hashes)
            self._prove(middle, stop, places, hashes)

    def _root(self, start: int, stop: int) -> bytes:
        if stop - start == 1:
            return self._leaves[start]
        middle = start + _split(stop - start)
        return node_hash(self._root(start, middle), self._root(middle, stop))


def _split(size: int) -> int:
    """The largest power of two below `size`."""
    return 1 << ((size - 1).bit_length() - 1)
