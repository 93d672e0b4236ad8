"""The Merkle tree: published values, a naive implementation beside it, and every way of proving what is not so."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.ledger import merkle
from bus.verifier.merkle import EMPTY_ROOT, Unproven, leaf_hash, require_consistency, require_inclusion

LEAVES = tuple(
    map(
        bytes.fromhex,
        ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"),
    )
)
"""The leaves of Certificate Transparency's reference tests, and the roots after each."""
ROOTS = (
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)
INCLUSION = {
    (0, 1): (),
    (0, 8): (
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ),
}
"""(index, size): proofs out of the same tests."""


def naive(hashes: Sequence[bytes]) -> bytes:
    """The tree as the RFC's recursion says it, over leaf hashes."""
    if not hashes:
        return hashlib.sha256().digest()
    if len(hashes) == 1:
        return hashes[0]
    middle = 1
    while middle * 2 < len(hashes):
        middle *= 2
    return hashlib.sha256(b"\x01" + naive(hashes[:middle]) + naive(hashes[middle:])).digest()


def over(hashes: Sequence[bytes]) -> merkle.Complete:
    def complete(level: int, index: int) -> bytes:
        part = hashes[index << level : (index + 1) << level]
        assert len(part) == 1 << level, "asked for a subtree that is not complete"
        return naive(part)

    return complete


def hashes_of(count: int) -> list[bytes]:
    return [leaf_hash(b"%d" % number) for number in range(count)]


@pytest.mark.parametrize("size", range(1, 9))
def test_roots_are_the_published_ones(size: int) -> None:
    hashes = [leaf_hash(leaf) for leaf in LEAVES[:size]]
    assert merkle.root(size, over(hashes)).hex() == ROOTS[size - 1]


def test_the_empty_tree_has_the_published_root() -> None:
    assert merkle.root(0, over([])) == EMPTY_ROOT
    assert EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@pytest.mark.parametrize(("place", "proof"), INCLUSION.items())
def test_inclusion_proofs_are_the_published_ones(place: tuple[int, int], proof: tuple[str, ...]) -> None:
    hashes = [leaf_hash(leaf) for leaf in LEAVES]
    assert [each.hex() for each in merkle.inclusion_proof(*place, over(hashes))] == list(proof)


def test_the_proofs_of_seven_leaves_have_the_shapes_that_the_rfc_draws() -> None:
    """RFC 6962, section 2.1.3: a to j are the leaves, g to l the nodes above them."""
    hashes = hashes_of(7)
    g, h, i = naive(hashes[0:2]), naive(hashes[2:4]), naive(hashes[4:6])
    k, left = naive(hashes[0:4]), naive(hashes[4:7])
    complete = over(hashes)
    assert merkle.inclusion_proof(0, 7, complete) == [hashes[1], h, left]
    assert merkle.inclusion_proof(3, 7, complete) == [hashes[2], g, left]
    assert merkle.inclusion_proof(4, 7, complete) == [hashes[5], hashes[6], k]
    assert merkle.inclusion_proof(6, 7, complete) == [i, k]
    assert merkle.consistency_proof(3, 7, complete) == [hashes[2], hashes[3], g, left]
    assert merkle.consistency_proof(4, 7, complete) == [left]
    assert merkle.consistency_proof(6, 7, complete) == [i, hashes[6], k]


@given(st.data())
def test_every_leaf_of_every_tree_is_proved_and_nothing_else(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 70))
    index = data.draw(st.integers(0, size - 1))
    hashes = hashes_of(size)
    root = naive(hashes)
    proof = merkle.inclusion_proof(index, size, over(hashes))
    assert merkle.root(size, over(hashes)) == root
    require_inclusion(hashes[index], index, size, root, proof)
    for wrong in (
        (leaf_hash(b"another"), index, size, root, proof),
        (hashes[index], index, size, leaf_hash(b"another"), proof),
        (hashes[index], index, size, root, [*proof, root]),
        (hashes[index], index, size, root, proof[:-1] if proof else [root]),
        (hashes[index], size, size, root, proof),
        (hashes[index], -1, size, root, proof),
    ):
        with pytest.raises(Unproven):
            require_inclusion(*wrong)
    for other in range(size):
        if other != index:
            with pytest.raises(Unproven):
                require_inclusion(hashes[index], other, size, root, proof)


@given(st.data())
def test_every_tree_is_the_beginning_of_every_larger_one_and_of_no_other(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 70))
    old = data.draw(st.integers(0, size))
    hashes = hashes_of(size)
    older, newer = naive(hashes[:old]), naive(hashes)
    proof = merkle.consistency_proof(old, size, over(hashes))
    require_consistency(old, older, size, newer, proof)
    wrong = leaf_hash(b"another")
    for change in (
        (old, wrong, size, newer, proof),
        (old, older, size, newer, [*proof, wrong]),
        (size + 1, newer, size, newer, proof),
        (-1, older, size, newer, proof),
    ):
        with pytest.raises(Unproven):
            require_consistency(*change)
    if old:
        with pytest.raises(Unproven):
            require_consistency(old, older, size, wrong, proof)
    if proof:
        with pytest.raises(Unproven):
            require_consistency(old, older, size, newer, proof[:-1])


@given(st.data())
def test_a_tree_with_one_leaf_changed_is_not_the_continuation(data: st.DataObject) -> None:
    size = data.draw(st.integers(2, 70))
    old = data.draw(st.integers(1, size - 1))
    changed = data.draw(st.integers(0, old - 1))
    before = hashes_of(size)
    after = [*before[:changed], leaf_hash(b"rewritten"), *before[changed + 1 :]]
    proof = merkle.consistency_proof(old, size, over(after))
    with pytest.raises(Unproven):
        require_consistency(old, naive(before[:old]), size, naive(after), proof)


@pytest.mark.parametrize(("index", "size"), [(0, 0), (3, 3), (-1, 3)])
def test_no_proof_is_made_for_a_leaf_that_is_not_there(index: int, size: int) -> None:
    with pytest.raises(ValueError, match="is not in a tree"):
        merkle.inclusion_proof(index, size, over(hashes_of(3)))


@given(st.integers(0, 70), st.integers(0, 70))
def test_a_frontier_has_the_root_of_every_size_from_wherever_it_begins(begin: int, more: int) -> None:
    hashes = hashes_of(begin + more)
    frontier = merkle.Frontier(begin, over(hashes))
    assert frontier.root() == naive(hashes[:begin])
    for size in range(begin, begin + more):
        frontier.append(hashes[size])
        assert frontier.root() == naive(hashes[: size + 1])
    assert frontier.size == begin + more
