"""What the owner of the database does to the ledger, found and named by `verify` (P8)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import select

from bus.calendar import Holiday
from bus.ledger import schema
from bus.ledger.checkpoint import Tampered
from bus.ledger.database import reading
from bus.ledger.entry import Kind, canonical, columns
from bus.ledger.extending import extended_by
from bus.ledger.findings import Report
from bus.ledger.rows import Head
from bus.ledger.store import Ledger
from bus.ledger.tables import entries
from bus.ledger.verifying import verify
from bus.router.activation import activate_calendar
from bus.verifier.merkle import Unproven, require_consistency
from bus.verifier.notes import VerifierKey, read_checkpoint, read_note
from tests.assets import factory
from tests.assets.digests import raw_digest
from tests.assets.factory import DGA, NOW, OCS, OPM, SOC
from tests.assets.operators import by
from tests.contract import ledger_rig as rig
from tests.contract.lived import Lived, live
from tests.contract.test_tree import unguarded


@pytest.fixture
def lived(ledger: Ledger, tmp_path: Path) -> Lived:
    return live(ledger, tmp_path)


def key_of(lived: Lived) -> VerifierKey:
    return lived.signer._key.verifier


def verified(lived: Lived, since: Head | None = None, **more: Any) -> Report:
    with reading(lived.ledger.engine) as connection:
        return verify(connection, key_of(lived), since=since, **more)


def codes(report: Report) -> set[str]:
    return {finding.code for finding in report.findings}


def test_what_nobody_has_touched_passes(lived: Lived) -> None:
    report = verified(lived)
    assert report.findings == []
    assert report.passed
    assert report.counts["checkpoints"] == 3
    assert report.counts["letters"] == 1
    assert report.counts["entries"] == report.size >= 8
    head = lived.signer.newest()
    assert head is not None
    assert (report.size, report.root) == (head.size, head.root.hex())


def test_since_a_head_only_what_came_after_it_is_read(lived: Lived) -> None:
    with lived.ledger.read() as reader:
        first = reader.heads.above(0)[0]
    report = verified(lived, first)
    assert report.passed
    assert report.counts["entries"] == report.size - first.size
    assert report.counts["checkpoints"] == 2


@dataclass(frozen=True)
class Crime:
    """Statements of a database's owner, what is found, and where."""

    statements: tuple[str, ...]
    code: str
    where: str


