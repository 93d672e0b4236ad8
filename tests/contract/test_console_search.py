"""The auditors' search: what is asked stands in the address, what is not understood beside its field."""

from __future__ import annotations

import csv
import hashlib
import io
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote

import pytest

from bus.ledger import schema
from bus.ledger.store import Ledger
from bus.operators import Role
from bus.views.asking import names_of
from bus.views.facets import _dates, facets_of
from bus.views.questions import FIELDS, Question
from tests.assets import factory
from tests.assets.factory import DGA, OCS, OPM
from tests.contract.console_ledgers import HOSTILE, auditors_console, readings, send
from tests.contract.console_rig import Console, Visitor
from tests.contract.lived import Lived


@dataclass(frozen=True, slots=True)
class Looking:
    """An auditor's browser over a ledger with the lived circular and the letters of hostile subjects."""

    ledger: Ledger
    lived: Lived
    console: Console
    auditor: Visitor
    hostile: dict[str, int]

    def found(self, query: str) -> list[int]:
        """Return the numbers of the letters that a query finds."""
        return [one["letter"] for one in self.auditor.json(f"/search?{query}")["letters"]]


@pytest.fixture(scope="module", params=("sqlite", "postgresql"))
def looking(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Looking]:
    folder = tmp_path_factory.mktemp("search")
    url = of_module(request, folder)
    with Ledger(url) as ledger, auditors_console(ledger, folder) as (console, lived):
        hostile = {each: send(lived, each, f"นร 0105/{place}") for place, each in enumerate(HOSTILE, 200)}
        yield Looking(ledger, lived, console, console.visited_by(Role.AUDITOR), hostile)


def of_module(request: pytest.FixtureRequest, folder: object) -> str:
    """An empty ledger of either kind that a module keeps."""
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("sqlite_template"), f"{folder}/ledger.db")
        return f"sqlite:///{folder}/ledger.db"
    url = str(request.getfixturevalue("postgres_server").create_database("console_search"))
    schema.upgrade(url)
    return url


def test_a_letter_is_found_by_each_thing_that_is_known_of_it(looking: Looking) -> None:
    lived = looking.lived
    with looking.ledger.read() as reader:
        row = reader.letter(lived.letter)
        entry = reader.entry_at(lived.letter)
    assert row is not None
    assert entry is not None
    assert row.certificate is not None
    serial = factory.seal(OPM).certificate.serial_number
    asked = {
        "number": "นร ๐๑๐๕/ว ๑๖๕",
        "id": row.letter_id,
        "subject": "ประชุม เชื่อมโยง",
        "file": lived.circular.main_file.digest,
        "entry": str(lived.letter + 2),
        "hash": entry.document or "",
        "to": DGA,
        "any": "นร 0105/ว 165",
    }
    for name, value in asked.items():
        assert looking.found(f"{name}={quote(value)}")[-1:] == [lived.letter], name
    for name, value in {
        "from": OPM,
        "party": OCS,
        "certificate": f"{serial:x}",
        "kind": "01",
        "speed": "ปกติ",
        "state": "unacknowledged",
        "since": lived.circular.date.isoformat(),
        "newest": "1",
    }.items():
        expected = sorted([lived.letter, *looking.hostile.values()], reverse=True)
        if name == "kind":
            value = lived.circular.kind
        assert looking.found(f"{name}={quote(value)}") == expected, name
    assert looking.found(f"certificate={row.certificate}")[-1] == lived.letter
    assert looking.found("state=registered") == [lived.letter]
    assert looking.found("until=01/01/2560") == []


def test_one_line_is_guessed(looking: Looking) -> None:
    lived = looking.lived
    for text in (
        str(lived.letter),
        str(lived.circular.letter_id),
        lived.signed.digest,
        hashlib.sha256(lived.signed.raw).hexdigest(),
        "นร ๐๑๐๕/ว ๑๖๕",
        "เชื่อมโยงระบบ",
    ):
        assert looking.found(f"any={quote(text)}")[-1:] == [lived.letter], text


