"""Evidence packs: what an outsider with the log's key makes of them, honest ones and others."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from bus.directory import PinnedCertificate
from bus.documents.container import seal_members
from bus.documents.letter import Receiver
from bus.documents.notes import make_key, witness_key
from bus.documents.notice import Event, Notice, Registration, Terms
from bus.documents.recipients import RecipientSet
from bus.documents.seal import Seal
from bus.documents.signing import sign
from bus.documents.xml import open_envelope, read
from bus.evidence.pack import SIGNATURES, write_pack
from bus.evidence.stamping import stamper
from bus.identifiers import AgencyCode, RawDigest, as_letter_id
from bus.ledger.entry import Kind, timestamp
from bus.ledger.evidence import NotSigned, gather
from bus.ledger.heads import Heads, keep_cosignature
from bus.ledger.store import Ledger
from bus.settings.bus import EvidenceSettings
from bus.thai import now
from bus.verifier.checking import judge
from bus.verifier.cli import main
from bus.verifier.container import MIMETYPE
from bus.verifier.findings import Findings, Result
from bus.verifier.notes import VerifierKey, read_note
from tests.assets import factory
from tests.assets.digests import raw_digest
from tests.assets.factory import DAY, DGA, OCS, OPM, SOC
from tests.assets.instructions import followed, of_a_pack
from tests.assets.xmlsec import forger, xmlsec1
from tests.contract import ledger_rig as rig
from tests.contract.lived import Lived, live
from tests.project import ROOT

Members = dict[str, bytes]


@pytest.fixture
def lived(sqlite_template: Path, tmp_path: Path) -> Lived:
    shutil.copy(sqlite_template, tmp_path / "ledger.db")
    return live(Ledger(f"sqlite:///{tmp_path / 'ledger.db'}"), tmp_path)


@pytest.fixture
def pack(lived: Lived, tmp_path: Path) -> Path:
    return packed(lived, tmp_path / "pack.asice")


def packed(lived: Lived, path: Path) -> Path:
    with lived.ledger.read() as reader:
        evidence = gather(reader, lived.letter)
    write_pack(path, evidence, factory.seal("bus"), at=now())
    return path


def key_of(lived: Lived) -> VerifierKey:
    return lived.signer._key.verifier


def members_of(path: Path) -> Members:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def repacked(path: Path, members: Mapping[str, bytes], *, by: Seal | None = None) -> Path:
    """Write members as a pack again; with `by`, under a new signature over all of them."""
    changed = dict(members)
    if by is not None:
        digests = {
            name: raw_digest(data) for name, data in changed.items() if name not in ("mimetype", SIGNATURES)
        }
        changed[SIGNATURES] = seal_members(digests, by, now())
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("mimetype"), changed.pop("mimetype", MIMETYPE.encode()))
        for name, data in changed.items():
            archive.writestr(name, data)
    return path


def failed(findings: Findings) -> set[str]:
    return {check.name for check in findings.checks if check.result is Result.FAIL}


# ---- honest packs --------------------------------------------------------------------------------------------------


def test_an_honest_pack_passes_and_says_what_each_recipient_did_and_who_is_silent(
    lived: Lived, pack: Path
) -> None:
    findings = judge(pack, key_of(lived))
    assert findings.verdict is Result.PASS, findings.checks
    outcomes = {one["agency"]: one for one in findings.outcomes}
    assert {code: one["outcome"] for code, one in outcomes.items()} == {
        OCS: "registered",
        SOC: "delivered",
        DGA: "consigned",
    }
    assert [code for code, one in outcomes.items() if not one["acknowledged"]] == [SOC, DGA]
    assert outcomes[OCS]["receivingNumber"] == "๑๒๓"
    assert findings.letter["number"] == lived.circular.number


def test_without_the_logs_key_nothing_is_certain_and_with_another_key_nothing_passes(
    lived: Lived, pack: Path
) -> None:
    assert judge(pack, None).verdict is Result.INDETERMINATE
    stranger = VerifierKey(key_of(lived).name, 1, bytes(32))
    assert failed(judge(pack, stranger)) == {"checkpoint.signature"}


def test_the_verifier_runs_as_one_copied_folder_with_no_other_part_of_the_project(
    lived: Lived, pack: Path, tmp_path: Path
) -> None:
    shutil.copytree(ROOT / "bus" / "verifier", tmp_path / "elsewhere" / "check-it")
    command = [sys.executable, "-I", str(tmp_path / "elsewhere" / "check-it"), str(pack), "--json"]
    done = subprocess.run(
        [*command, "--log-key", str(key_of(lived))], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["verdict"] == "pass"
    assert subprocess.run(command, capture_output=True, cwd=tmp_path, check=False).returncode == 2


def test_the_command_line_says_the_verdict_by_its_exit_code(
    lived: Lived, pack: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "key").write_text(f"{key_of(lived)}\n", encoding="utf-8")
    assert main([str(pack), "--log-key", str(tmp_path / "key")]) == 0
    assert "PASS" in capsys.readouterr().out
    assert main([str(pack)]) == 2
    assert main([str(tmp_path / "key")]) == 1
    assert main([str(pack), "--log-key", "nonsense"]) == 64


def test_xmlsec1_verifies_the_documents_and_the_container(pack: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(pack) as archive:
        archive.extractall(tmp_path / "open")
    notices = sorted((tmp_path / "open" / "notices").iterdir(), key=lambda path: int(path.stem))
    authors = (OPM, "bus", "bus", OCS, SOC, OCS)
    named = (tmp_path / "open" / name for name in ("letter.xml", "acceptance.xml", "META-INF/signatures.xml"))
    documents = (*named, *notices)
    for author, document in zip(authors, documents, strict=True):
        done = foreign_verdict(document, author, folder=tmp_path / "open")
        assert (done.returncode, done.stderr.splitlines()[0]) == (0, "OK"), "and not one line that frightens"


def foreign_verdict(document: Path, signer: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """What xmlsec1 says of a document under the certificate that the directory has for an agency."""
    certificate = document.parent / f"{signer}.pem"
    certificate.write_bytes(factory.seal(signer).certificate.public_bytes(Encoding.PEM))
    return xmlsec1(document, certificate, **options)


@pytest.mark.parametrize("what", ["letter", "receipt"])
def test_xmlsec1_refuses_a_forgery_whose_certificate_comes_from_an_authority_that_the_machine_trusts(
    tmp_path: Path, what: str
) -> None:
    authority = tmp_path / "authority.pem"
    author = OPM if what == "letter" else OCS
    document = factory.letter() if what == "letter" else factory.notice(author=author)
    genuine, forged = tmp_path / "genuine.xml", tmp_path / "forged.xml"
    genuine.write_bytes(sign(document, factory.seal(author)).raw)
    forged.write_bytes(sign(document, forger(author, authority)).raw)
    believed = foreign_verdict(forged, author, trusting=authority, pin=())
    assert (believed.returncode, believed.stderr.splitlines()[0]) == (0, "OK"), "or this is no such forgery"
    refused = foreign_verdict(forged, author, trusting=authority)
    assert refused.returncode != 0
    assert "FAIL" in refused.stderr.splitlines()
    accepted = foreign_verdict(genuine, author, trusting=authority)
    assert (accepted.returncode, accepted.stderr.splitlines()[0]) == (0, "OK")


def test_the_page_tells_it_in_both_languages_and_escapes_what_it_quotes(lived: Lived, pack: Path) -> None:
    page = members_of(pack)["index.html"].decode()
    assert "สำนักงานคณะกรรมการกฤษฎีกา" in page
    assert "เลขรับ ๑๒๓" in page
    assert "Who has not acknowledged" in page
    assert "<script" not in page
    assert str(lived.circular.letter_id) in page


def test_files_are_in_it_where_they_are_asked_for(lived: Lived, tmp_path: Path) -> None:
    content = tmp_path / "content"
    content.write_bytes(b"not the file of the letter")
    digest = lived.circular.main_file.digest
    with lived.ledger.read() as reader:
        evidence = gather(reader, lived.letter)
    path = tmp_path / "with-files.asice"
    write_pack(path, evidence, factory.seal("bus"), at=now(), files={digest: lambda: content.open("rb")})
    assert failed(judge(path, key_of(lived))) == {"container.signature", "file.bytes"}


def test_what_no_signed_head_covers_yet_is_not_packed(lived: Lived) -> None:
    lived.say(Event.DELIVERED, DGA)
    with lived.ledger.read() as reader, pytest.raises(NotSigned):
        gather(reader, lived.letter)
    with lived.ledger.read() as reader, pytest.raises(LookupError):
        gather(reader, 4711)


# ---- certificates over time ----------------------------------------------------------------------------------------


def with_revocation(lived: Lived, code: AgencyCode, at: Any) -> None:
    pin = PinnedCertificate.of(factory.seal(code).certificate, revoked_at=at)
    names = {OPM: "OPM", OCS: "OCS"}
    lived.router.activate(rig.directory(2, **{names[code]: rig.agency(code, pin)}))
    lived.signer.sign()


def test_a_certificate_revoked_later_was_good_at_the_time(lived: Lived, tmp_path: Path) -> None:
    with_revocation(lived, OPM, now() + timedelta(seconds=1))
    findings = judge(packed(lived, tmp_path / "later.asice"), key_of(lived))
    assert findings.verdict is Result.PASS, findings.checks


def test_a_revocation_that_reaches_back_before_the_letter_leaves_it_in_doubt(
    lived: Lived, tmp_path: Path
) -> None:
    with_revocation(lived, OPM, now() - DAY)
    findings = judge(packed(lived, tmp_path / "doubt.asice"), key_of(lived))
    assert findings.verdict is Result.INDETERMINATE
    (doubt,) = [check for check in findings.checks if check.result is Result.INDETERMINATE]
    assert (doubt.name, "not to be trusted" in doubt.detail) == ("letter.signature", True)


# ---- dishonest packs -----------------------------------------------------------------------------------------------


def altered(name: str, old: bytes, new: bytes) -> Callable[[Members], None]:
    def change(members: Members) -> None:
        assert old in members[name]
        members[name] = members[name].replace(old, new)

    return change


def without(*names: str) -> Callable[[Members], None]:
    def change(members: Members) -> None:
        for name in names:
            del members[name]

    return change


def proof_of_another(members: Members) -> None:
    proofs = json.loads(members["proofs.json"])
    proofs["6"] = proofs["7"]
    members["proofs.json"] = json.dumps(proofs).encode()


def frozen(change: Callable[[dict[str, Any]], object]) -> Callable[[Members], None]:
    """Change the recipient set, in its canonical form."""

    def act(members: Members) -> None:
        recipients = json.loads(members["recipients.json"])
        change(recipients)
        members["recipients.json"] = json.dumps(recipients, sort_keys=True, separators=(",", ":")).encode()

    return act


def number_left_out(members: Members) -> None:
    body = json.loads(members["entries/3.json"])
    body["consignments"].pop()
    members["entries/3.json"] = json.dumps(body, sort_keys=True, separators=(",", ":")).encode()


def notice_of_another_letter(members: Members) -> None:
    members["notices/6.xml"] = members["notices/7.xml"]


def entry_under_another_number(members: Members) -> None:
    members["entries/6.json"] = members["entries/7.json"]


def stranger_added(members: Members) -> None:
    members["notices/99.xml"] = members["notices/6.xml"]


CRIMES: dict[str, tuple[Callable[[Members], None], str]] = {
    "the letter altered": (altered("letter.xml", "ขอเชิญ".encode(), "ไม่เชิญ".encode()), "letter.signature"),
    "a notice altered": (altered("notices/8.xml", "๑๒๓".encode(), "๑๒๔".encode()), "notice.signature"),
    "a notice exchanged": (notice_of_another_letter, "notice.signature"),
    "a notice removed": (without("notices/7.xml"), "notice.signature"),
    "a notice removed with its entry": (without("notices/7.xml", "entries/7.json"), "letter.chain"),
    "an entry altered": (altered("entries/8.json", b"registered", b"refused"), "entry.inclusion"),
    "an entry under another number": (entry_under_another_number, "entry.inclusion"),
    "a proof of another entry": (proof_of_another, "entry.inclusion"),
    "a consignment number left out": (number_left_out, "entry.inclusion"),
    "a recipient left out of the set": (frozen(lambda found: found.pop(DGA)), "letter.recipients"),
    "a recipient put into the set": (
        frozen(lambda found: found.update({"0100000000": {"role": "to"}})),
        "letter.recipients",
    ),
    "the role of a recipient changed": (
        frozen(lambda found: found[DGA].update(role="copy")),
        "letter.recipients",
    ),
    "the recipient set of another form": (
        altered("recipients.json", b',"', b', "'),
        "letter.recipients",
    ),
    "the recipient set taken out": (without("recipients.json"), "letter.recipients"),
    "the acceptance exchanged": (
        altered("acceptance.xml", DGA.encode(), b"1100700000"),
        "acceptance.recipients",
    ),
    "a directory altered": (altered("directories/1.json", b'"inbox', b'"outbox'), "directory.bytes"),
    "the directory removed": (without("directories/1.json"), "directory.bytes"),
    "the checkpoint altered": (altered("checkpoint", b"\n11\n", b"\n12\n"), "checkpoint.signature"),
    "the proofs removed": (without("proofs.json"), "entry.inclusion"),
    "the acceptance's entry removed": (without("entries/3.json"), "letter.acceptance"),
}


@pytest.mark.parametrize("name", CRIMES)
def test_each_crime_is_found_and_named_even_under_a_new_signature_of_the_bus(
    lived: Lived, pack: Path, tmp_path: Path, name: str
) -> None:
    change, check = CRIMES[name]
    members = members_of(pack)
    change(members)
    forged = repacked(tmp_path / "forged.asice", members, by=factory.seal("bus"))
    findings = judge(forged, key_of(lived))
    assert check in failed(findings)
    complete = "letter.through" in {one.name for one in findings.checks}
    assert not (complete and "letter.chain" in failed(findings))
    # And whoever has not the bus's key cannot even put the container together.
    crude = repacked(tmp_path / "crude.asice", members)
    assert "container.signature" in failed(judge(crude, key_of(lived)))


def test_a_file_slipped_in_is_not_covered_by_the_signature(lived: Lived, pack: Path, tmp_path: Path) -> None:
    members = members_of(pack)
    stranger_added(members)
    findings = judge(repacked(tmp_path / "more.asice", members), key_of(lived))
    assert failed(findings) == {"container.signature", "container.members"}
    signed = repacked(tmp_path / "signed.asice", members, by=factory.seal("bus"))
    assert failed(judge(signed, key_of(lived))) == {"container.members"}


# ---- a bus that lies: what it enters and signs itself, the documents contradict ------------------------------------


def entered(lived: Lived, kind: Kind, **said: Any) -> None:
    with lived.ledger.append() as writer:
        writer.entry(kind, letter=lived.letter, **said)


def notice_entered(lived: Lived, event: Event, author: str, /, **lie: Any) -> None:
    """Enter a notice that its author did sign, with a lie in the entry."""
    notice = factory.notice(
        event,
        author=author,
        letter_id=lived.circular.letter_id,
        letter_digest=lived.signed.digest,
        registration=Registration(number="๗", registered_at=now(), year=2569, officer="ตัวอย่าง"),
    )
    signed = sign(notice, factory.seal(author))
    truth = {
        "agency": author,
        "document": signed.raw,
        "noticeId": str(notice.notice_id),
        "event": str(event),
        "digest": signed.digest,
        "certificate": factory.seal(author).fingerprint,
        "about": [author],
        "eventTime": timestamp(notice.event_time),
        "receivedAt": timestamp(now()),
        "number": "๗",
        "registeredAt": timestamp(notice.registration.registered_at) if notice.registration else None,
        "directory": 1,
    }
    entered(lived, Kind.NOTICE, **truth | lie)


def after_another_directory(lived: Lived) -> None:
    """A notice judged by a directory that was no longer in force, in which the author's certificate was good."""
    with_revocation(lived, OCS, now())
    notice_entered(lived, Event.REGISTERED, SOC)