FROZEN = factory.recipient_set((OCS, SOC, DGA))
HELD = FROZEN.octets.replace(b'{"role"', b'{"onHold":true,"role"', 1)
THE_SET = f"sha256 = x'{FROZEN.digest}'"
CRIMES = {
    "a field of an entry changed": Crime(
        ("UPDATE entries SET body = REPLACE(body, 'registration', 'receipt') WHERE kind = 'accepted'",),
        "entry.hash",
        "entry 3",
    ),
    "a column beside an entry changed": Crime(
        (f"UPDATE entries SET agency = '{OCS}' WHERE kind = 'accepted'",), "entry.index", "entry 3"
    ),
    "an entry deleted": Crime(("DELETE FROM entries WHERE seq = 5",), "entry.missing", "entry 5"),
    "two entries swapped": Crime(
        (
            "UPDATE entries SET seq = 1000 WHERE seq = 6",
            "UPDATE entries SET seq = 6 WHERE seq = 7",
            "UPDATE entries SET seq = 7 WHERE seq = 1000",
        ),
        "entry.index",
        "entry 6",
    ),
    "the end cut off": Crime(("DELETE FROM entries WHERE seq > 6",), "entry.cut-off", "checkpoint"),
    "a document's bytes replaced": Crime(
        ("UPDATE documents SET bytes = x'00' WHERE sha256 = (SELECT document FROM entries WHERE seq = 3)",),
        "document.bytes",
        "document",
    ),
    "a document removed": Crime(
        ("DELETE FROM documents WHERE sha256 = (SELECT document FROM entries WHERE seq = 3)",),
        "document.missing",
        "entry 3",
    ),
    "the recipient set's bytes replaced": Crime(
        (f"UPDATE documents SET bytes = x'00' WHERE {THE_SET}",), "letter.recipients", "letter 3"
    ),
    "the recipient set's bytes altered": Crime(
        (f"UPDATE documents SET bytes = x'00' WHERE {THE_SET}",), "document.bytes", "document"
    ),
    "a hold put into the recipient set": Crime(
        (f"UPDATE documents SET bytes = x'{HELD.hex()}' WHERE {THE_SET}",), "letter.recipients", "letter 3"
    ),
    "the recipient set removed": Crime(
        (f"DELETE FROM documents WHERE {THE_SET}",), "document.missing", "entry 3"
    ),
    "a recipient removed": Crime(
        (f"DELETE FROM recipients WHERE agency = '{OCS}'",), "letter.recipients", "letter 3"
    ),
    "a consignment removed": Crime(
        (f"DELETE FROM consignments WHERE agency = '{OCS}' AND number = 2",),
        "consignment.gap",
        f"consignments of {OCS}",
    ),
    "a deadline changed": Crime(
        ("UPDATE letters SET receipt_due = '2999-01-01T00:00:00.000000+07:00'",), "letter.index", "letter 3"
    ),
    "a letter taken off the list": Crime(("DELETE FROM letters",), "letter.index", "letter 3"),
    "the answers forgotten": Crime(("DELETE FROM submissions",), "answer.missing", "entry 3"),
    "the role of a recipient changed": Crime(
        (f"UPDATE recipients SET role = 'copy' WHERE agency = '{OCS}'",), "letter.recipients", "letter 3"
    ),
    "another document consigned": Crime(
        (
            "UPDATE consignments SET document = (SELECT document FROM entries WHERE seq = 6)"
            f" WHERE agency = '{OCS}' AND number = 2",
        ),
        "letter.consignments",
        "letter 3",
    ),
    "the newest consignment removed": Crime(
        (f"DELETE FROM consignments WHERE agency = '{OPM}' AND number = 6",), "consignment.missing", "entry"
    ),
    "a record of the directory changed": Crime(
        ("UPDATE directory_records SET line = x'20' WHERE key = 'bus'",),
        "directory.content",
        "directory version 1",
    ),
    "an agency put into the directory": Crime(
        (
            "INSERT INTO directory_records (key, version, line)"
            " SELECT 'agency/9999900000', version, line FROM directory_records WHERE key = 'bus'",
        ),
        "directory.content",
        "directory version 1",
    ),
    "an agency taken out of the directory": Crime(
        (f"DELETE FROM directory_records WHERE key = 'agency/{OCS}'",),
        "directory.content",
        "directory version 1",
    ),
    "a version that no entry puts in force": Crime(
        ("INSERT INTO directory_records (key, version, line) VALUES ('bus', 7, NULL)",),
        "directory.entry",
        "directory version 7",
    ),
    "the whole directory taken away": Crime(
        ("DELETE FROM directory_records",), "directory.content", "directory version 1"
    ),
    "a tile put in": Crime(
        (
            "INSERT INTO tiles (level, place, hashes, root) SELECT 0, 0, leaf, leaf FROM entries WHERE seq = 1",
        ),
        "tree.tile",
        "tile 0/0",
    ),
    "a checkpoint replaced": Crime(
        ("UPDATE checkpoints SET root = (SELECT leaf FROM entries WHERE seq = 1) WHERE size = 3",),
        "checkpoint.signature",
        "checkpoint 3",
    ),
    "a checkpoint's signature replaced": Crime(
        ("UPDATE checkpoints SET note = REPLACE(note, 'saraban.example/test', 'saraban.example/test2')",),
        "checkpoint.signature",
        "checkpoint 3",
    ),
}


