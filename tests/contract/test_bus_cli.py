"""`saraban-bus` as people and scripts use it: what it prints, as what it exits, and what it leaves in the ledger."""

from __future__ import annotations

import csv
import json
import shutil
import sys
from base64 import b64decode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from bus import assets
from bus.cli.main import main
from bus.codes import load_codes
from bus.depot.presence import Presence
from bus.documents.letter import Receiver
from bus.documents.making import write_seal
from bus.documents.notes import log_key
from bus.documents.notice import Event
from bus.documents.signing import sign
from bus.identifiers import AgencyCode, LetterId, as_letter_id
from bus.ledger.checkpoint import Signer
from bus.ledger.entry import Kind, timestamp
from bus.ledger.store import Ledger
from bus.operators import Role
from bus.people import People, Person, keys
from bus.router import parking
from bus.router.answers import Answers
from bus.thai import now, thai_date
from bus.verifier.checking import judge
from bus.verifier.merkle import require_inclusion
from bus.verifier.notes import VerifierKey, read_checkpoint, read_note, require_signed
from tests.assets import factory
from tests.assets.digests import NO_BYTES
from tests.assets.factory import DAY, NOW, OCS, OPM, SOC
from tests.assets.thai import thai_digits
from tests.contract import ledger_rig as rig
from tests.contract.test_tree import unguarded

AGENCY = """
[[agency]]
code = "{code}"
name_th = "{name}"
name_en = "Agency {code}"
certificates = [{{ file = "{code}.crt.pem" }}]
"""


PERSONS = {"somying": Role.STEWARD, "somchai": Role.STEWARD, "malee": Role.AUDITOR, "mana": Role.OPERATOR}
KEYS = {name: keys.new_key() for name in PERSONS}


