"""What is read once for several checks is found to be what it is found to be when each check reads for itself."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from bus.ledger import tiles, verifying, verifying_entries, verifying_tiles
from bus.ledger.entry import canonical, read_canonical
from bus.ledger.findings import Report
from bus.ledger.store import Ledger
from bus.ledger.tiles import Tree
from bus.ledger.verifying_begun import Span
from bus.ledger.verifying_letters import check_letters
from tests.contract import ledger_rig as rig
from tests.contract.lived import Lived, live
from tests.contract.test_one_recipient import goes_on
from tests.contract.test_question_plans import asked
from tests.contract.test_tampering import CRIMES, in_its_dialect, rewrite, verified
from tests.contract.test_tree import unguarded
from tests.contract.test_verifying_side_by_side import DAMAGES


@pytest.fixture
def lived(ledger: Ledger, tmp_path: Path) -> Lived:
    return live(ledger, tmp_path)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spans and tiles of a few entries, so that letters go on in other spans, and spans end within tiles."""
    monkeypatch.setattr(tiles, "HEIGHT", 1)
    monkeypatch.setattr(tiles, "WIDTH", 2)


def each_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have every check read what it needs, as it has to where entries are missing."""

    def begun(connection: Connection, report: Report, span: Span) -> Report:
        return check_letters(connection, report, span.after, span.until)

    monkeypatch.setattr(verifying_entries, "check_begun", begun)
    monkeypatch.setattr(verifying_entries, "good_tiles", lambda *_: [])


def grown(lived: Lived, chosen: Random) -> None:
    """More letters, what is said of them in any order, and heads here and there."""
    with lived.ledger.append() as writer:
        letters = [rig.in_ledger(writer) for _ in range(3)]
    for _ in range(12):
        with lived.ledger.append() as writer:
            for _ in range(chosen.randint(0, 3)):
                goes_on(writer, chosen.choice(letters), chosen)
        if chosen.random() < 0.3:
            lived.signer.sign()
    lived.signer.sign()


OF_ROWS = (
    "UPDATE entries SET letter = {other} WHERE seq = {n}",
    "UPDATE entries SET letter = 1000 WHERE seq = {n}",
    "UPDATE entries SET letter = NULL WHERE seq = {n}",
    "UPDATE entries SET seq = 1000 + {n} WHERE seq = {n}",
    "UPDATE entries SET seq = -{n} WHERE seq = {n}",
    "UPDATE entries SET body = (SELECT body FROM entries WHERE seq = {other}) WHERE seq = {n}",
    "UPDATE entries SET leaf = (SELECT leaf FROM entries WHERE seq = {other}) WHERE seq = {n}",
    "UPDATE entries SET body = ' ' || body WHERE seq = {n}",
    "UPDATE entries SET body = body || '{{}}' WHERE seq = {n}",
    "UPDATE tiles SET hashes = root WHERE level = 0 AND place = {n} / 2",
    "UPDATE tiles SET root = (SELECT leaf FROM entries WHERE seq = {n}) WHERE level = 0 AND place = {n} / 2",
    "UPDATE tiles SET place = 1000 + {n} WHERE place = {n} / 2",
    "DELETE FROM tiles WHERE place = {n} / 2",
    "DELETE FROM letters WHERE letter >= {n}",
    "DELETE FROM recipients WHERE letter >= {n}",
    "DELETE FROM submissions WHERE entry = {n}",
    "DELETE FROM consignments WHERE entry = {n}",
    "UPDATE consignments SET number = 1000 + number WHERE entry = {n}",
    "UPDATE consignments SET entry = {n} WHERE entry = {other}",
    "UPDATE recipients SET letter = {n} WHERE letter = {other}",
    "UPDATE documents SET bytes = x'00' WHERE sha256 = (SELECT document FROM entries WHERE seq = {n})",
    "DELETE FROM documents WHERE sha256 = (SELECT document FROM entries WHERE seq = {n})",
)
OF_SQLITE = (
    "UPDATE entries SET letter = {other}.5 WHERE seq = {n}",
    "UPDATE entries SET letter = 'x' WHERE seq = {n}",
    "UPDATE entries SET letter = x'00' WHERE seq = {n}",
    "UPDATE entries SET letter = 9e999 WHERE seq = {n}",
    "UPDATE entries SET body = CAST(body AS BLOB) WHERE seq = {n}",
    "UPDATE entries SET leaf = 'x' WHERE seq = {n}",
    "UPDATE tiles SET place = {n}.5 WHERE level = 0 AND place = {n} / 2",
    "UPDATE tiles SET hashes = 'x' WHERE level = 0 AND place = {n} / 2",
)
"""What only SQLite keeps in such columns."""


def damaged(lived: Lived, chosen: Random) -> None:
    """Do some of what an owner of the database can do, at random places."""
    own = OF_SQLITE if lived.ledger.engine.dialect.name == "sqlite" else ()
    kinds = [
        *((one,) for one in (*OF_ROWS, *own)),
        *DAMAGES,
        *(crime.statements for crime in CRIMES.values()),
    ]
    with lived.ledger.read() as reader:
        newest = reader.head()
    for statements in chosen.sample(kinds, chosen.randint(1, 4)):
        values = {"n": chosen.randint(2, newest), "other": chosen.randint(1, newest)}
        for statement in statements:
            with suppress(IntegrityError, AssertionError):  # there is such a row already, or none
                unguarded(lived.ledger, in_its_dialect(lived, statement.format(**values)))


def said(lived: Lived, **asked: Any) -> dict[str, Any]:
    """What a verification says, also where it comes to no end."""
    try:
        return verified(lived, **asked).as_json()
    except Exception as error:
        return {"verdict": "fail", "ended by": repr(error)}


@pytest.mark.parametrize("seed", range(16))
def test_of_any_damage_the_same_is_found_as_by_reading_for_each_check(
    small: None, lived: Lived, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = Random(seed)
    grown(lived, chosen)
    with lived.ledger.read() as reader:
        heads, newest = reader.heads.above(0), reader.head()
    if chosen.random() < 0.3:
        rewrite(lived, chosen.randint(4, newest), lambda body: body.update(prior=chosen.randint(1, newest)))
    damaged(lived, chosen)
    size = chosen.choice((3, 4, 7, 1000))
    for module in (verifying, verifying_entries):
        monkeypatch.setattr(module, "BATCH", size)
    since: dict[str, Any] = {"since": chosen.choice(heads)} if chosen.random() < 0.3 else {}
    found = said(lived, **since)
    each_by_itself(monkeypatch)
    assert found == said(lived, **since)
    assert since or found["verdict"] == "fail"


def test_of_a_whole_ledger_each_body_is_read_once_and_each_lowest_tile_seen_with_its_entries(
    small: None, lived: Lived, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_at, fault = set[int](), verifying_tiles._fault

    def noted(connection: Connection, tree: Tree, level: int, place: int) -> str | None:
        looked_at.add(level)
        return fault(connection, tree, level, place)

    monkeypatch.setattr(verifying_tiles, "_fault", noted)
    with asked(lived.ledger) as statements:
        report = verified(lived)
    assert report.passed
    assert looked_at == {1, 2}
    # Those of one kind are looked up for the directory.
    bodies = [one for one, _ in statements if "entries.body" in one and "entries.kind =" not in one]
    assert len(bodies) == 1, bodies


@pytest.mark.parametrize(("named", "code"), [("zz", "row.unreadable"), ("ab", "document.missing")])
def test_what_cannot_be_the_hash_of_a_document_is_a_finding(lived: Lived, named: str, code: str) -> None:
    rewrite(lived, 3, lambda body: body.update(acceptance=named))
    assert {("entry 3", code)} <= {(one.where, one.code) for one in verified(lived).findings}


@pytest.mark.parametrize("ledger_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("seed", range(4))
def test_each_document_is_looked_at_once_wherever_in_the_file_it_lies(lived: Lived, seed: int) -> None:
    chosen, whole = Random(seed), verified(lived).counts["documents"]
    places = {-(2**63), -5, 0, 1, 10**6, 2**62, 2**63 - 1} - {chosen.choice((2**63 - 1, 2**62, 10**6, 0))}
    for place in places:
        left = "SELECT rowid FROM documents WHERE rowid BETWEEN 2 AND 1000 ORDER BY rowid LIMIT 1"
        with suppress(IntegrityError):
            unguarded(lived.ledger, f"UPDATE documents SET rowid = {place} WHERE rowid = ({left})")
    assert verified(lived).counts["documents"] == whole
    unguarded(lived.ledger, "UPDATE documents SET bytes = x'00'")
    report = verified(lived)
    assert [one.code for one in report.findings].count("document.bytes") == whole


# ---- the canonical form --------------------------------------------------------------------------------------------


def read_plainly(text: str) -> dict[str, Any]:
    body = json.loads(text, parse_float=refused, parse_constant=refused)
    if not isinstance(body, dict) or canonical(body) != text:
        raise ValueError
    return body


def refused(_: str) -> Any:
    raise ValueError


def some_value(chosen: Random, depth: int = 3) -> Any:
    texts = (
        "",
        "ก",
        "นร ๐๑๐๕/ว ๑",
        '"',
        "\\",
        "/",
        "\n\x00\x1f\x7f",
        "\u2028",
        "\U0001f600",
        "a-0",
        "1.5",
        "{}",
    )
    match chosen.randrange(7 if depth else 5):
        case 0 | 1:
            return chosen.choice(texts)
        case 2:
            return chosen.choice((0, 1, -1, 2**63, -(10**30)))
        case 3:
            return chosen.choice((True, False, None))
        case 4:
            return chosen.choice(texts) + chosen.choice(texts)
        case 5:
            return [some_value(chosen, depth - 1) for _ in range(chosen.randint(0, 3))]
        case _:
            return {
                chosen.choice(texts) + chosen.choice("abc"): some_value(chosen, depth - 1)
                for _ in range(chosen.randint(0, 4))
            }


def spoilt(text: str, chosen: Random) -> str:
    """The text with something in it or out of it, at a place that means something more often than not."""
    places = [place for place, one in enumerate(text) if one in '{}[]:,"\\'] or [0]
    place = chosen.choice(places) + chosen.randint(0, 1)
    put = chosen.choice(
        (" ", "\t", "\n", "-0", "0", ".0", "e1", "NaN", "\\u0041", "\\/", '"a":1,', ",", "\ufeff", "{}")
    )
    return text[:place] + put + text[place + chosen.choice((0, 0, 0, 1)) :]


@pytest.mark.parametrize("seed", range(40))
def test_a_body_is_read_where_it_is_in_its_one_form_and_nowhere_else(seed: int) -> None:
    chosen, good = Random(seed), 0
    for _ in range(200):
        text = canonical({"seq": 1, "x": some_value(chosen), "y": some_value(chosen)})
        for _ in range(chosen.choice((0, 0, 1, 2))):
            text = spoilt(text, chosen)
        try:
            expected = read_plainly(text)
        except ValueError:
            with pytest.raises(ValueError, match=r"."):
                read_canonical(text)
        else:
            good += 1
            assert canonical(read_canonical(text)) == text == canonical(expected)
    assert 50 < good < 200