@pytest.mark.parametrize("name", CRIMES)
def test_each_crime_is_found_and_named(lived: Lived, name: str) -> None:
    crime = CRIMES[name]
    unguarded(lived.ledger, *(in_its_dialect(lived, each) for each in crime.statements))
    report = verified(lived)
    assert not report.passed
    where = [finding.where for finding in report.findings if finding.code == crime.code]
    assert any(each.startswith(crime.where) for each in where), report.findings


def in_its_dialect(lived: Lived, statement: str) -> str:
    postgresql = lived.ledger.engine.dialect.name == "postgresql"
    return re.sub(r"x'((?:[0-9a-f]{2})+)'", r"'\\x\1'", statement) if postgresql else statement


def rewrite(lived: Lived, seq: int, change: Callable[[dict[str, object]], None]) -> None:
    """Change an entry and recompute everything in its row, as somebody would who knows how rows are made."""
    with reading(lived.ledger.engine) as connection:
        body = json.loads(str(connection.scalar(select(entries.c.body).where(entries.c.seq == seq))))
    change(body)
    row = columns(canonical(body))
    quoted = row["body"].replace("'", "''")
    leaf = in_its_dialect(lived, f"x'{row['leaf'].hex()}'")
    unguarded(lived.ledger, f"UPDATE entries SET body = '{quoted}', leaf = {leaf} WHERE seq = {seq}")


def test_an_entry_rewritten_with_its_hash_is_found_by_the_heads(lived: Lived) -> None:
    rewrite(lived, 3, lambda body: body.update(acknowledgement="receipt"))
    report = verified(lived)
    assert "tree.root" in codes(report)
    assert "entry.hash" not in codes(report)
    assert {one.where for one in report.findings if one.code == "tree.root"} >= {"checkpoint 3"}


OTHER_SETS = {
    "another set": factory.recipient_set((OCS, SOC, OPM)).octets,
    "one code removed": factory.recipient_set((OCS, SOC)).octets,
    "one code put in": factory.recipient_set((OCS, SOC, DGA, OPM)).octets,
    "a role changed": FROZEN.octets.replace(b'"to"', b'"copy"', 1),
    "not in canonical form": FROZEN.octets.replace(b":", b": "),
    "nothing at all": b"{}",
}


@pytest.mark.parametrize("name", OTHER_SETS)
def test_an_entry_that_names_another_recipient_set_is_found_by_the_lists_beside_it(
    lived: Lived, name: str
) -> None:
    """The set is put in under its own digest, and the entry's row made anew: no hash of theirs is wrong."""
    assert factory.recipient_set(reversed(FROZEN.codes)) == FROZEN
    octets = OTHER_SETS[name]
    digest = raw_digest(octets)
    insert = f"INSERT INTO documents (sha256, bytes) VALUES (x'{digest}', x'{octets.hex()}')"
    unguarded(lived.ledger, in_its_dialect(lived, insert))
    rewrite(lived, 3, lambda body: body.update(recipients=digest))
    found = codes(verified(lived))
    assert found >= {"letter.recipients", "tree.root"}
    assert not found & {"entry.hash", "document.bytes", "document.missing"}


def test_an_acceptance_with_a_consignment_number_too_few_is_found(lived: Lived) -> None:
    rewrite(lived, 3, lambda body: body.update(consignments=[1, 2]))
    (finding,) = [one for one in verified(lived).findings if one.code == "letter.recipients"]
    assert (finding.where, "3 members" in finding.detail) == ("letter 3", True)


def test_a_delivery_that_took_a_forbidden_step_is_named(lived: Lived) -> None:
    """As if a router of its operator's making had written it: heads and hashes are all right."""
    with lived.ledger.append() as writer:
        state = writer.state_of(lived.letter)
        answer = state.recipients[OCS].answer
        assert answer is not None
        writer.entry(
            Kind.NOTICE,
            agency=OCS,
            letter=lived.letter,
            noticeId="00000000-0000-0000-0000-000000000000",
            event="refused",
            digest="00" * 32,
            about=[OCS],
            document=b"no notice",
        )
    lived.signer.sign()
    report = verified(lived)
    (finding,) = report.findings
    assert (finding.code, "notice.already-answered" in finding.detail) == ("letter.step", True)