@dataclass
class Shell:
    """The command line in a folder with settings, keys, a directory and a calendar."""

    folder: Path
    monkeypatch: pytest.MonkeyPatch
    read: Callable[[], Any]
    err: str = field(default="", init=False)

    def write_directory(self, version: int, *codes: str, name: str = "หน่วยงาน (ตัวอย่าง)") -> None:
        agencies = "".join(AGENCY.format(code=code, name=name) for code in codes)
        head = f'version = {version}\n[bus]\ncertificates = [{{ file = "bus.crt.pem" }}]\n'
        (self.folder / "agencies.toml").write_text(head + agencies, encoding="utf-8")

    def raw(self, *words: str, code: int = 0) -> bytes:
        """Run a command; return what it printed. The test fails unless it exits with `code`."""
        self.monkeypatch.setattr(sys, "argv", ["saraban-bus", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        said = self.read()
        self.err = said.err.decode()
        assert (ended.value.code or 0) == code, (said.out.decode(), self.err)
        return bytes(said.out)

    def __call__(self, *words: str, code: int = 0) -> str:
        return self.raw(*words, code=code).decode()

    def json(self, *words: str, code: int = 0) -> Any:
        return json.loads(self(*words, "--json", code=code))

    def by(self, name: str) -> Shell:
        """Have this person give the commands from now on."""
        self.monkeypatch.setenv("SARABAN_BUS__OPERATOR__KEY", KEYS[name])
        return self

    def ledger(self) -> Ledger:
        return Ledger(f"sqlite:///{self.folder / 'ledger.db'}")


def write_people(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lay a file of people beside the settings: the steward somying, who acts, and another one, somchai."""
    people = People(folder / "people.toml")
    for name, role in PERSONS.items():
        people = people.add(Person(name, role, NOW, key=keys.digest_of(KEYS[name])))
    people.write()
    monkeypatch.setenv("SARABAN_BUS__OPERATOR__KEY", KEYS["somying"])


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: Any) -> Shell:
    """Settings, but no ledger yet."""
    for name in ("bus", OPM, OCS, SOC):
        write_seal(factory.seal(name), tmp_path / "keys", name)
    (tmp_path / "bus.toml").write_text(
        f'[ledger]\nurl = "sqlite:///{tmp_path / "ledger.db"}"\n[directory]\ncertificates = "keys"\n'
    )
    shutil.copy(assets.path("config/calendar.toml"), tmp_path / "calendar.toml")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "300")
    write_people(tmp_path, monkeypatch)
    shell = Shell(tmp_path, monkeypatch, capfdbinary.readouterr)
    shell.write_directory(1, OPM, OCS, SOC)
    return shell


@pytest.fixture
def shell(bare: Shell) -> Shell:
    """A ledger with a directory and a calendar in force."""
    bare("ledger", "init")
    bare("directory", "apply")
    bare("calendar", "apply")
    return bare


@pytest.fixture
def told(shell: Shell) -> dict[str, LetterId]:
    """Three letters by name: `old` of last month and `new` from OPM, `back` from OCS; `new` is delivered to SOC."""
    ledger = shell.ledger()
    router = rig.Router(ledger)
    ids: dict[str, LetterId] = {}

    def send(name: str, by: AgencyCode, to: tuple[AgencyCode, ...], **changes: Any) -> str:
        content = factory.letter(
            sender=factory.sender(by), receivers=tuple(Receiver(agency=code) for code in to), **changes
        )
        signed = sign(content, factory.seal(by))
        assert router.take(rig.delivery(signed.raw, by)).outcome == "accepted"
        ids[name] = as_letter_id(content.letter_id)
        return signed.digest

    send("old", OPM, (OCS,), number="นร 0105/ว 165", date=(NOW - 30 * DAY).date())
    digest = send("new", OPM, (OCS, SOC), number="นร ๐๑๐๕/ ๑๖๖")
    send("back", OCS, (OPM,), number="นร 0905/7")
    receipt = factory.notice(Event.DELIVERED, author=SOC, letter_id=ids["new"], letter_digest=digest)
    assert router.take(rig.delivery(sign(receipt, factory.seal(SOC)).raw, SOC)).outcome == "notice-accepted"
    ledger.close()
    return ids


def sheet(data: bytes) -> tuple[list[dict[str, str]], dict[str, str]]:
    """Read an export as a spreadsheet does: its rows by their headings, and what stands below them."""
    lines = list(csv.reader(data.decode("utf-8-sig").splitlines()))
    end = lines.index([])
    return [dict(zip(lines[0], line, strict=True)) for line in lines[1:end]], dict(lines[end + 1 :])


def names(told: Mapping[str, str], found: Any) -> list[str]:
    by_id = {letter_id: name for name, letter_id in told.items()}
    return sorted(by_id[letter["letterId"]] for letter in found["letters"])


# ---- putting things in force ---------------------------------------------------------------------------------------


def test_before_init_every_command_says_what_to_do(bare: Shell) -> None:
    for words in (("ledger", "tail"), ("parked", "list"), ("directory", "apply"), ("calendar", "apply")):
        bare(*words, code=2)
        assert "saraban-bus ledger init" in bare.err
        assert "Traceback" not in bare.err


def test_init_may_be_run_again(bare: Shell) -> None:
    for _ in range(2):
        assert "ready" in bare("ledger", "init")


@pytest.mark.parametrize("what", ["directory", "calendar"])
def test_applying_a_version_again_changes_nothing(bare: Shell, what: str) -> None:
    bare("ledger", "init")
    first, again = bare.json(what, "apply"), bare.json(what, "apply")
    assert first == again == {"version": 1, "entry": 1}
    ledger = bare.ledger()
    (entry,) = rig.entries_of_kind(ledger, Kind(what))
    ledger.close()
    assert (entry["version"], entry["operator"]) == (1, "somying")


def test_a_new_directory_version_is_sent_to_every_agency(shell: Shell) -> None:
    shell.write_directory(2, OPM, OCS)
    assert shell.json("directory", "apply") == {"version": 2, "entry": 3}
    ledger = shell.ledger()
    with ledger.read() as reader:
        sent = [reader.consignment(code, 2) for code in (OPM, OCS)]
        assert reader.consignment(SOC, 2) is None
    ledger.close()
    assert [one.headers["version"] for one in sent if one] == [2, 2]


def test_an_older_directory_version_is_refused_and_so_is_other_content_under_the_same(shell: Shell) -> None:
    shell.write_directory(3, OPM, OCS, SOC)
    shell("directory", "apply")
    for version, name in ((2, "หน่วยงาน (ตัวอย่าง)"), (3, "ชื่อใหม่ (ตัวอย่าง)")):
        shell.write_directory(version, OPM, OCS, SOC, name=name)
        shell("directory", "apply", code=2)
        assert "Set version = 4 or higher" in shell.err


def test_an_older_calendar_version_is_refused(shell: Shell) -> None:
    file = shell.folder / "calendar.toml"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("version = 1", "version = 5"), encoding="utf-8")
    assert shell.json("calendar", "apply")["version"] == 5
    file.write_text(text, encoding="utf-8")
    shell("calendar", "apply", code=2)
    assert "Set version = 6 or higher" in shell.err


def test_a_directory_with_mistakes_is_not_applied_and_every_mistake_is_named(shell: Shell) -> None:
    shell.write_directory(2, "1", OPM, OPM)
    for command in ("check", "apply"):
        shell("directory", command, code=2)
        assert len(shell.err.splitlines()) >= 2
    shell.write_directory(2, OPM)
    assert shell.json("directory", "check") == {"version": 2, "agencies": 1}


# ---- reading the ledger --------------------------------------------------------------------------------------------


def test_tail_prints_the_newest_entries_in_order(shell: Shell, told: dict[str, str]) -> None:
    lines = shell("ledger", "tail", "-n", "3").splitlines()
    assert [line.split()[0] for line in lines] == ["4", "5", "6"]
    assert "notice" in lines[-1]
    assert "delivered" in lines[-1]
    everything = shell("ledger", "tail", "-n", "100").splitlines()
    assert [line.split()[0] for line in everything] == ["1", "2", "3", "4", "5", "6"]


def test_tail_prints_json_values_one_after_the_other(shell: Shell, told: dict[str, str]) -> None:
    text, found = shell("ledger", "tail", "-n", "2", "--json"), []
    while text.strip():
        value, end = json.JSONDecoder().raw_decode(text.lstrip())
        found.append(value)
        text = text.lstrip()[end:]
    assert [value["seq"] for value in found] == [5, 6]


@pytest.mark.parametrize("by", ["id", "number", "thai digits", "ledger number"])
def test_a_letter_is_shown_by_whatever_names_it(shell: Shell, told: dict[str, str], by: str) -> None:
    name = {
        "id": told["new"].upper(),
        "number": "นร 0105/166",
        "thai digits": "นร ๐๑๐๕ / ๑๖๖",
        "ledger number": "4",
    }
    (letter,) = shell.json("ledger", "show", name[by])["letters"]
    assert (letter["letterId"], letter["sender"], letter["letter"]) == (told["new"], OPM, 4)
    assert {code: one["outcome"] for code, one in letter["recipients"].items()} == {
        OCS: "accepted",
        SOC: "delivered",
    }
    assert letter["unacknowledged"] == [SOC, OCS]
    assert [entry["kind"] for entry in letter["entries"]] == ["accepted", "notice"]


def test_show_says_in_words_who_has_not_acknowledged(shell: Shell, told: dict[str, str]) -> None:
    text = shell("ledger", "show", told["new"])
    assert f"has not acknowledged: {SOC}, {OCS}" in text
    assert thai_date(now()) in text
    assert "delivered" in text


def test_show_exits_1_when_there_is_no_such_letter(shell: Shell, told: dict[str, str]) -> None:
    assert shell.json("ledger", "show", "นร 0105/9", code=1) == {"letters": []}
    assert "no letter 99" in shell("ledger", "show", "99", code=1)


def test_letters_are_found_by_everything_that_an_auditor_knows(shell: Shell, told: dict[str, str]) -> None:
    today, before = NOW.date(), (NOW - 30 * DAY).date()
    asked: list[tuple[tuple[str, ...], list[str]]] = [
        ((), ["back", "new", "old"]),
        (("--number", "นร 0105/166"), ["new"]),
        (("--number", "นร ๐๑๐๕/๑๖๖"), ["new"]),
        (("--number", "นร ๐๑๐๕/ ว ๑๖๕"), ["old"]),
        (("--from", OPM), ["new", "old"]),
        (("--to", OCS), ["new", "old"]),
        (("--from", OPM, "--to", SOC), ["new"]),
        (("--date", today.isoformat()), ["back", "new"]),
        (("--date", thai_date(today)), ["back", "new"]),
        (("--date", thai_digits(thai_date(before))), ["old"]),
        (("--date", f"{before.day}/{before.month}/{before.year + 543}"), ["old"]),
        (("--date", f"{thai_date(before)} .. {today.isoformat()}"), ["back", "new", "old"]),
        (("--date", f"{thai_date(today)}.."), ["back", "new"]),
        (("--date", f"..{before.isoformat()}"), ["old"]),
        (("--state", "delivered"), ["new"]),
        (("--state", "delivered", "--to", SOC), ["new"]),
        (("--state", "delivered", "--to", OCS), []),
        (("--state", "unacknowledged", "--to", OPM), ["back"]),
        (("--state", "registered"), []),
    ]
    for words, answer in asked:
        assert names(told, shell.json("ledger", "find", *words)) == answer, words
    assert "1 letters" in shell("ledger", "find", "--number", "นร ๐๑๐๕/๑๖๖")


def test_a_date_that_is_none_is_said_to_be_none(shell: Shell) -> None:
    shell("ledger", "find", "--date", "31/2/2569", code=2)
    assert "--date" in shell.err or "date" in shell.err
    assert "Traceback" not in shell.err


def test_rebuild_leaves_the_work_lists_as_they_were(shell: Shell, told: dict[str, str]) -> None:
    ledger = shell.ledger()
    before = rig.counts(ledger)
    ledger.release_leases(None)
    assert "rebuilt" in shell("ledger", "rebuild")
    assert rig.counts(ledger) == before
    ledger.close()


# ---- parked submissions --------------------------------------------------------------------------------------------


@pytest.fixture
def parked(shell: Shell) -> tuple[int, bytes]:
    """The entry and the bytes of a submission that met a fault."""
    one = rig.delivery(sign(factory.letter(), factory.seal(OPM)).raw)
    word = Answers(factory.seal("bus"), load_codes()).parked(raw_sha256=one.sha256, now=now())
    ledger = shell.ledger()
    with ledger.append() as writer:
        entry = parking.park(writer, one, word, (OPM,))
    ledger.close()
    return entry, one.raw


def test_what_is_parked_is_listed_and_shown_with_its_bytes(shell: Shell, parked: tuple[int, bytes]) -> None:
    entry, raw = parked
    (listed,) = shell.json("parked", "list")["parked"]
    assert (listed["seq"], listed["agency"]) == (entry, OPM)
    assert json.loads(shell("parked", "show", str(entry))) == listed
    assert shell.raw("parked", "show", str(entry), "--raw") == raw
    assert listed["rawSha256"] in shell("parked", "list")


def test_a_replay_is_recorded_with_name_and_reason(shell: Shell, parked: tuple[int, bytes]) -> None:
    entry, raw = parked
    request = shell.json("parked", "replay", str(entry), "--reason", "แก้ไขแล้ว")["entry"]
    ledger = shell.ledger()
    with ledger.read() as reader:
        body = reader.entries(after=request - 1)[0].body
        (replay,) = parking.replays(reader)
    assert (body["parked"], body["operator"], body["reason"]) == (entry, "somying", "แก้ไขแล้ว")
    assert (replay.raw, replay.agency) == (raw, OPM)
    assert rig.Router(ledger).take(replay).outcome == "accepted"
    ledger.close()
    assert shell.json("parked", "list") == {"parked": []}


def test_nothing_is_replayed_without_a_reason_or_under_a_wrong_number(
    shell: Shell, parked: tuple[int, bytes]
) -> None:
    entry, _ = parked
    shell("parked", "replay", str(entry), code=2)
    for words in (("replay", "1", "--reason", "x"), ("show", "1"), ("show", "999")):
        shell("parked", *words, code=1)
        assert "nothing is parked under" in shell.err
    ledger = shell.ledger()
    assert rig.entries_of_kind(ledger, Kind.REPLAY_REQUESTED) == []
    ledger.close()


def test_many_are_replayed_by_filter_after_a_dry_run(shell: Shell) -> None:
    with shell.ledger() as ledger, ledger.append() as writer:
        first, second, third = (
            writer.entry(Kind.PARKED, agency=agency, rawSha256="ab" * 32, document=b"<Letter/>", error=fault)
            for agency, fault in ((OPM, "KeyError"), (OPM, "ValueError"), (SOC, "KeyError"))
        )
    assert shell.json("parked", "faults") == {"parked": 3, "faults": {"KeyError": 2, "ValueError": 1}}
    assert shell.json("parked", "faults", "--agency", SOC)["faults"] == {"KeyError": 1}
    assert "KeyError" in shell("parked", "faults")
    found = shell.json("parked", "list", "--agency", OPM, "--reason-class", "KeyError")["parked"]
    assert [one["seq"] for one in found] == [first]
    assert shell.json("parked", "list", "--until", "1 มกราคม 2569")["parked"] == []
    assert len(shell.json("parked", "list", "--since", "2026-01-01T08:00")["parked"]) == 3
    why = ("--reason", "แก้ไขแล้ว")
    by_fault = ("parked", "replay", "--reason-class", "KeyError", *why)
    assert shell.json(*by_fault, "--dry-run") == {"wouldAsk": [first, third], "askedBefore": []}
    assert "2 would be asked for" in shell(*by_fault, "--dry-run")
    assert shell.json("parked", "replay", str(second), "--dry-run", *why)["wouldAsk"] == [second]
    asked = shell.json(*by_fault, "--rate", "6000")
    assert [*asked["requested"], asked["passedOver"]] == [str(first), str(third), []]
    assert shell.json(*by_fault, "--dry-run") == {"wouldAsk": [], "askedBefore": [first, third]}
    assert "replay of 1 requested; 2 needed none" in shell("parked", "replay", "--all", *why)
    for words in (
        (),
        (str(first), "--all"),
        ("--all", "--agency", OPM),
        ("--since", "no day"),
        ("--agency", "no such"),
    ):
        shell("parked", "replay", *words, *why, code=2)
    with shell.ledger() as ledger:
        requests = rig.entries_of_kind(ledger, Kind.REPLAY_REQUESTED)
    assert [(one["parked"], one["operator"]) for one in requests] == [
        (first, "somying"), (third, "somying"), (second, "somying")
    ]  # fmt: skip


# ---- what the ledger can be held to --------------------------------------------------------------------------------


@pytest.fixture
def signed_heads(shell: Shell, told: dict[str, str]) -> VerifierKey:
    """As `told`, with a signed head over all of it."""
    text = shell("ledger", "key").strip()
    ledger = shell.ledger()
    key = log_key(shell.folder / "keys" / "log.key.pem", "saraban.example/ledger")
    Signer(ledger, key, shell.folder / "log.head", anchor_every=timedelta(0)).sign()
    ledger.close()
    return VerifierKey.parse(text)


def test_a_whole_ledger_passes_and_a_proof_of_it_can_be_checked_with_nothing_but_the_key(
    shell: Shell, told: dict[str, str], signed_heads: VerifierKey
) -> None:
    report = shell.json("ledger", "verify")
    assert (report["verdict"], report["found"], report["halting"]) == ("pass", 0, False)
    assert "pass: the ledger is what was signed" in shell("ledger", "verify", "--log-key", str(signed_heads))
    proof = shell.json("ledger", "prove", told["new"])
    note = read_note(proof["checkpoint"])
    require_signed(note, signed_heads)
    head = read_checkpoint(note)
    assert len(proof["entries"]) == 2
    for one in proof["entries"]:
        leaf, hashes = b64decode(one["leaf"]), [b64decode(each) for each in one["proof"]]
        require_inclusion(leaf, one["index"], head.size, head.root, hashes)
    assert shell("ledger", "prove", "4").startswith("saraban.example/ledger\n")
    assert "nothing in a signed head" in shell("ledger", "prove", "4711", code=1)


def test_since_takes_a_head_in_a_file_and_says_what_is_none(shell: Shell, signed_heads: VerifierKey) -> None:
    (shell.folder / "head").write_text(shell.json("ledger", "prove", "1")["checkpoint"], encoding="utf-8")
    assert shell.json("ledger", "verify", "--since", "head")["counts"]["entries"] == 0
    assert shell.json("ledger", "verify", "--signatures")["counts"]["signatures"] == 4
    shell("ledger", "verify", "--since", "bus.toml", code=2)
    assert "is no checkpoint" in shell.err


def test_a_rewritten_ledger_fails_is_halted_and_says_so_until_an_operator_lifts_it(
    shell: Shell, signed_heads: VerifierKey
) -> None:
    ledger = shell.ledger()
    unguarded(ledger, "UPDATE entries SET body = REPLACE(body, 'somying', 'nobody') WHERE seq = 1")
    report = shell.json("ledger", "verify", code=1)
    assert (report["verdict"], report["halting"]) == ("fail", True)
    assert report["findings"][0] | {"detail": ""} == {"code": "entry.hash", "where": "entry 1", "detail": ""}
    assert "FAIL" in shell("ledger", "verify", code=1)
    shell("calendar", "apply", code=75)
    assert "halted: entry.hash at entry 1" in shell.err
    assert "until" in shell("ledger", "resume", "--reason", "a test", code=1)
    shell("ledger", "resume", "--reason", "a test", code=1)
    shell("calendar", "apply", code=75)
    assert "the halt is lifted" in shell.by("somchai")("ledger", "resume", "--reason", "looked at too")
    shell("calendar", "apply")
    shell("ledger", "halt", "--reason", "a test", code=1)
    shell("calendar", "apply")
    shell.by("malee")("ledger", "halt", "--reason", "a test", code=2)
    shell.by("somying")("ledger", "halt", "--reason", "a test")
    shell("calendar", "apply", code=75)
    ledger.close()


# ---- evidence ------------------------------------------------------------------------------------------------------


def test_a_pack_is_written_for_one_letter_and_for_all_that_a_query_finds(
    shell: Shell, told: dict[str, str]
) -> None:
    key = VerifierKey.parse(shell("ledger", "key"))
    assert shell.json("evidence", "นร 0105/166", "-o", "one.asice")["packs"] == ["one.asice"]
    assert judge(Path("one.asice"), key).verdict == "pass"
    written = shell.json("evidence", "--from", OPM, "-o", "several")["packs"]
    assert len(written) == 2
    assert all(judge(Path(path), key).verdict == "pass" for path in written)
    assert len(shell.json("evidence", "--range", "1..", "-o", "all")["packs"]) == 3
    assert len(shell.json("evidence", "--query", "เชื่อมโยง ประชุม", "-o", "words")["packs"]) == 3
    shell("evidence", "--query", "ไม่มีคำนี้", "-o", "none", code=1)
    shell("evidence", code=1)
    shell("evidence", "นร 1/1", code=1)
    shell("evidence", "--range", "x", code=2)


def test_outstanding_names_who_has_not_acknowledged_out_of_the_frozen_sets(
    shell: Shell, told: dict[str, str]
) -> None:
    def silent(*words: str) -> dict[str, list[str]]:
        by_id = {letter_id: name for name, letter_id in told.items()}
        found = shell.json("ledger", "outstanding", *words)["outstanding"]
        return {by_id[one["letterId"]]: one["silent"] for one in found}

    assert silent() == {"old": [OCS], "new": [SOC, OCS], "back": [OPM]}
    assert silent("--agency", OCS) == {"old": [OCS], "new": [OCS]}
    assert silent("--speed", "004") == {}
    assert silent("--older-than", "24") == {}
    assert "นร 0905/7" in shell("ledger", "outstanding")


def test_reports_say_what_is_asked_again_and_again(shell: Shell, told: dict[str, str]) -> None:
    operators = shell.json("ledger", "report", "operators")
    assert [(row["kind"], row["operator"]) for row in operators["rows"]] == [
        ("directory", "somying"),
        ("calendar", "somying"),
    ]
    assert {row["change"] for row in shell.json("ledger", "report", "keys")["rows"]} == {"pinned"}
    assert shell.json("ledger", "report", "refused")["rows"] == []
    assert shell.json("ledger", "report", "overdue")["count"] == 0
    gaps = {row["agency"]: row["waiting"] for row in shell.json("ledger", "report", "gaps")["rows"]}
    assert gaps[OCS] == 4
    assert "nothing" in shell("ledger", "report", "overdue")
    shell("ledger", "report", "weather", code=2)


# ---- what auditors ask ---------------------------------------------------------------------------------------------


def test_letters_are_found_by_words_file_and_certificate(shell: Shell, told: dict[str, str]) -> None:
    subject = factory.letter().content
    assert subject is not None
    words = str(subject.subject)
    assert names(told, shell.json("ledger", "find", "--subject", words[3:12])) == ["back", "new", "old"]
    assert names(told, shell.json("ledger", "find", "--subject", f"{words[3:9]} ไม่มีคำนี้")) == []
    assert names(told, shell.json("ledger", "find", "--subject", "%")) == []
    digest = factory.letter().main_file.digest
    assert names(told, shell.json("ledger", "find", "--file", digest.upper())) == ["back", "new", "old"]
    assert names(told, shell.json("ledger", "find", "--file", "00" * 32)) == []
    certificate = factory.seal(OCS).certificate
    for key in (
        f"{certificate.serial_number:x}",
        str(certificate.serial_number),
        factory.seal(OCS).fingerprint,
    ):
        assert names(told, shell.json("ledger", "find", "--certificate", key)) == ["back"]
    shell("ledger", "find", "--certificate", "4711", code=2)
    assert "no directory has ever had a certificate" in shell.err


def test_an_export_says_what_was_asked_how_much_was_found_and_of_which_ledger(
    shell: Shell, told: dict[str, str], signed_heads: VerifierKey
) -> None:
    found = shell.json("ledger", "find", "--from", OPM, "--date", "1 มกราคม 2560..")
    assert (found["query"], found["count"]) == (
        {"sender": OPM, "since": "2017-01-01", "limit": 1000},
        2,
    )
    assert found["head"]["entries"] == found["head"]["signed"] > 3
    table, below = sheet(shell.raw("ledger", "find", "--from", OPM, "--csv"))
    assert json.loads(below["# คำถาม (query)"]) == {"sender": OPM, "limit": 1000}
    assert below["# จำนวนแถว (rows)"] == "3"
    # The first question has been entered meanwhile, in no signed head yet.
    head = found["head"] | {"entries": found["head"]["entries"] + 1}
    assert json.loads(below["# สถานะบัญชี (ledger head)"]) == head
    rows = [(row["รหัสหนังสือ (LetterID)"], row["ผู้รับ (recipient)"][:10]) for row in table]
    assert rows == [(told["new"], SOC), (told["new"], OCS), (told["old"], OCS)], "a row for each recipient"


def test_what_a_person_reads_is_entered_and_nothing_of_what_was_found(
    shell: Shell, told: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = len(shell.json("ledger", "report", "readings")["rows"])
    shell.by("malee")("ledger", "find", "--number", "นร ๐๑๐๕/๑๖๖")
    shell.by("somchai")("ledger", "show", told["new"])
    shell.by("mana")("ledger", "show", told["new"], code=2)
    monkeypatch.delenv("SARABAN_BUS__OPERATOR__KEY")
    shell("ledger", "show", told["new"])
    rows = shell.json("ledger", "report", "readings")["rows"]
    assert [(row["auditor"], row["role"], row["what"], row["count"]) for row in rows[before:]] == [
        ("malee", "auditor", "find", 1),
        ("somchai", "steward", "show", 1),
    ]
    assert rows[before]["query"] == {"number": "นร 0105/166", "limit": 1000}


def test_a_halted_ledger_is_read_and_it_is_said_that_this_is_not_entered(shell: Shell) -> None:
    shell("ledger", "halt", "--reason", "a test", code=1)
    shell.by("somchai")("ledger", "halt", "--reason", "a test")
    shell("ledger", "find")
    assert "this reading was not entered: the ledger is halted: a test" in shell.err


def test_an_auditor_opens_a_letter_by_a_grant_in_time_and_by_no_other(
    shell: Shell, told: dict[str, str]
) -> None:
    grant = shell.json("audit", "grant", told["new"], "--auditor", "malee", "--reason", "คำสั่งที่ 1")
    number = str(grant["grant"])
    shell.by("malee")("audit", "grant", told["new"], "--auditor", "malee", "--reason", "x", code=2)
    shell.by("somchai")("audit", "open", number, "-o", "no", code=2)
    shell.by("malee")("audit", "open", "1", "-o", "no", code=2)
    opened = shell.json("audit", "open", number, "-o", "read")
    assert {"letter.xml", "acceptance.xml", "index.html"} <= set(opened["files"])
    assert (shell.folder / "read" / "letter.xml").read_bytes().startswith(b"<?xml")
    shell("audit", "open", number, "-o", "read", code=2)
    ledger = shell.ledger()
    with ledger.append() as writer:
        late = writer.entry(
            Kind.GRANTED, letter=grant["letter"], auditor="malee", until=timestamp(now() - DAY), reason="x"
        )
    found = rig.entries_of_kind(ledger, Kind.GRANTED, Kind.READ)
    ledger.close()
    assert [entry["kind"] for entry in found] == ["granted", "read", "read", "granted"]
    assert [(found[at].get("auditor"), found[at]["role"]) for at in (0, 1)] == [
        ("malee", "steward"),
        ("malee", "auditor"),
    ]
    shell("audit", "open", str(late), "-o", "late", code=2)
    assert "ended at" in shell.err
    operators = shell.json("ledger", "report", "operators")["rows"]
    assert ("granted", "somying", "steward") in {
        (row["kind"], row["operator"], row["role"]) for row in operators
    }


# ---- what an operator meets ----------------------------------------------------------------------------------------


def test_nobody_acts_without_an_operators_key_and_nobody_in_a_role_that_does_not_fit(
    bare: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare("ledger", "init")
    for name in ("malee", "mana"):
        bare.by(name)("directory", "apply", code=2)
        assert f"{name} is {PERSONS[name]}, and this takes steward" in bare.err
    monkeypatch.delenv("SARABAN_BUS__OPERATOR__KEY")
    bare("directory", "apply", code=2)
    assert "saraban-bus console user key NAME" in bare.err
    ledger = bare.ledger()
    assert rig.entries_of_kind(ledger, Kind.DIRECTORY) == []
    ledger.close()
    bare.by("somchai")("directory", "apply")
    ledger = bare.ledger()
    (entry,) = rig.entries_of_kind(ledger, Kind.DIRECTORY)
    ledger.close()
    assert (entry["operator"], entry["role"], entry["method"]) == ("somchai", "steward", "key")


def test_a_fresh_ledger_is_verified_and_goes_on(bare: Shell) -> None:
    bare("ledger", "init")
    assert bare.json("ledger", "verify")["verdict"] == "pass"
    for what in ("directory", "calendar"):
        bare(what, "apply")
        assert bare.json("ledger", "verify") | {"halting": False} == bare.json("ledger", "verify")
        assert bare.json("ledger", "verify")["verdict"] == "pass"
    bare("ledger", "verify", "--log-key", bare("ledger", "key").strip())


def test_what_verify_finds_before_the_first_head_is_a_sentence_and_halts_nothing(
    told: dict[str, str], shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    # However long ago the first entries were made.
    monkeypatch.setattr("bus.cli.proving.now", lambda: now() + DAY, raising=False)
    report = shell.json("ledger", "verify", code=1)
    assert [one["code"] for one in report["findings"]] == ["checkpoint.none"]
    assert report["halting"] is False
    said = shell("ledger", "verify", code=1)
    assert "no head is signed yet" in said
    assert "the ledger goes on: a router signs the first head within seconds" in said
    with shell.ledger().append():
        pass


def test_outstanding_tells_a_dead_adapter_from_a_clerk_who_has_not_registered(
    told: dict[str, LetterId], shell: Shell
) -> None:
    ledger = shell.ledger()
    with ledger.read() as reader:
        (row,) = reader.find_letters(letter_id=told["old"])
        consigned = reader.state_of(row.letter).recipients[OCS].consignment
        confirmed = reader.consignment(OCS, consigned)
    assert confirmed is not None
    with ledger.append() as writer:
        writer.confirmed([confirmed])
    ledger.close()
    found = {one["letterId"]: one["missing"] for one in shell.json("ledger", "outstanding")["outstanding"]}
    assert found == {
        told["old"]: {"receipt": [OCS]},
        told["new"]: {"consignment": [OCS], "registration": [SOC]},
        told["back"]: {"consignment": [OPM]},
    }
    said = shell("ledger", "outstanding")
    assert f"the adapter has not acknowledged it: {OCS}" in said
    assert f"the clerk has not registered it: {SOC}" in said


# ---- what was not accepted is found too ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Unaccepted:
    """Submissions that were not accepted, by name, each with what its sender may know of it."""

    raw: dict[str, str]
    ids: dict[str, str]
    digests: dict[str, str]


@pytest.fixture
def unaccepted(told: dict[str, str], shell: Shell) -> Unaccepted:
    """One refused at nearly every gate, one in conflict, and one parked."""
    ledger = shell.ledger()
    router = rig.Router(ledger)
    found = Unaccepted({}, {}, {})

    def take(name: str, raw: bytes, by: str = OPM, outcome: str = "refused") -> None:
        delivery = rig.delivery(raw, by)
        found.raw[name] = delivery.sha256
        assert router.take(delivery).outcome == outcome

    def letter(name: str, by: AgencyCode = OPM, key: str | None = None, **changes: Any) -> bytes:
        changes = {"sender": factory.sender(by), "receivers": (Receiver(agency=SOC),), **changes}
        content = factory.letter(**changes)
        signed = sign(content, factory.seal(key or by))
        found.ids[name], found.digests[name] = str(content.letter_id), signed.digest
        return signed.raw

    take("garbage", b"not XML at all")
    changed = letter("changed", number="นร 0105/ 901")
    take("changed", changed.replace("ขอเชิญประชุม".encode(), "ขอเชิญอบรม".encode()))
    take("unschooled", letter("unschooled", number="นร 0105/902").replace(b"SpeedCode>", b"SpeedyCode>"))
    take("stranger's", letter("stranger's", key=OCS, number="นร 0105/903"))
    take("nobody's", letter("nobody's", number="นร ๐๑๐๕/๙๐๔", receivers=(Receiver(agency=factory.NOBODY),)))
    take("again", letter("again", letter_id=UUID(told["new"]), number="นร 0105/905"))
    router.files = Presence.MISSING
    take("without files", letter("without files", OCS, number="นร 0905/906"), OCS)
    raw = letter("parked", number="นร 0105/907")
    word = Answers(factory.seal("bus"), load_codes()).parked(raw_sha256=NO_BYTES, now=now())
    with ledger.append() as writer:
        parking.park(writer, rig.delivery(raw, OPM), word, [OPM])
    found.raw["parked"] = rig.delivery(raw, OPM).sha256
    ledger.close()
    return found


def hashes(value: Any) -> set[str]:
    return {one["rawSha256"] for one in value["unaccepted"]}


@pytest.mark.parametrize(
    ("number", "name"),
    [
        ("นร 0105/902", "unschooled"),
        ("นร ๐๑๐๕/๙๐๓", "stranger's"),
        ("นร 0105/904", "nobody's"),
        (" นร  0105 / 905", "again"),
        ("นร 0905/906", "without files"),
    ],
)
def test_a_refused_letter_is_found_by_its_number_wherever_that_could_be_read(
    unaccepted: Unaccepted, shell: Shell, number: str, name: str
) -> None:
    for words in (("find", "--number", number), ("show", number)):
        found = shell.json("ledger", *words)
        assert found["letters"] == []
        assert hashes(found) == {unaccepted.raw[name]}


def test_every_submission_is_found_by_its_bytes_and_shown_with_its_refusal(
    unaccepted: Unaccepted, told: dict[str, str], shell: Shell
) -> None:
    for name, sha256 in unaccepted.raw.items():
        assert hashes(shell.json("ledger", "find", "--hash", sha256.upper())) == {sha256}
        (one,) = shell.json("ledger", "show", sha256)["unaccepted"]
        said = shell("ledger", "show", sha256)
        assert one["entry"] == int(said.split()[1])
        if name == "parked":
            assert one["code"] is None
            assert "saraban-bus parked list" in said
        else:
            assert one["code"] in said
            assert one["refusal"]["th"] in said
            assert one["refusal"]["adviceEn"] in said
            assert hashes(shell.json("ledger", "show", str(one["entry"]))) == {sha256}


def test_refused_letters_are_found_by_id_content_agency_and_code(
    unaccepted: Unaccepted, told: dict[str, str], shell: Shell
) -> None:
    for name in ("stranger's", "nobody's", "without files", "unschooled"):
        assert hashes(shell.json("ledger", "find", "--id", unaccepted.ids[name].upper())) == {
            unaccepted.raw[name]
        }
    for name in ("stranger's", "nobody's", "without files", "again"):
        assert hashes(shell.json("ledger", "show", unaccepted.digests[name])) == {unaccepted.raw[name]}
    # The id of an accepted letter under which other content came: both are shown.
    both = shell.json("ledger", "show", told["new"])
    assert [one["letterId"] for one in both["letters"]] == [told["new"]]
    assert hashes(both) == {unaccepted.raw["again"]}
    assert hashes(shell.json("ledger", "find", "--from", OCS)) == {unaccepted.raw["without files"]}
    assert hashes(shell.json("ledger", "find", "--code", "recipient.unknown")) == {unaccepted.raw["nobody's"]}
    assert shell.json("ledger", "find", "--code", "recipient.unknown", "--from", OCS)["unaccepted"] == []
    assert shell.json("ledger", "find", "--code", "recipient.unknown")["letters"] == []
    # What is asked of recipients, subjects or files is no question to what was never accepted.
    assert shell.json("ledger", "find", "--from", OCS, "--to", OPM)["unaccepted"] == []
    assert unaccepted.raw["nobody's"] in shell("ledger", "find", "--code", "recipient.unknown")
    shell("ledger", "find", "--code", "recipient.unknwon", code=2)
    assert "recipient.unknown" in shell.err
    shell("ledger", "find", "--hash", "abc", code=2)


def test_an_export_has_a_row_for_what_was_not_accepted_too(unaccepted: Unaccepted, shell: Shell) -> None:
    for words in (("find", "--number", "นร 0105/904"), ("show", unaccepted.ids["nobody's"])):
        head, line, *_ = csv.reader(shell("ledger", *words, "--csv").splitlines())
        row = {name.rpartition("(")[2].rstrip(")"): value for name, value in zip(head, line, strict=True)}
        assert row["code of the refusal"] == "recipient.unknown"
        assert row["SHA-256 of the submission"] == unaccepted.raw["nobody's"]
        assert row["LetterID"] == unaccepted.ids["nobody's"]
        assert row["number"] == "นร ๐๑๐๕/๙๐๔"
        assert load_codes().refusals["recipient.unknown"].th in row["refusal"]


def test_an_accepted_letter_and_a_notice_are_found_by_their_hashes(
    told: dict[str, LetterId], shell: Shell
) -> None:
    ledger = shell.ledger()
    with ledger.read() as reader:
        (row,) = reader.find_letters(letter_id=told["new"])
        documents = [str(entry.document) for entry in reader.entries_of(row.letter) if entry.document]
    ledger.close()
    assert len(documents) == 2  # the letter's own, and a receipt
    for sha256 in (row.digest, *documents):
        found = shell.json("ledger", "show", sha256)
        assert [one["letterId"] for one in found["letters"]] == [told["new"]]
    assert names(told, shell.json("ledger", "find", "--hash", row.digest)) == ["new"]
    assert "no letter" in shell("ledger", "show", "00" * 32, code=1)


def test_the_index_of_what_was_not_accepted_is_verified(unaccepted: Unaccepted, shell: Shell) -> None:
    ledger = shell.ledger()
    unguarded(ledger, "UPDATE unaccepted SET code = 'xml.dtd' WHERE code = 'recipient.unknown'")
    unguarded(ledger, "DELETE FROM unaccepted WHERE kind = 'parked'")
    ledger.close()
    found = shell.json("ledger", "verify", code=1)["findings"]
    assert [one["code"] for one in found if one["code"] != "checkpoint.none"] == ["entry.index"] * 2