def extended(lived: Lived, by: timedelta, *codes: AgencyCode, **lie: Any) -> None:
    """Enter that the registrations of some are due later, or earlier."""
    with lived.ledger.read() as reader:
        was = reader.state_of(lived.letter).recipients[DGA].registration_due
    assert was is not None
    until = timestamp(datetime.fromisoformat(was) + by)
    said = {"deadline": "registration", "calendar": 2, "operator": "somying"}
    groups = [{"was": was, "due": until, "recipients": list(codes)}]
    entered(lived, Kind.DEADLINE_EXTENDED, extended=groups, **said | lie)


def silent_at_the_old_time(lived: Lived) -> None:
    with lived.ledger.read() as reader:
        was = reader.state_of(lived.letter).recipients[DGA].registration_due
    extended(lived, DAY, DGA)
    said = {"deadline": "registration", "due": was, "silent": [DGA]}
    entered(lived, Kind.OVERDUE, document=b"<Notice/>", **said)


LIES: dict[str, tuple[Callable[[Lived], None], str]] = {
    "an honest notice": (lambda lived: notice_entered(lived, Event.REGISTERED, SOC), ""),
    "another number": (
        lambda lived: notice_entered(lived, Event.REGISTERED, SOC, number="๘"),
        "notice.signature",
    ),
    "another event": (
        lambda lived: notice_entered(lived, Event.REGISTERED, SOC, event="refused"),
        "notice.signature",
    ),
    "another time": (
        lambda lived: notice_entered(lived, Event.REGISTERED, SOC, eventTime=timestamp(now() - DAY)),
        "notice.signature",
    ),
    "about another recipient": (
        lambda lived: notice_entered(lived, Event.REGISTERED, SOC, about=[DGA]),
        "letter.lawful",
    ),
    "an answer on top of another": (
        lambda lived: notice_entered(lived, Event.REGISTERED, OCS),
        "letter.lawful",
    ),
    "the sender's word by a recipient": (
        lambda lived: notice_entered(lived, Event.SETTLED, SOC, about=[DGA]),
        "letter.lawful",
    ),
    "a kind that is about no letter": (
        lambda lived: entered(lived, Kind.RECONCILED, agency=DGA, event="registered", about=[DGA]),
        "letter.lawful",
    ),
    "silence of one who answered": (
        lambda lived: entered(
            lived, Kind.OVERDUE, document=b"<Notice/>", deadline="registration", silent=[OCS]
        ),
        "letter.lawful",
    ),
    "an honest extension": (lambda lived: extended(lived, DAY, SOC, DGA), ""),
    "a time made earlier": (lambda lived: extended(lived, -DAY, DGA), "letter.lawful"),
    "a later time for who has registered": (lambda lived: extended(lived, DAY, OCS, DGA), "letter.lawful"),
    "a later time for a stranger": (lambda lived: extended(lived, DAY, OPM), "letter.lawful"),
    "a later time for receipts": (
        lambda lived: extended(lived, DAY, DGA, deadline="receipt"),
        "letter.lawful",
    ),
    "silence at a time that was extended": (silent_at_the_old_time, "letter.lawful"),
    "consigned to a stranger": (
        lambda lived: entered(lived, Kind.CONSIGNED, recipients={"9999999999": [1]}),
        "letter.lawful",
    ),
    "received after it was entered": (
        lambda lived: notice_entered(lived, Event.REGISTERED, SOC, receivedAt=timestamp(now() + DAY)),
        "letter.lawful",
    ),
    "a directory out of force": (after_another_directory, "notice.signature"),
}