def test_a_date_is_echoed_in_both_calendars(looking: Looking) -> None:
    page = looking.auditor.get("/search?since=01/02/2569&until=2027-01-01").text
    assert "1 กุมภาพันธ์ 2569" in page
    assert "2026-02-01" in page
    assert "1 มกราคม 2570" in page
    assert "2027-01-01" in page
    assert 'value="01/02/2569"' in page, "what was written stays in its field"


@pytest.mark.parametrize(
    ("query", "field", "hint"),
    [
        ("from=สำนักเลขาธิการคณะรัฐมนตรรี", "from", "0100500000"),
        ("since=31/02/2569", "since", "no date"),
        ("file=/etc/passwd", "file", "64 hexadecimal digits"),
        ("state=registerd", "state", "registered"),
        ("code=signature.brokn", "code", "signature.broken"),
        ("entry=999999", "entry", "newest"),
        ("since=2026-02-02&until=2026-02-01", "until", "before"),
        ("id=xyz", "id", "LetterID"),
        ("certificate=00ff", "certificate", "no directory"),
    ],
)
def test_a_mistake_stands_beside_its_field_and_nothing_is_looked_for(
    looking: Looking, query: str, field: str, hint: str
) -> None:
    before = len(readings(looking.ledger))
    response = looking.auditor.get(f"/search?{query}")
    assert response.status_code == 400
    wrong = re.search(rf'id="wrong-{field}">(.*?)</p>', response.text, re.DOTALL)
    assert wrong is not None
    assert hint in wrong[1]
    assert f'id="{field}"' in response.text
    assert 'aria-invalid="true"' in response.text
    assert looking.auditor.get(f"/search.json?{query}").status_code == 400
    assert looking.auditor.get(f"/search.csv?{query}").status_code == 400
    assert len(readings(looking.ledger)) == before


@pytest.mark.parametrize(
    "query", ["colour=red", "number=1&number=2", "before=x", "any=%00", "subject=" + "x" * 1001]
)
def test_what_the_page_does_not_know_is_refused_and_never_ignored(looking: Looking, query: str) -> None:
    assert looking.auditor.get(f"/search?{query}").status_code == 400


def test_each_search_is_entered_once_with_what_was_asked(looking: Looking) -> None:
    before = len(readings(looking.ledger))
    looking.auditor.get("/search")
    assert len(readings(looking.ledger)) == before, "the empty form asks nothing"
    looking.auditor.get(f"/search?to={DGA}&subject={quote('ประชุม')}")
    entered = readings(looking.ledger)[before:]
    assert [(one["what"], one["query"], one["count"]) for one in entered] == [
        ("find", {"to": DGA, "subject": ["ประชุม"]}, 1)
    ]
    assert entered[0]["role"] == "auditor"
    assert entered[0]["method"] == "local"


def test_a_page_of_the_past_stays_as_it_is_when_new_letters_come(looking: Looking) -> None:
    newest = max(looking.hostile.values())
    address = f"from={OPM}&before={newest}"
    found = looking.found(address)
    send(looking.lived, "มาทีหลัง", "นร 0105/999")
    assert looking.found(address) == found
    assert newest not in found
    assert found == sorted(found, reverse=True)


