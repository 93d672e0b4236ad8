"""What the search finds is exactly what is there: by its indexes, as plain Python would find it in a list."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import pytest
from sqlalchemy import delete, text
from sqlalchemy.exc import DBAPIError

from bus.documents.signing import sign
from bus.identifiers import AgencyCode
from bus.ledger import facets as counting
from bus.ledger import leading, schema
from bus.ledger.database import reading, working
from bus.ledger.entry import Kind, timestamp
from bus.ledger.kinds import list_kinds
from bus.ledger.rebuilding import rebuild
from bus.ledger.store import Ledger
from bus.ledger.tables import letter_kinds
from bus.thai import comparable
from bus.views.asking import certificates
from bus.views.names import KnownNames
from tests.assets import factory
from tests.assets.factory import DGA, OCS, OPM, SOC
from tests.bench.searches import fill
from tests.contract import ledger_rig as rig
from tests.contract.test_question_plans import asked

_PIECES: Final = (
    *(
        "แผน",
        "น้ำท่วม",
        "น\u0e4d\u0e49า",
        "ที่",
        "ก่\u0e34",
        "เเจ้ง",
        "ป\u0e38\u0e48",
        "ญู",
        "ฤๅ",
        "ๆ",
        "ฯ",
        "กระทรวง",
        "ก",
        "ฬ",
        "\u0e31\u0e49",
    ),
    *("๑๒๓", "123", "2569", "๒๕๖๙", "0", " ", "  ", "\u200b", "\u00a0", "\t"),
    *("MOU", "mou", "Mou", "e-Saraban", "A", "é", "e\u0301", "ß", "İ", "ﬁ"),
    *("😀", "👩‍👩‍👧", "\U000e0041", "𝔸", "漢字"),
    *(
        '"',
        "'",
        "''",
        '""',
        "\\",
        "\\'",
        "%",
        "_",
        "%%",
        "*",
        "^",
        "-",
        "(",
        ")",
        ":",
        ":*",
        "&",
        "|",
        "!",
        "{",
        "}",
        "+",
        ".",
        ",",
        "/",
        "<->",
        "$1",
        ":x",
    ),
    *(" AND ", " OR ", " NOT ", "NEAR(", "subject:", "rowid", "letter_words", "'ab':*", "\\:", "\x7f"),
)
_SUBJECTS, _WORDS = 100, 300


def made_up(chosen: random.Random, most: int) -> str:
    """A text of a few pieces, which may be cut anywhere."""
    whole = "".join(chosen.choices(_PIECES, k=chosen.randint(1, most)))
    return whole[chosen.randint(0, 2) :]


def part_of(chosen: random.Random, subjects: list[str]) -> str:
    """Something that stands in a subject, or nearly: of any length, with both ends anywhere."""
    subject = chosen.choice(subjects)
    first = chosen.randint(0, max(0, len(subject) - 1))
    part = subject[first : first + chosen.choice((1, 2, 3, 4, 5, 9, 40))]
    return part if chosen.random() < 0.7 else part + chosen.choice(_PIECES)


@pytest.mark.parametrize("seed", [1, 2])
def test_words_are_found_exactly_where_they_stand(
    ledger: Ledger, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = random.Random(seed)
    subjects = [made_up(chosen, 14)[:1000] for _ in range(_SUBJECTS)] + ["", "ก", "กข", "กขค"]
    # As in a ledger in which the newest letters do not say it all.
    monkeypatch.setattr(leading, "_WALK", 5)
    with ledger.append() as writer:
        by_number = {rig.in_ledger(writer, subject=subject): subject for subject in subjects}
        rig.in_ledger(writer, subject=None)
    questions = [[made_up(chosen, 2)] for _ in range(_WORDS // 3)]
    questions += [[part_of(chosen, subjects)] for _ in range(_WORDS // 3)]
    questions += [[part_of(chosen, subjects), part_of(chosen, subjects)] for _ in range(_WORDS // 3)]
    some = 0
    with ledger.read() as reader:
        for words in questions:
            limit = chosen.choice((1, 3, 1000))
            found = [row.letter for row in reader.find_letters(words=words, limit=limit)]
            forms = [comparable(word) for word in words]
            wanted = [
                number for number, text in by_number.items() if all(one in comparable(text) for one in forms)
            ]
            assert found == sorted(wanted, reverse=True)[:limit], words
            some += bool(0 < len(wanted) < 40)
    assert some > _WORDS / 8


@pytest.fixture
def many(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Letters of all sorts, in a ledger for which a handful is many; as values."""
    monkeypatch.setattr(leading, "FEW", 6)
    monkeypatch.setattr(leading, "_VERY_FEW", 1)
    monkeypatch.setattr(leading, "_WALK", 4)
    chosen = random.Random(3)
    made = []
    for _ in range(12):
        with ledger.append() as writer:
            for _ in range(5):
                sender, *to = chosen.sample((OPM, OCS, SOC, DGA), chosen.randint(2, 4))
                one: dict[str, Any] = {
                    "sender": sender,
                    "to": to,
                    "number": f"นร 0105/{chosen.randint(1, 4)}",
                    "subject": chosen.choice(("แผนน้ำท่วม", "แผนงาน", "รายงาน ก", None)),
                    "speed": chosen.choice(("001", "002")),
                    "kind": chosen.choice(("external", "memo", None)),
                    "dated": f"202{chosen.randint(4, 6)}-0{chosen.randint(1, 2)}-1{chosen.randint(0, 2)}",
                }
                letter = rig.in_ledger(writer, **one)
                made.append(one | {"letter": letter, "at": timestamp(writer.at)})
    return made