@pytest.mark.parametrize("name", LIES)
def test_a_lie_of_the_bus_itself_is_found_in_its_own_signed_ledger(
    lived: Lived, tmp_path: Path, name: str
) -> None:
    lie, check = LIES[name]
    lie(lived)
    lived.signer.sign()
    found = failed(judge(packed(lived, tmp_path / "lie.asice"), key_of(lived)))
    assert check in found if check else not found


def test_a_pack_of_an_extended_letter_carries_the_entry_and_says_the_later_time(
    lived: Lived, tmp_path: Path
) -> None:
    extended(lived, DAY, SOC, DGA)
    lived.signer.sign()
    pack = packed(lived, tmp_path / "extended.asice")
    findings = judge(pack, key_of(lived))
    assert findings.verdict is Result.PASS, findings.checks
    told = {one["agency"]: one["registrationDue"] for one in findings.outcomes}
    frozen = datetime.fromisoformat(told[OCS])
    assert {code: datetime.fromisoformat(at) - frozen for code, at in told.items()} == {
        OCS: timedelta(0),
        SOC: DAY,
        DGA: DAY,
    }
    members = members_of(pack)
    (entry,) = [data for name, data in members.items() if b'"deadline-extended"' in data]
    assert json.loads(entry)["calendar"] == 2
    page = members["index.html"].decode()
    until = (frozen + DAY).isoformat(timespec="seconds")
    assert "เลื่อนเป็น" in page
    assert f"extended from {frozen.isoformat(timespec='seconds')} by version 2 of the calendar, for 2" in page
    assert "เลื่อนกำหนดลงทะเบียนรับตามปฏิทิน" in page
    # Once for the letter, and beside each of the two whose time it is.
    assert page.count(f'<time datetime="{until}">') == 3


