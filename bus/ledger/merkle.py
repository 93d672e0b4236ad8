"""The Merkle tree of the ledger: roots and proofs, out of hashes of complete subtrees.

A subtree is complete when it has 2^level leaves and begins at a multiple of that. Whoever can tell the hashes of those
(tiles.py, or a list of leaves) gets every root and every proof of every size of the tree. RFC 6962, section 2.1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import sha256

from bus.verifier.merkle import EMPTY_ROOT, node_hash

_HASH, _NODE = 32, b"\x01"

Complete = Callable[[int, int], bytes]
"""(level, index): the hash of the complete subtree of 2^level leaves that begins at leaf index · 2^level."""


def root(size: int, complete: Complete) -> bytes:
    """Return the root of the tree of the first `size` leaves."""
    return _range(0, size, complete) if size else EMPTY_ROOT


def inclusion_proof(index: int, size: int, complete: Complete) -> list[bytes]:
    """Return the proof that leaf `index` (from 0) is in the tree of that size. Raises ValueError if it is not."""
    if not 0 <= index < size:
        raise ValueError(f"leaf {index} is not in a tree of {size}")
    proof, start, stop = [], 0, size
    while stop - start > 1:
        middle = start + _split(stop - start)
        if index < middle:
            proof.append(_range(middle, stop, complete))
            stop = middle
        else:
            proof.append(_range(start, middle, complete))
            start = middle
    return proof[::-1]


def consistency_proof(old_size: int, size: int, complete: Complete) -> list[bytes]:
    """Return the proof that the tree of `old_size` is the beginning of the one of `size`. Raises ValueError."""
    if not 0 <= old_size <= size:
        raise ValueError(f"a tree of {old_size} is not the beginning of a tree of {size}")
    if old_size in (0, size):
        return []
    proof, start, stop, old_is_whole = [], 0, size, True
    while old_size != stop:
        middle = start + _split(stop - start)
        if old_size <= middle:
            proof.append(_range(middle, stop, complete))
            stop = middle
        else:
            proof.append(_range(start, middle, complete))
            start, old_is_whole = middle, False
    return ([] if old_is_whole else [_range(start, stop, complete)]) + proof[::-1]


def combine(hashes: Sequence[bytes]) -> bytes:
    """Return the hash of the complete subtree over 2^n hashes of its level."""
    if (count := len(hashes)) & (count - 1) or not count:
        raise ValueError(f"{count} hashes are no complete subtree")
    level = b"".join(hashes)
    while count > 1:
        pairs = range(0, len(level), 2 * _HASH)
        level = b"".join([sha256(_NODE + level[at : at + 2 * _HASH]).digest() for at in pairs])
        count //= 2
    return level


def subtrees(start: int, leaves: Sequence[bytes], highest: int = 63) -> list[tuple[int, bytes]]:
    """Return (level, hash) of the largest complete subtrees over leaves of which the first is number `start`.

    None is larger than 2^highest.
    """
    found, done = [], 0
    while left := len(leaves) - done:
        level = min(left.bit_length() - 1, highest)
        if place := start + done:
            level = min(level, (place & -place).bit_length() - 1)
        found.append((level, combine(leaves[done : done + (1 << level)])))
        done += 1 << level
    return found


def _range(start: int, stop: int, complete: Complete) -> bytes:
    """The hash over leaves `start` to `stop`, which is as the tree splits: `start` is a multiple of the left part."""
    size = stop - start
    level = size.bit_length() - 1
    if size == 1 << level:
        return complete(level, start >> level)
    middle = start + _split(size)
    return node_hash(_range(start, middle, complete), _range(middle, stop, complete))


def _split(size: int) -> int:
    """The largest power of two below `size`."""
    return 1 << ((size - 1).bit_length() - 1)


class Frontier:
    """A tree that grows at its right end, known by the roots of its complete subtrees: a few hashes, whatever its size.

    (A "compact range" from leaf 0.)
    """

    def __init__(self, size: int = 0, complete: Complete | None = None) -> None:
        """Begin with the first `size` leaves, whose subtrees `complete` tells."""
        self.size = size
        self._peaks: list[bytes] = []
        start = 0
        for level in reversed(range(size.bit_length())):
            if complete is not None and size & (1 << level):
                self._peaks.append(complete(level, start >> level))
                start += 1 << level

    def append(self, root: bytes, level: int = 0) -> None:
        """Add the next complete subtree of 2^level leaves, a leaf if left out; the size is a multiple of that."""
        joined, size = root, self.size >> level
        while size & 1:
            joined = node_hash(self._peaks.pop(), joined)
            size >>= 1
        self._peaks.append(joined)
        self.size += 1 << level

    def root(self) -> bytes:
        """Return the root of the tree so far."""
        if not self._peaks:
            return EMPTY_ROOT
        found = self._peaks[-1]
        for peak in reversed(self._peaks[:-1]):
            found = node_hash(peak, found)
        return found