def fits(one: dict[str, Any], asked: dict[str, Any]) -> bool:
    """Whether everything that is asked applies to a letter, said once more."""
    parties = {one["sender"], *one["to"]}
    rules: dict[str, Callable[[Any], bool]] = {
        "sender": lambda code: one["sender"] == code,
        "recipient": lambda code: code in one["to"],
        "party": lambda code: code in parties,
        "kind": lambda code: one["kind"] == code,
        "speed": lambda code: one["speed"] == code,
        "number": lambda number: one["number"] == number,
        "since": lambda day: one["dated"] >= day,
        "until": lambda day: one["dated"] <= day,
        "dated": lambda day: one["dated"].startswith(day),
        "accepted_since": lambda at: one["at"] >= at,
        "accepted_by": lambda at: one["at"] <= at,
        "words": lambda words: one["subject"] is not None and all(word in one["subject"] for word in words),
        "letters": lambda some: one["letter"] in some,
        "entry": lambda number: one["letter"] == number,
    }
    return all(rules[name](value) for name, value in asked.items())


def questions(chosen: random.Random, made: list[dict[str, Any]]) -> dict[str, Any]:
    one = chosen.choice(made)
    agencies: list[AgencyCode] = [OPM, OCS, SOC, DGA]
    values: dict[str, Any] = {
        "sender": chosen.choice(agencies),
        "recipient": chosen.choice(agencies),
        "party": chosen.choice(agencies),
        "kind": chosen.choice(("external", "memo", "order")),
        "speed": chosen.choice(("001", "002", "003")),
        "number": one["number"],
        "since": one["dated"],
        "until": chosen.choice(made)["dated"],
        "dated": one["dated"][: chosen.choice((4, 7, 10))],
        "accepted_since": one["at"],
        "accepted_by": chosen.choice(made)["at"],
        "words": chosen.choice((["แผน"], ["น้ำ", "แผน"], ["ก"], ["แผ"], ["ฬ"], ["น้ำหนัก"])),
        "letters": [one["letter"], 1, 10**9],
        "entry": chosen.choice((one["letter"], 10**9)),
    }
    names = chosen.sample(sorted(values), chosen.choice((1, 1, 2, 2, 3)))
    return {name: values[name] for name in names}


def test_everything_that_is_asked_together_applies_whatever_leads(
    ledger: Ledger, many: list[dict[str, Any]]
) -> None:
    chosen, newest_first = random.Random(4), list(reversed(many))
    full = 0
    with ledger.read() as reader:
        for _ in range(200):
            asked, limit = questions(chosen, many), chosen.choice((2, 7, 1000))
            before = chosen.choice((None, chosen.choice(many)["letter"]))
            wanted = [one["letter"] for one in newest_first if fits(one, asked)]
            below = [letter for letter in wanted if before is None or letter < before][:limit]
            found = reader.find_letters(before=before, limit=limit, **asked)
            assert [row.letter for row in found] == below, (asked, before, limit)
            full += len(below) > 2
    assert full > 25