def test_pages_join_without_a_gap(looking: Looking, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = looking.found("newest=1")
    monkeypatch.setattr("bus.views.search.PAGE", 3)
    for query in ("newest=1", "state=unacknowledged"):
        found: list[int] = []
        before = ""
        while True:
            value = looking.auditor.json(f"/search?{query}{before}")
            found += [one["letter"] for one in value["letters"]]
            if value["before"] is None:
                break
            before = f"&before={value['before']}"
        assert found == whole, query


def test_hostile_subjects_are_text_and_nothing_else(looking: Looking) -> None:
    page = looking.auditor.get("/search?newest=1").text
    assert "<script>alert" not in page
    assert "<img" not in page
    assert "\u202e" not in page
    assert "\u2066" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "{{ 7 * 7 }}" in page
    assert "\\u202e" in page
    for each in ("<script>", '"><img src=x>', "'; DROP TABLE entries; --", "%", "\\", "ก" * 999):
        response = looking.auditor.get(f"/search?subject={quote(each)}&any=&number={quote(each)}")
        assert response.status_code == 200
        assert "<img" not in response.text
        assert "<script>" not in response.text


def test_a_spreadsheet_gets_no_formula_and_what_was_asked(looking: Looking) -> None:
    body = looking.auditor.get(f"/search.csv?from={OPM}").content
    assert body.startswith(b"\xef\xbb\xbf")
    rows = list(csv.reader(io.StringIO(body.decode("utf-8-sig"))))
    cells = [cell for row in rows for cell in row]
    assert not [cell for cell in cells if cell.startswith(("=", "@"))]
    said = {row[0]: row[1] for row in rows if row and row[0].startswith("#")}
    assert f'"from": "{OPM}"' in said["# คำถาม (query)"]
    assert '"entries"' in said["# สถานะบัญชี (ledger head)"]


def test_what_was_not_accepted_is_a_list_of_its_own(looking: Looking) -> None:
    value = looking.auditor.json("/search?code=xml.not-well-formed")
    assert value["letters"] == []
    assert [one["code"] for one in value["unaccepted"]] == ["xml.not-well-formed"]
    page = looking.auditor.get("/search?code=xml.not-well-formed").text
    assert f'/entries/{value["unaccepted"][0]["entry"]}"' in page
    assert looking.auditor.json(f"/search?code=xml.not-well-formed&to={OCS}")["unaccepted"] == []


def test_facets_count_and_narrow(looking: Looking) -> None:
    value = looking.auditor.json(f"/search?from={OPM}")
    facets = {one["name"]: one["links"] for one in value["facets"]["facets"]}
    letters = value["facets"]["count"]
    assert letters == len(value["letters"])
    assert [(one["query"], one["count"]) for one in facets["from"]] == [({"from": OPM}, letters)]
    recipients = {one["query"]["to"]: one["count"] for one in facets["to"]}
    assert recipients[OCS] == letters
    assert recipients[DGA] == 1
    states = {one["query"]["state"]: one["count"] for one in facets["state"]}
    assert states["unacknowledged"] == letters
    assert states["registered"] == 1
    page = looking.auditor.get(f"/search?from={OPM}").text
    assert f"/search?from={OPM}&amp;to={DGA}" in page
    narrowed = looking.found(f"from={OPM}&to={DGA}")
    assert narrowed == [looking.lived.letter]


def test_dates_are_narrowed_by_year_then_month_then_day(looking: Looking) -> None:
    assert [one["query"] for one in _dates({"2026-11-27": 2, "2025-01-01": 1})["links"]] == [
        {"since": "2026-01-01", "until": "2026-12-31"},
        {"since": "2025-01-01", "until": "2025-12-31"},
    ]
    months = _dates({"2026-11-27": 2, "2026-02-01": 1})["links"]
    assert [one["query"]["until"] for one in months] == ["2026-11-30", "2026-02-28"]
    assert months[0]["words"] == ("พฤศจิกายน 2569", "2026-11")
    assert _dates({"2026-11-27": 2})["links"][0]["words"] == ("27 พฤศจิกายน 2569", "2026-11-27")


def test_both_languages_say_the_same(looking: Looking) -> None:
    thai = looking.auditor.get("/search?newest=1&lang=th").text
    english = looking.auditor.get("/search?newest=1&lang=en").text
    assert "ผู้ที่ยังไม่ตอบรับ" in thai
    assert "Not acknowledged" in english
    assert 'lang="th"' in thai[:100]
    assert 'lang="en"' in english[:100]


def test_a_file_is_hashed_in_the_browser_and_without_scripts_by_hand(looking: Looking) -> None:
    page = looking.auditor.get("/search").text
    assert 'data-hash-into="file"' in page
    assert "data-scripted hidden" in page
    assert "sha256sum" in page
    assert set(FIELDS) <= set(re.findall(r'name="(\w+)"', page))


def test_facets_of_nothing_are_empty(looking: Looking) -> None:
    with looking.ledger.read() as reader:
        value = facets_of(reader, Question(asked={"letters": set()}), names_of(reader))
    assert value["count"] == 0
    assert [one["links"] for one in value["facets"]] == [[]] * 6