def accept_otherwise(
    lived: Lived, stated: Callable[[Terms], Terms], more: RecipientSet | None = None
) -> None:
    """Enter a letter to OCS with other terms in its acceptance, signed by the bus, and perhaps with another set."""
    letter = factory.letter(sender=factory.sender(OPM), receivers=(Receiver(agency=OCS),), number="นร 0105/9")
    signed = sign(letter, factory.seal(OPM))
    assert lived.router.take(rig.delivery(signed.raw)).outcome == "accepted"
    with lived.ledger.read() as reader:
        (row,) = reader.find_letters(letter_id=as_letter_id(letter.letter_id))
        accepted = dict(reader.entries_of(row.letter)[0].body)
        raw = reader.document(RawDigest(accepted["acceptance"]))
    assert raw is not None
    notice = read(open_envelope(raw).root)
    assert isinstance(notice, Notice)
    assert notice.terms
    forged = sign(replace(notice, terms=stated(notice.terms)), factory.seal("bus"))
    for name in ("v", "seq", "at", "kind", "letter", "acceptance", "document"):
        accepted.pop(name, None)
    with lived.ledger.append() as writer:
        if more is not None:
            accepted |= {"recipients": writer.keep(more.octets), "consignments": [1] * len(more.codes)}
        acceptance = writer.keep(forged.raw)
        again = writer.entry(Kind.ACCEPTED, document=signed.raw, acceptance=acceptance, **accepted)
        again_row = replace(row, letter=again, letter_id=as_letter_id(uuid4()))
        writer.letter_accepted(again_row, frozen=[], files={}, deadlines=[])
    lived.signer.sign()
    lived.letter = again


