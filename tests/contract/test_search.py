"""What the search finds is exactly what is there: by its indexes, as plain Python would find it in a list."""

from __future__ import annotations

import random
from typing import Any, Final

import pytest

from bus.identifiers import AgencyCode
from bus.ledger import facets as counting
from bus.ledger import leading
from bus.ledger.store import Ledger
from bus.thai import comparable
from tests.assets.factory import DGA, OCS, OPM, SOC
from tests.contract import ledger_rig as rig

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
                made.append(one | {"letter": letter, "at": rig.timestamp(writer.at)})
    return made


def fits(one: dict[str, Any], asked: dict[str, Any]) -> bool:
    """Whether everything that is asked applies to a letter, said once more."""
    parties = {one["sender"], *one["to"]}
    rules = {
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