def extended(lived: Lived, **lies: Any) -> dict[str, Any]:
    """Enter an extension for SOC and DGA, who owe their registrations, as a new calendar gives it but for the lies."""
    calendar = rig.calendar()
    days = (NOW.date() + timedelta(days=n) for n in range(30))
    holidays = {day: Holiday(day=day, name_th="วันหยุดพิเศษ", name_en="special") for day in days}
    calendar = replace(calendar, version=2, holidays={**calendar.holidays, **holidays})
    activate_calendar(lived.ledger, calendar, operator=by("somying"))
    with lived.ledger.append() as writer:
        groups = extended_by(calendar, writer.state_of(lived.letter))
        said: dict[str, Any] = {"deadline": "registration", "calendar": 2, "extended": groups} | lies
        writer.entry(Kind.DEADLINE_EXTENDED, letter=lived.letter, operator="somying", **said)
    lived.signer.sign()
    return groups[0]


def test_an_extension_that_follows_from_its_calendar_passes(lived: Lived) -> None:
    assert extended(lived)["recipients"] == [SOC, DGA]
    report = verified(lived, signatures=True)
    assert report.passed, report.findings


EARLIER, LATER = "2026-01-01T12:00:00.000000+07:00", "2999-01-01T12:00:00.000000+07:00"


def _group(lived: Lived, until: str, *codes: str) -> list[dict[str, Any]]:
    with lived.ledger.read() as reader:
        was = reader.state_of(lived.letter).recipients[SOC].registration_due
    return [{"was": was, "due": until, "recipients": list(codes)}]


FAVOURS: dict[str, tuple[Callable[[Lived], dict[str, Any]], str, str]] = {
    "a time made earlier": (lambda it: {"extended": _group(it, EARLIER, SOC, DGA)}, "letter.step", "earlier"),
    "a time for who has registered": (
        lambda it: {"extended": _group(it, LATER, OCS)},
        "letter.step",
        "no registration was to come",
    ),
    "a time for a stranger": (lambda it: {"extended": _group(it, LATER, OPM)}, "letter.step", "no parties"),
    "another time than the calendar gives": (
        lambda it: {"extended": _group(it, LATER, SOC, DGA)},
        "letter.extension",
        "version 2",
    ),
    "a calendar that was not in force": (lambda it: {"calendar": 1}, "letter.extension", "version 2"),
    "a favour to one of two": (
        lambda it: {"extended": _group(it, LATER, SOC)},
        "letter.extension",
        "version 2",
    ),
}


@pytest.mark.parametrize("name", FAVOURS)
def test_an_extension_that_does_not_follow_from_the_calendar_is_named(lived: Lived, name: str) -> None:
    lies, code, words = FAVOURS[name]
    extended(lived, **lies(lived))
    found = {one.code: one.detail for one in verified(lived).findings}
    assert words in found[code]
    assert set(found) <= {"letter.step", "letter.extension"}


@pytest.mark.parametrize("due", ["was", "due"])
def test_who_is_called_silent_before_the_extended_time_is_named(lived: Lived, due: str) -> None:
    group = extended(lived)
    with lived.ledger.append() as writer:
        writer.entry(
            Kind.OVERDUE,
            letter=lived.letter,
            deadline="registration",
            due=group[due],
            silent=[DGA],
            document=b"<Notice/>",
        )
    lived.signer.sign()
    (finding,) = verified(lived).findings
    assert finding.code == "letter.step"
    # By the old time it may not be said any more, and by the new one not yet.
    assert ("whose registration was due at" if due == "was" else "had to pass") in finding.detail