def test_recipients_that_the_letter_does_not_name_are_found_even_if_the_bus_signed_them(
    lived: Lived, tmp_path: Path
) -> None:
    more = factory.recipient_set((OCS, DGA))
    named: dict[str, Any] = {"recipients_digest": more.digest, "recipient_count": 2, "recipients": more.named}
    accept_otherwise(lived, lambda terms: replace(terms, **named), more)
    assert failed(judge(packed(lived, tmp_path / "more.asice"), key_of(lived))) == {"letter.signature"}


ACCEPTANCES: dict[str, dict[str, Any]] = {
    "another set": {"recipients_digest": factory.recipient_set((OCS, DGA)).digest},
    "another number of recipients": {"recipient_count": 2},
    "another recipient": {"recipients": (DGA,)},
    "no recipient": {"recipients": ()},
}


@pytest.mark.parametrize("name", ACCEPTANCES)
def test_an_acceptance_that_names_another_set_than_its_entry_is_found_even_if_the_bus_signed_it(
    lived: Lived, tmp_path: Path, name: str
) -> None:
    accept_otherwise(lived, lambda terms: replace(terms, **ACCEPTANCES[name]))
    assert failed(judge(packed(lived, tmp_path / "other.asice"), key_of(lived))) == {"acceptance.recipients"}