def test_facets_count_what_is_found_and_say_when_there_is_more(
    ledger: Ledger, many: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen, newest_first = random.Random(5), list(reversed(many))
    with ledger.read() as reader:
        for _ in range(30):
            asked, most = questions(chosen, many), chosen.choice((5, 1000))
            wanted = [one for one in newest_first if fits(one, asked)]
            found = reader.facets(most=most, **asked)
            counted = wanted[:most]
            assert (found.count, found.more) == (len(counted), len(wanted) > most), asked
            for name, key in (
                ("senders", "sender"),
                ("kinds", "kind"),
                ("speeds", "speed"),
                ("days", "dated"),
            ):
                values = [one[key] for one in counted]
                assert getattr(found, name) == {value: values.count(value) for value in values}, (name, asked)
            to = [code for one in counted for code in one["to"]]
            assert found.recipients == {code: to.count(code) for code in to}
            assert not found.more_recipients
            assert sum(found.years.values()) == sum(found.months.values()) == len(counted)
            assert all(len(month) == 7 for month in found.months)
        assert list(reader.facets().days) == sorted({one["dated"] for one in many}, reverse=True)
        monkeypatch.setattr(counting, "_MOST_RECIPIENTS", 10)
        assert reader.facets().more_recipients
        assert sum(reader.facets().recipients.values()) == 11


# ---- what the indexes are filled from ------------------------------------------------------------------------------


def test_the_kind_of_a_letter_is_listed_with_it_and_afterwards_for_those_that_an_older_router_appended(
    ledger: Ledger, ledger_url: str
) -> None:
    router = rig.Router(ledger)
    router.activate(rig.directory())
    letters = [factory.letter(letter_id=uuid4(), number=f"นร 0105/{n}") for n in (1, 2)]
    for letter in letters:
        assert router.take(rig.delivery(sign(letter, factory.seal(OPM)).raw)).outcome == "accepted"
    with ledger.append() as writer:
        rig.in_ledger(writer, kind=letters[0].kind)  # its document is none that can be read
    assert kinds_in(ledger) == {letters[0].kind: 3}
    with working(ledger.engine) as connection:
        connection.execute(delete(letter_kinds))
    assert kinds_in(ledger) == {None: 3}
    schema.upgrade(ledger_url)
    assert kinds_in(ledger) == {letters[0].kind: 2, None: 1}
    assert list_kinds(ledger.engine) == 0


def kinds_in(ledger: Ledger) -> dict[str | None, int]:
    with ledger.read() as reader:
        return dict(reader.facets().kinds)


@pytest.mark.parametrize("ledger_url", ["sqlite"], indirect=True)
def test_the_index_of_words_is_filled_by_the_database_and_can_be_made_anew(ledger: Ledger) -> None:
    with ledger.append() as writer:
        letter = rig.in_ledger(writer, subject="แผนน้ำท่วม")
    for _ in range(2):
        with ledger.read() as reader:
            assert [row.letter for row in reader.find_letters(words=["น้ำท่วม"])] == [letter]
        for statement in ("DELETE FROM letter_words", "UPDATE letter_words SET subject = 'x'"):
            with pytest.raises(DBAPIError, match="contentless"), working(ledger.engine) as connection:
                connection.execute(text(statement))
        with working(ledger.engine) as connection:
            connection.execute(text("INSERT INTO letter_words (letter_words) VALUES ('delete-all')"))
        with ledger.read() as reader:
            assert reader.find_letters(words=["น้ำท่วม"]) == []
        with ledger.append() as writer:
            rebuild(writer)


# ---- which index a question begins with ----------------------------------------------------------------------------

LEADS: Final[dict[str, tuple[dict[str, Any], str]]] = {
    "sender": ({"sender": OPM}, "ix_letters_sender_letter"),
    "recipient": ({"recipient": OCS}, "ix_recipients_agency_letter"),
    "party": ({"party": OCS}, "ix_recipients_agency_letter"),
    "kind": ({"kind": "external"}, "ix_letter_kinds_kind_letter"),
    "speed": ({"speed": "001"}, "ix_letters_speed_letter"),
    "date": ({"dated": "2026"}, "ix_letters_dated_letter"),
    "number": ({"number": "1"}, "ix_letters_number_normalised_dated"),
    "file": ({"file": "ab" * 32}, "ix_letter_files_sha256"),
    "certificate": ({"certificates": ["ab" * 32]}, "ix_letters_certificate_letter"),
    "time": ({"accepted_since": "2026"}, "letters"),
    "entry": ({"entry": 1}, "entries"),
}
"""Questions, and what has to stand in the plan of one of the statements that answer each."""
OF_MANY: Final = ("sender", "recipient", "party", "kind", "speed", "date")
"""What many letters may have in common."""


@pytest.mark.parametrize(
    ("name", "few"), [(name, 20_000) for name in LEADS] + [(name, 0) for name in OF_MANY]
)
def test_every_question_is_answered_from_its_index(
    ledger: Ledger, name: str, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leading, "FEW", few)
    with ledger.append() as writer:
        for _ in range(20):
            rig.in_ledger(writer)
    question, wanted = LEADS[name]
    with asked(ledger) as statements, ledger.read() as reader:
        reader.find_letters(limit=5, **question)
    answered_from(ledger, statements, wanted)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
@pytest.mark.parametrize("word", ["ช้างเผือก", "ฬ"])
def test_words_are_answered_from_the_index_of_trigrams(
    kind: str, word: str, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path / 'new.db'}" if kind == "sqlite" else request.getfixturevalue("postgres_url")
    monkeypatch.setattr(leading, "_WALK", 3)
    fill(url, 2_000)
    table = "letter_trigrams" if len(word) < 3 else "letter_words"
    with Ledger(url) as ledger:
        with asked(ledger) as statements, ledger.read() as reader:
            reader.find_letters(limit=5, words=[word])
        answered_from(
            ledger, statements, f"{table} VIRTUAL TABLE" if kind == "sqlite" else "ix_letters_subject"
        )


def answered_from(ledger: Ledger, statements: list[tuple[str, Any]], wanted: str) -> None:
    plans = list(plans_of(ledger, [one for one in statements if not goes_back(*one)]))
    assert any(wanted in plan for plan in plans), plans
    assert not [
        plan for plan in plans if re.search(r"SCAN (letters|recipients|letter_kinds)$|Seq Scan", plan)
    ]


def goes_back(statement: str, values: Any) -> bool:
    """Whether it goes back from the newest letter, so far and no further; on SQLite every limit has an offset."""
    if isinstance(values, dict):
        return " OFFSET " in statement
    return statement.endswith(" OFFSET ?") and bool(values[-1])


def plans_of(ledger: Ledger, statements: list[tuple[str, Any]]) -> Iterator[str]:
    explain = "EXPLAIN QUERY PLAN" if ledger.engine.dialect.name == "sqlite" else "EXPLAIN"
    with reading(ledger.engine) as connection, leading._steered(connection):
        for statement, values in statements:
            yield from (str(row[-1]) for row in connection.exec_driver_sql(f"{explain} {statement}", values))


# ---- pages of entries ----------------------------------------------------------------------------------------------


def test_acts_are_read_in_pages_either_way(ledger: Ledger) -> None:
    chosen, kinds, made = random.Random(6), (Kind.PARKED, Kind.RELEASED, Kind.REFUSED), []
    with ledger.append() as writer:
        for _ in range(60):
            kind, whose = chosen.choice(kinds), chosen.choice((OPM, OCS))
            made.append((writer.entry(kind, agency=whose), kind, whose))
    with ledger.read() as reader:
        for _ in range(60):
            some = chosen.choice(((), kinds[:1], kinds[:2]))
            agency, seq = chosen.choice((None, OPM)), chosen.randint(1, 61)
            wanted = [one for one, kind, of in made if kind in (some or kinds) and agency in (None, of)]
            older = reader.acts.older(some, agency=agency, before=seq, limit=7)
            assert [one.seq for one in older] == [one for one in reversed(wanted) if one < seq][:7]
            newer = reader.acts.newer(some, agency=agency, after=seq, limit=7)
            assert [one.seq for one in newer] == [one for one in wanted if one > seq][:7][::-1]


def test_names_and_certificates_are_read_once_for_each_version_of_the_directory(ledger: Ledger) -> None:
    router, known = rig.Router(ledger), KnownNames()
    router.activate(rig.directory())
    with ledger.read() as reader:
        names, pinned = known.names(reader), known.pinned(reader)
        assert OCS in names.agencies
        assert (known.names(reader), known.pinned(reader)) == (names, pinned)
        serial = factory.pin(factory.seal(OPM)).certificate.serial_number
        assert certificates(reader, f"{serial:x}", pinned) == certificates(reader, str(serial))
    router.activate(rig.directory(2, DGA=rig.agency(DGA, abbrev_th="สพร.")))
    with ledger.read() as reader:
        assert known.names(reader) is not names
        assert known.names(reader).codes("สพร.") == (DGA,)
        assert known.names(reader) is known.names(reader)