def test_a_word_that_nobody_signed_is_found_by_its_missing_document_or_its_missing_signature(
    lived: Lived,
) -> None:
    """Put in by whoever can write to the database: the signer cannot tell, and signs a head over it."""
    for event, document in (("handover-failed", None), ("opened", b"<Notice>nobody signed this</Notice>")):
        with lived.ledger.append() as writer:
            writer.entry(
                Kind.NOTICE,
                agency=DGA,
                letter=lived.letter,
                noticeId=str(uuid4()),
                event=event,
                digest="00" * 32,
                about=[DGA],
                directory=1,
                document=document,
            )
    lived.signer.sign()
    assert codes(verified(lived)) == {"entry.unfounded"}
    thorough = verified(lived, signatures=True)
    assert {one.code for one in thorough.findings} == {"entry.unfounded", "row.unreadable", "signature"}


def test_signatures_of_a_whole_ledger_are_good(lived: Lived) -> None:
    report = verified(lived, signatures=True)
    assert report.passed, report.findings
    assert report.counts["signatures"] == 4


def test_heads_that_were_taken_out_are_missed_by_who_has_signed_them(lived: Lived) -> None:
    unguarded(
        lived.ledger, "DELETE FROM anchors", "DELETE FROM checkpoints", "DELETE FROM entries WHERE seq > 6"
    )
    assert "checkpoint.none" in codes(verified(lived))
    own = lived.signer.remembered()
    assert own is not None
    assert "entry.cut-off" in codes(verified(lived, known=[own]))


@pytest.mark.parametrize("body", ["x", "[]", '{"seq":3}', '{"v":1.5}', '{"recipients":[]}'])
def test_a_row_that_cannot_be_read_is_a_finding_and_the_rest_is_verified(lived: Lived, body: str) -> None:
    unguarded(lived.ledger, f"UPDATE entries SET body = '{body}' WHERE seq = 3")
    report = verified(lived, signatures=True)
    assert "row.unreadable" in codes(report)
    assert report.counts["documents"] > 5


def test_an_entry_put_between_others_breaks_the_chain_of_its_letter(lived: Lived) -> None:
    rewrite(lived, 7, lambda body: body.update(prior=3))
    assert "letter.chain" in codes(verified(lived))


def test_a_ledger_rewritten_whole_and_signed_anew_with_the_true_key_is_found_by_who_holds_an_older_head(
    lived: Lived, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """`verify` itself cannot know: that is what witnesses are for."""
    held = lived.signer.newest()
    assert held is not None
    other = Ledger(f"sqlite:///{tmp_path_factory.mktemp('forged') / 'ledger.db'}")
    schema.upgrade(other.engine.url.render_as_string())
    (tmp_path / "log.head").unlink()
    forged = live(other, tmp_path)
    with other.append() as writer:
        rig.some_entries(writer, 1)
    newer = forged.signer.sign()
    assert newer is not None
    assert verified(forged).passed
    assert newer.size > held.size
    with other.read() as reader:
        proof = reader.tree().consistency_proof(held.size, newer.size)
    ours, theirs = (read_checkpoint(read_note(each.note)) for each in (held, newer))
    with pytest.raises(Unproven):
        require_consistency(ours.size, ours.root, theirs.size, theirs.root, proof)
    other.close()


def test_a_key_that_did_not_sign_the_heads_passes_nothing(lived: Lived) -> None:
    stranger = VerifierKey(key_of(lived).name, 1, bytes(32))
    with reading(lived.ledger.engine) as connection:
        assert codes(verify(connection, stranger)) == {"checkpoint.signature"}


def test_a_head_to_begin_with_that_is_of_another_ledger_is_said_to_be(lived: Lived) -> None:
    head = lived.signer.newest()
    assert head is not None
    with pytest.raises(Tampered):
        verified(lived, Head(head.size, "", bytes(32), head.note))