def test_a_witness_that_the_auditor_trusts_must_have_cosigned(
    lived: Lived, pack: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_key(tmp_path / "witness.pem")
    witness = witness_key(tmp_path / "witness.pem", "ocs.example").verifier
    assert main([str(pack), "--log-key", str(key_of(lived)), "--witness", str(witness)]) == 2
    assert "has not cosigned" in capsys.readouterr().out
    members = members_of(pack)
    key = witness_key(tmp_path / "witness.pem", "ocs.example")
    line = key.cosign(read_note(members["checkpoint"].decode()), int(now().timestamp()))
    members["checkpoint"] += f"{line}\n".encode()
    good = repacked(tmp_path / "good.asice", members, by=factory.seal("bus"))
    assert main([str(good), "--log-key", str(key_of(lived)), "--witness", str(witness)]) == 0
    assert main([str(good), "--log-key", str(witness)]) == 64


def test_a_container_signed_by_somebody_else_is_not_the_buss(
    lived: Lived, pack: Path, tmp_path: Path
) -> None:
    theirs = repacked(tmp_path / "theirs.asice", members_of(pack), by=factory.seal(SOC))
    assert judge(theirs, key_of(lived)).verdict is Result.INDETERMINATE


def test_a_revoked_certificate_presented_as_valid_is_found(lived: Lived, tmp_path: Path) -> None:
    with_revocation(lived, OCS, now() - DAY)
    path = packed(lived, tmp_path / "honest.asice")
    members = members_of(path)
    (newest,) = [name for name in members if name.startswith("directories/") and name != "directories/1.json"]
    values = json.loads(members[newest])
    for record in values["records"]:
        record[1] = re.sub(r',"revoked_at":"[^"]*"', "", record[1])
    changed = json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode()
    assert changed != members[newest]
    members[newest] = changed
    forged = repacked(tmp_path / "forged.asice", members, by=factory.seal("bus"))
    assert "directory.bytes" in failed(judge(forged, key_of(lived)))


# ---- zip files that mean harm --------------------------------------------------------------------------------------


def twice(path: Path, members: Members) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mimetype", MIMETYPE)
        archive.writestr("letter.xml", members["letter.xml"])
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("letter.xml", b"another")


def named(name: str) -> Callable[[Path, Members], None]:
    def write(path: Path, members: Members) -> None:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("mimetype", MIMETYPE)
            archive.writestr(name, b"x")

    return write


def bomb(path: Path, members: Members) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("mimetype"), MIMETYPE)
        archive.writestr("letter.xml", bytes(64 * 1024 * 1024))


