"""Merkle trees as RFC 6962, section 2.1, defines them: hashes, and what a proof proves.

Leaves are numbered from 0. A proof is a sequence of hashes of 32 octets, from the leaf's side to the root's.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections.abc import Sequence

EMPTY_ROOT = hashlib.sha256().digest()
"""The root of a tree without leaves."""
_LEAF, _NODE = b"\x00", b"\x01"
_LENGTH = 32


class Unproven(Exception):
    """A proof does not prove what it should; says in words where it fails."""


def leaf_hash(leaf: bytes) -> bytes:
    """Return the hash of a leaf (RFC 6962, 2.1)."""
    return hashlib.sha256(_LEAF + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node (RFC 6962, 2.1)."""
    return hashlib.sha256(_NODE + left + right).digest()


def require_inclusion(leaf: bytes, index: int, size: int, root: bytes, proof: Sequence[bytes]) -> None:
    """Raise Unproven unless the leaf of this hash is number `index` of the tree of that size and root.

    RFC 9162, section 2.1.3.2.
    """
    _require_hashes(leaf, root, *proof)
    if not 0 <= index < size:
        raise Unproven(f"leaf {index} is not in a tree of {size}")
    place, last, found = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            raise Unproven("the proof is too long")
        if place & 1 or place == last:
            found = node_hash(sibling, found)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            found = node_hash(found, sibling)
        place, last = place >> 1, last >> 1
    if last:
        raise Unproven("the proof is too short")
    if found != root:
        raise Unproven("the proof leads to another root")


def require_consistency(
    old_size: int, old_root: bytes, size: int, root: bytes, proof: Sequence[bytes]
) -> None:
    """Raise Unproven unless the tree of `old_size` is the beginning of the tree of `size`.

    RFC 9162, section 2.1.4.2; every tree begins with the empty one, and that needs no proof.
    """
    _require_hashes(old_root, root, *proof)
    if not 0 <= old_size <= size:
        raise Unproven(f"a tree of {old_size} is not the beginning of a tree of {size}")
    if old_size == size or old_size == 0:
        _require_none(old_size, old_root, size, root, proof)
        return
    # Where the old tree is a complete subtree, its own root is the first hash and is left out of the proof.
    path = [old_root, *proof] if old_size & (old_size - 1) == 0 else list(proof)
    if not path:
        raise Unproven("the proof is empty")
    place, last = old_size - 1, size - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    old = new = path[0]
    for sibling in path[1:]:
        if last == 0:
            raise Unproven("the proof is too long")
        if place & 1 or place == last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            new = node_hash(new, sibling)
        place, last = place >> 1, last >> 1
    if last:
        raise Unproven("the proof is too short")
    if old != old_root:
        raise Unproven("the proof does not lead to the older root")
    if new != root:
        raise Unproven("the proof does not lead to the newer root")


def root_of_some(size: int, leaves: Sequence[tuple[int, bytes]], hashes: Sequence[bytes]) -> bytes:
    """Return the root of a tree of `size` leaves, of which some are known: (place, hash), in order.

    `hashes` are those of the largest subtrees that have none of them, from left to right. Raises Unproven for what is
    no such proof.
    """
    _require_hashes(*hashes, *(leaf for _, leaf in leaves))
    places = [place for place, _ in leaves]
    if any(not low < high for low, high in zip([-1, *places], [*places, size], strict=True)):
        raise Unproven(f"the leaves are not in order, or not in a tree of {size}")
    rest = iter(hashes)

    def walk(start: int, stop: int, first: int, last: int) -> bytes:
        if first == last:
            found = next(rest, None)
            if found is None:
                raise Unproven("the proof is too short")
            return found
        if stop - start == 1:
            return leaves[first][1]
        middle = start + (1 << ((stop - start - 1).bit_length() - 1))
        cut = bisect_left(places, middle, first, last)
        left = walk(start, middle, first, cut)
        return node_hash(left, walk(middle, stop, cut, last))

    root = walk(0, size, 0, len(leaves)) if size else EMPTY_ROOT
    if next(rest, None) is not None:
        raise Unproven("the proof is too long")
    return root


def _require_hashes(*hashes: bytes) -> None:
    if any(len(one) != _LENGTH for one in hashes):
        raise Unproven(f"a hash has another length than {_LENGTH} octets")


def _require_none(old_size: int, old_root: bytes, size: int, root: bytes, proof: Sequence[bytes]) -> None:
    if proof:
        raise Unproven("the proof is too long")
    if old_size == size and old_root != root:
        raise Unproven("two roots for one size")
    if old_size == 0 and old_root != EMPTY_ROOT:
        raise Unproven("the empty tree has another root")
