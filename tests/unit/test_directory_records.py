"""A directory's versions as records: changes lead from one to the next, and a few are proven without the rest."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.directory import directory_of
from bus.directory.records import Tree, changed, changes_between, content_of, digest_of, records_in
from bus.directory.statement import MOST_CHANGES, Statement, read_statement, write_statement
from bus.errors import Misconfigured
from bus.identifiers import RawDigest
from bus.ledger.excerpts import excerpt
from bus.toml import canonical_json
from bus.verifier.directory import Directory as ProvenDirectory
from bus.verifier.findings import Broken
from bus.verifier.merkle import leaf_hash, root_of_some
from tests.assets import factory

NO_SUCH = RawDigest("0" * 64)
_CODES = [f"{number:010}" for number in range(40)]


def line(code: str, **values: Any) -> bytes:
    stated = {"code": code, "name_th": f"หน่วยงาน {code}", "name_en": code, "state": "suspended", **values}
    return f"agency/{code} ".encode() + canonical_json(stated)


def others() -> dict[str, bytes]:
    return {
        "bus": b"bus " + canonical_json({"certificates": [{"pem": factory.pin().pem}]}),
        "group/all": b'group/all {"id":"all","members":["*"],"name_en":"All","name_th":"\xe0\xb8\x97"}',
    }


versions = st.dictionaries(
    st.sampled_from(_CODES), st.integers(0, 2).map(lambda number: f"ช{number}"), max_size=30
).map(lambda names: {f"agency/{code}": line(code, abbrev_th=name) for code, name in names.items()} | others())


@given(old=versions, new=versions)
def test_what_is_stated_of_a_version_leads_from_the_one_before_to_its_very_content(
    old: dict[str, bytes], new: dict[str, bytes]
) -> None:
    content = content_of(new)
    stated = Statement(
        version=2,
        digest=digest_of(content),
        size=len(content),
        since=1,
        changes=changes_between(old, new),
    )
    again = read_statement(write_statement(stated))
    assert again == stated
    assert again.changes is not None
    assert content_of(changed(old, again.changes)) == content
    assert records_in(content) == new


def test_what_changes_too_much_is_not_consigned() -> None:
    changes = {f"agency/{code}": line(code, abbrev_th="ก" * 10_000) for code in _CODES}
    stated = Statement(version=1, digest=NO_SUCH, size=1, since=0, changes=changes)
    written = write_statement(stated)
    assert len(written) < 1_000 < MOST_CHANGES
    assert read_statement(written).changes is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"version": 0},
        {"version": True},
        {"version": "2"},
        {"since": 2},
        {"since": -1},
        {"since": None},
        {"size": -1},
        {"digest": "x"},
        {"digest": "A" * 64},
        {"changes": []},
        {"changes": {"agency/1": []}},
        {"changes": {"agency/1": 7}},
        {"changes": {"two words": {}}},
        {"changes": {"หน่วยงาน": {}}},
    ],
)
def test_a_statement_that_is_none_is_refused(wrong: dict[str, Any]) -> None:
    good = {"version": 2, "digest": "0" * 64, "size": 1, "since": 1, "changes": {}}
    read_statement(canonical_json(good))
    with pytest.raises(Misconfigured):
        read_statement(canonical_json(good | wrong))


@given(version=versions, wanted=st.sets(st.sampled_from(_CODES), max_size=10))
def test_any_few_records_are_proven_with_the_names_that_a_version_does_not_have(
    version: dict[str, bytes], wanted: set[str]
) -> None:
    tree = Tree(version)
    data = excerpt(version, directory_of(1, version), [f"agency/{code}" for code in wanted])
    proven = ProvenDirectory(data, 1, len(version), tree.root)
    for code in wanted:
        there = f"agency/{code}" in version
        assert proven.name(code) == (f"หน่วยงาน {code}" if there else code)
        if there:
            assert proven.inbox_of(code) == code
        else:
            with pytest.raises(Broken, match="does not know"):
                proven.inbox_of(code)
    shown = {record.partition(" ")[0] for _, record in json.loads(data)["records"]}
    for code in _CODES:
        if f"agency/{code}" in version and f"agency/{code}" not in shown:
            with pytest.raises(Broken, match="does not show"):
                proven.pins(code)


@given(version=versions.filter(lambda one: len(one) > 4), data=st.data())
def test_an_excerpt_that_was_changed_anywhere_proves_nothing(
    version: dict[str, bytes], data: st.DataObject
) -> None:
    tree = Tree(version)
    wanted = data.draw(st.sampled_from(sorted(key for key in version if key.startswith("agency/"))))
    honest = json.loads(excerpt(version, directory_of(1, version), [wanted]))
    place = data.draw(st.integers(0, len(honest["records"]) - 1))
    match data.draw(
        st.sampled_from(["line", "place", "left out", "hash", "hash more", "hash less", "twice"])
    ):
        case "line":
            honest["records"][place][1] += " "
        case "place":
            honest["records"][place][0] += 1
        case "left out":
            del honest["records"][place]
        case "twice":
            honest["records"].append(honest["records"][place])
        case "hash" if honest["hashes"]:
            changed_hash = bytearray(b64decode(honest["hashes"][0]))
            changed_hash[0] ^= 1
            honest["hashes"][0] = b64encode(changed_hash).decode()
        case "hash less" if honest["hashes"]:
            del honest["hashes"][-1]
        case _:
            honest["hashes"].append(b64encode(bytes(32)).decode())
    with pytest.raises(Broken):
        ProvenDirectory(json.dumps(honest).encode(), 1, len(version), tree.root)


def test_everybody_is_shown_only_by_all_agencies() -> None:
    version = {f"agency/{code}": line(code, inbox=code != _CODES[3]) for code in _CODES} | others()
    tree, directory = Tree(version), directory_of(1, version)
    whole = ProvenDirectory(excerpt(version, directory, ["group/all"]), 1, len(version), tree.root)
    assert whole.members("all") == [code for code in _CODES if code != _CODES[3]]
    places = tree.places(["bus", "group/all", *(f"agency/{code}" for code in _CODES[1:])])
    lines = [one.decode() for one in tree.lines(places)]
    hashes = [b64encode(one).decode() for one in tree.proof(places)]
    part = {"records": list(zip(places, lines, strict=True)), "hashes": hashes}
    lacking = ProvenDirectory(json.dumps(part).encode(), 1, len(version), tree.root)
    with pytest.raises(Broken, match="all agencies"):
        lacking.members("all")


@given(size=st.integers(0, 70), data=st.data())
def test_the_root_from_some_leaves_is_the_root_from_all(size: int, data: st.DataObject) -> None:
    version = {f"agency/{number:010}": b"agency/%010d {}" % number for number in range(size)}
    tree = Tree(version)
    chosen = st.sets(st.integers(0, size - 1)) if size else st.just(set[int]())
    places = sorted(data.draw(chosen))
    leaves = [(place, leaf_hash(one)) for place, one in zip(places, tree.lines(places), strict=True)]
    assert root_of_some(size, leaves, tree.proof(places)) == tree.root