def link(path: Path, members: Members) -> None:
    info = zipfile.ZipInfo("letter.xml")
    info.external_attr = 0o120777 << 16
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mimetype", MIMETYPE)
        archive.writestr(info, "/etc/passwd")


def truncated(path: Path, members: Members) -> None:
    repacked(path, members)
    path.write_bytes(path.read_bytes()[:-200])


def damaged(path: Path, members: Members) -> None:
    repacked(path, members)
    data = bytearray(path.read_bytes())
    place = data.index(b"letter.xml") + 400
    data[place : place + 8] = bytes(8)
    path.write_bytes(data)


def no_mimetype(path: Path, members: Members) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("letter.xml", members["letter.xml"])


def nothing(path: Path, members: Members) -> None:
    path.write_bytes(b"")


HARM: dict[str, tuple[Callable[[Path, Members], None], str]] = {
    "a name twice": (twice, "pack.duplicate-name"),
    "a path that escapes": (named("../letter.xml"), "pack.path"),
    "an absolute path": (named("/etc/letter.xml"), "pack.path"),
    "a drive": (named("c:letter.xml"), "pack.path"),
    "a bomb": (bomb, "pack.bomb"),
    "a link": (link, "pack.path"),
    "truncated": (truncated, "pack.no-zip"),
    "no mimetype": (no_mimetype, "pack.mimetype"),
    "nothing": (nothing, "pack.no-zip"),
}


@pytest.mark.parametrize("name", HARM)
def test_a_zip_file_that_means_harm_is_not_opened(
    lived: Lived, pack: Path, tmp_path: Path, name: str
) -> None:
    write, code = HARM[name]
    path = tmp_path / "harm.asice"
    write(path, members_of(pack))
    findings = judge(path, key_of(lived))
    (check,) = findings.checks
    assert (check.name, check.result) == ("container.sound", Result.FAIL)
    assert check.detail.startswith(code)


def test_a_damaged_member_fails_its_checks_and_no_other_program(
    lived: Lived, pack: Path, tmp_path: Path
) -> None:
    damaged(tmp_path / "damaged.asice", members_of(pack))
    assert judge(tmp_path / "damaged.asice", key_of(lived)).verdict is Result.FAIL


# ---- the instructions for auditors ---------------------------------------------------------------------------------


def test_every_command_in_the_instructions_for_a_pack_works_as_written(
    lived: Lived, tmp_path: Path, authority: Path, tsa_url: str
) -> None:
    folder = tmp_path / "auditor"
    folder.mkdir()
    witness = cosigning(lived, tmp_path / "witness.pem")
    stamp = stamper(EvidenceSettings(tsa_url=tsa_url, tsa_ca_file=authority / "root.pem"))
    with lived.ledger.read() as reader:
        evidence = gather(reader, lived.letter)
    write_pack(folder / "evidence.asice", evidence, factory.seal("bus"), at=now(), stamp=stamp)
    (folder / "log.vkey").write_text(f"{key_of(lived)}\n", encoding="utf-8")
    shutil.copy(authority / "root.pem", folder)
    said = followed(of_a_pack(), folder)
    assert "PASS" in said
    documents = (folder / "signed.txt").read_text(encoding="utf-8").splitlines()
    assert documents == [
        f"letter.xml {OPM}",
        "acceptance.xml bus",
        *(f"notices/{number}.xml {author}" for number, author in ((6, OCS), (7, SOC), (8, OCS), (13, DGA))),
        "META-INF/signatures.xml bus",
    ]
    assert said.splitlines().count("OK") == len(documents)
    assert "func=" not in said, "nothing that frightens"
    assert said.count("is about this letter: delivered") == 3
    assert "is about this letter: registered" in said
    assert said.count("is in the ledger of") == len(evidence.entries) + 2
    assert said.count("Signature Verified Successfully") == 2, "the log's, and the witness's"
    assert witness in said
    assert "Verification: OK" in said
    assert judge(folder / "evidence.asice", key_of(lived)).verdict is Result.PASS


def cosigning(lived: Lived, file: Path) -> str:
    """Let DGA receive the letter too, and a witness of OCS cosign a head over that; return the name of its key."""
    make_key(file, None)
    key = witness_key(file, "ocs.example")
    agency = replace(rig.agency(OCS), witness=str(key.verifier))
    lived.router.activate(rig.directory(2, OCS=agency))
    lived.say(Event.DELIVERED, DGA)
    lived.signer.sign()
    with lived.ledger.engine.begin() as connection:
        head = Heads(connection).newest()
        assert head is not None
        line = key.cosign(read_note(head.note), int(now().timestamp()))
        assert keep_cosignature(connection, head.size, OCS, str(line), at=now())
    return "ocs.example"


def forged_letter(members: Members, folder: Path) -> None:
    """Everything is as it was, but the letter is another, signed in its sender's name by somebody else."""
    letter = read(open_envelope(members["letter.xml"]).root)
    members["letter.xml"] = sign(letter, forger(OPM, folder / "authority.pem")).raw


def receipt_for_another_letter(members: Members, folder: Path) -> None:
    """A genuine receipt of the same recipient, of another letter."""
    other = sign(factory.letter(), factory.seal(OPM))
    notice = factory.notice(Event.DELIVERED, author=OCS, letter_digest=other.digest)
    members["notices/6.xml"] = sign(notice, factory.seal(OCS)).raw


def altered_receipt(members: Members, folder: Path) -> None:
    members["notices/8.xml"] = members["notices/8.xml"].replace("๑๒๓".encode(), "๑๒๔".encode())


def entry_that_never_was(members: Members, folder: Path) -> None:
    members["entries/8.json"] = members["entries/8.json"].replace(b"registered", b"refused")


def another_recipient_set(members: Members, folder: Path) -> None:
    """One recipient's role is another than the bus entered and signed."""
    members["recipients.json"] = members["recipients.json"].replace(b'"to"', b'"copy"', 1)


def another_ledger(members: Members, folder: Path) -> None:
    members["checkpoint"] = members["checkpoint"].replace(b"\n", b".forged\n", 1)


@pytest.mark.parametrize(
    ("forge", "step"),
    [
        (forged_letter, "python3 ../certificates.py"),
        (altered_receipt, "xmlsec1 --verify"),
        (receipt_for_another_letter, "python3 receipts.py"),
        (another_recipient_set, "python3 recipients.py"),
        (entry_that_never_was, "python3 root.py"),
        (another_ledger, "pkeyutl -verify"),
    ],
)
def test_the_foreign_tools_find_each_forgery_at_their_step(
    lived: Lived, pack: Path, tmp_path: Path, forge: Callable[[Members, Path], None], step: str
) -> None:
    members = members_of(pack)
    blocks = [block for block in of_a_pack() if "saraban-verify" not in block and "grep -o" not in block]
    place = next(place for place, block in enumerate(blocks) if step in block)
    forge(members, tmp_path)
    repacked(tmp_path / "evidence.asice", members, by=factory.seal("bus"))
    (tmp_path / "log.vkey").write_text(f"{key_of(lived)}\n", encoding="utf-8")
    followed(blocks[:place], tmp_path)
    followed(blocks[place : place + 1], tmp_path, fails=True)


def test_nobody_has_xmlsec1_choose_its_key_itself() -> None:
    told = 0
    for path in (*(ROOT / "docs").rglob("*.md"), ROOT / "README.md"):
        text = path.read_text(encoding="utf-8").replace("\\\n", " ")
        for line in text.splitlines():
            if "xmlsec1 --verify" in line:
                assert "--enabled-key-data key-name" in line, f"{path.name}: {line}"
                told += 1
    assert told
    for path in (*(ROOT / "tests").rglob("*.py"), *(ROOT / "compose").rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        if '"xmlsec1"' in text and '"--verify"' in text and path != Path(__file__):
            assert "--enabled-key-data" in text, path.name
