"""An agency that signs under a public authority: what the ledger holds of it, and what a pack of its letter shows."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from bus.directory import Directory, PinnedOrganization, directory_of, records_of, require_readable
from bus.directory.ends import ending, seconds_of_lists
from bus.directory.speaking import speaking
from bus.documents.reports import Reconciliation, sealed
from bus.documents.signing import sign
from bus.documents.tokens import Denied, open_request_token, request_token
from bus.errors import RefusalCode
from bus.ledger.checkpoint import Signer
from bus.ledger.entry import Kind
from bus.ledger.store import Ledger
from bus.router.activation import activate_calendar
from bus.router.certificates import WatchingCertificates
from bus.thai import now
from bus.verifier.checking import judge
from bus.verifier.findings import Findings, Result
from bus.views.asking import NotUnderstood, certificates
from tests.assets import authorities, factory
from tests.assets.authorities import ID, ISSUING, NUMBER, ORGANIZATION, OTHER_NUMBER, ListOf, Made, World
from tests.assets.factory import DAY, NOW, OCS, OPM
from tests.assets.operators import by
from tests.contract import ledger_rig as rig
from tests.contract.test_evidence import Members, failed, members_of, packed, repacked

PIN = PinnedOrganization(authority=ID, organization=ORGANIZATION)


def directory(made: Made, version: int = 1, **changes: Any) -> Directory:
    """One in which OPM has pinned nothing but the sample organization."""
    opm = replace(rig.agency(OPM, prefixes=("นร 01",)), certificates=(), vouched=(PIN,), organization=NUMBER)
    found = replace(rig.directory(version, OPM=replace(opm, **changes)), authorities={ID: made.authority})
    # By way of its records, as the ledger and every adapter have it.
    records = records_of(found)
    require_readable(records, records)
    return directory_of(version, records)


class Lived:
    """A ledger into which a letter of OPM has come that the sample authority vouches for."""

    def __init__(self, ledger: Ledger, folder: Path, in_force: Directory | None = None) -> None:
        self.made = authorities.world()
        self.ledger, self.router = ledger, rig.Router(ledger)
        self.signer: Signer = rig.signer(ledger, folder)
        self.router.activate(in_force or directory(self.made))
        activate_calendar(ledger, rig.calendar(), operator=by("tester"))
        self.signed = sign(factory.letter(sender=factory.sender(OPM)), self.made.seal)
        assert self.router.take(rig.delivery(self.signed.raw)).outcome == "accepted"
        (entry,) = rig.entries_of_kind(ledger, Kind.ACCEPTED)
        self.letter = int(entry["seq"])
        self.signer.sign()

    def judged(self, path: Path, change: Callable[[Members], None] | None = None) -> Findings:
        """What the verifier finds in a pack of the letter, as it is or changed and signed anew by the bus."""
        packed(self, path)  # type: ignore[arg-type]
        if change:
            members = members_of(path)
            change(members)
            repacked(path, members, by=factory.seal("bus"))
        return judge(path, self.signer._key.verifier)


@pytest.fixture
def ledger(sqlite_template: Path, tmp_path: Path) -> Ledger:
    shutil.copy(sqlite_template, tmp_path / "ledger.db")
    return Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")


@pytest.fixture
def lived(ledger: Ledger, tmp_path: Path) -> Lived:
    return Lived(ledger, tmp_path)


def test_a_pack_carries_chain_and_lists_and_the_verifier_checks_them(lived: Lived, tmp_path: Path) -> None:
    findings = lived.judged(tmp_path / "pack.asice")

    assert findings.verdict is Result.PASS, findings.checks
    with zipfile.ZipFile(tmp_path / "pack.asice") as archive:
        records = dict(json.loads(archive.read("directories/1.json"))["records"])
    (held,) = (line for line in records.values() if line.startswith(f"public_authority/{ID} "))
    assert json.loads(held.partition(" ")[2])["lists"] == list(lived.made.authority.lists)
    (accepted,) = rig.entries_of_kind(lived.ledger, Kind.ACCEPTED)
    assert accepted["certificate"] == lived.made.seal.fingerprint
    assert rig.verified(lived.ledger, tmp_path) == []


def test_the_page_of_a_pack_shows_the_authority(lived: Lived, tmp_path: Path) -> None:
    packed(lived, tmp_path / "pack.asice")  # type: ignore[arg-type]

    page = members_of(tmp_path / "pack.asice")["index.html"].decode()

    assert "ผู้ออกใบรับรองตัวอย่าง" in page
    assert "Sample Government CA" in page


def test_a_bus_that_has_another_certificate_since_is_still_believed_for_what_it_said(
    lived: Lived, tmp_path: Path
) -> None:
    """Nobody vouches for the bus: that its certificate is pinned no more says nothing of what it signed with it."""
    next_one = (factory.pin(factory.seal("next-bus")),)
    lived.router.activate(replace(directory(lived.made, 2), bus_certificates=next_one))
    lived.signer.sign()

    findings = lived.judged(tmp_path / "pack.asice")

    assert findings.verdict is Result.PASS, findings.checks


# ── the bus itself lies ────────────────────────────────────────────────────────────────────────────


def unread(made: Made, **changes: Any) -> Directory:
    """One that was put in force without looking: what reading it refuses, the ledger of such a bus may hold."""
    opm = replace(rig.agency(OPM, prefixes=("นร 01",)), certificates=(), vouched=(replace(PIN, **changes),))
    return replace(rig.directory(1, OPM=opm), authorities={ID: made.authority})


LIES: dict[str, tuple[World, dict[str, Any], str]] = {
    "another authority": (World(issuing=replace(ISSUING, key="impostor")), {}, "chain"),
    "another organization": (World(), {"organization": f"TIN-{OTHER_NUMBER}"}, "another organization"),
    "a pin revoked before": (World(), {"revoked_at": NOW - DAY}, "did not vouch"),
    "a list that is too old": (World(of_issuing=ListOf(by=ISSUING, until=NOW - DAY)), {}, "too old"),
    "a list that nobody signed": (
        World(of_issuing=ListOf(by=ISSUING, signed_with="impostor")),
        {},
        "not its own",
    ),
    "a list of changes only": (World(of_issuing=ListOf(by=ISSUING, partial=True)), {}, "not of all"),
    "an authority that is none": (
        World(issuing=replace(ISSUING, authority=False, path_length=None)),
        {},
        "no authority's",
    ),
}


@pytest.mark.parametrize("name", LIES)
def test_a_lie_of_the_bus_about_an_authority_is_found_in_its_own_ledger(
    name: str, ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bus holds one thing in its signed ledger and judges by another: whoever has the pack sees it."""
    world, changes, words = LIES[name]
    lying = unread(world.made(), **changes)
    monkeypatch.setattr("bus.documents.pins.objection_by_authorities", lambda *_: None)
    monkeypatch.setattr("bus.directory.reading_pins.flaw_in", lambda _: None)
    findings = Lived(ledger, tmp_path, lying).judged(tmp_path / "pack.asice")

    assert failed(findings) == {"letter.signature"}
    (found,) = [check.detail for check in findings.checks if check.name == "letter.signature"]
    assert words in found


def authority_removed(members: Members) -> None:
    values = json.loads(members["directories/1.json"])
    values["records"] = [one for one in values["records"] if not one[1].startswith("public_authority/")]
    members["directories/1.json"] = json.dumps(values, ensure_ascii=False).encode()


def list_exchanged(members: Members) -> None:
    old, new = authorities.world().authority.lists[0], World(revoked=NOW).made().authority.lists[0]
    text = members["directories/1.json"].decode()
    quoted = json.dumps(json.dumps(old))[1:-1]
    assert quoted in text
    members["directories/1.json"] = text.replace(quoted, json.dumps(json.dumps(new))[1:-1]).encode()


@pytest.mark.parametrize("change", [authority_removed, list_exchanged])
def test_an_authority_taken_out_of_a_pack_or_changed_in_it_is_found(
    change: Callable[[Members], None], lived: Lived, tmp_path: Path
) -> None:
    assert "directory.bytes" in failed(lived.judged(tmp_path / "forged.asice", change))


# ── as time goes on ────────────────────────────────────────────────────────────────────────────────


def test_a_certificate_that_a_later_list_says_was_revoked_before_leaves_its_letter_in_doubt(
    lived: Lived, tmp_path: Path
) -> None:
    serial = lived.made.seal.certificate.serial_number
    for version, at, verdict in ((2, NOW + DAY, Result.PASS), (3, NOW - DAY, Result.INDETERMINATE)):
        newer = ListOf(by=ISSUING, revoked=((serial, at),)).made()
        lived.router.activate(directory(replace(lived.made, lists=(newer, lived.made.lists[1])), version))
        lived.signer.sign()
        assert lived.judged(tmp_path / f"{version}.asice").verdict is verdict


def test_with_an_old_list_everything_is_refused_until_a_newer_one_is_in_force(
    ledger: Ledger, tmp_path: Path
) -> None:
    old = World(of_issuing=ListOf(by=ISSUING, until=NOW - DAY)).made()
    router = rig.Router(ledger)
    router.activate(directory(old))
    activate_calendar(ledger, rig.calendar(), operator=by("tester"))
    raw = sign(factory.letter(sender=factory.sender(OPM)), old.seal).raw

    assert router.take(rig.delivery(raw)).outcome == "refused"
    assert [one["code"] for one in rig.entries_of_kind(ledger, Kind.REFUSED)] == [
        RefusalCode.KEY_REVOCATION_LIST_OLD
    ]
    renewed = replace(old, lists=(ListOf(by=ISSUING).made(), old.lists[1]))
    router.activate(directory(renewed, 2))
    assert router.take(rig.delivery(raw)).outcome == "accepted"
    assert rig.verified(ledger, tmp_path) == []


def test_an_auditor_finds_letters_by_a_certificate_that_no_directory_has(lived: Lived) -> None:
    with lived.ledger.read() as reader:
        assert certificates(reader, lived.made.seal.fingerprint) == (lived.made.seal.fingerprint,)
        with pytest.raises(NotUnderstood):
            certificates(reader, "0" * 64)


async def test_an_operator_sees_a_list_go_out_of_date() -> None:
    fresh = directory(authorities.world())
    assert seconds_of_lists(fresh, NOW) == (5 * DAY).total_seconds()
    assert seconds_of_lists(rig.directory(), NOW) == float("inf")
    assert speaking(fresh, NOW).silent == ()
    (said,) = speaking(fresh, NOW + 6 * DAY).silent
    assert "revocation-list-old" in said
    assert OPM in said
    assert list(ending(fresh, NOW)) == [], "when it ends is for its authority to say"

    watching = WatchingCertificates({}, lambda: fresh)
    with capture_logs() as lines:
        await watching.look(NOW + 2 * DAY)
        await watching.look(NOW + 4 * DAY)
        await watching.look(NOW + 6 * DAY)
    assert [(one["event"], one["authority"], one["hours"]) for one in lines] == [
        ("authority-list-ends", ID, 24),
        ("authority-list-ends", ID, -24),
    ]


# ── what else an agency signs ──────────────────────────────────────────────────────────────────────


def test_a_report_is_taken_under_the_same_certificate(lived: Lived) -> None:
    report = Reconciliation(id=factory.letter().letter_id, agency=OPM, at=now(), contiguous=0, highest=0)

    assert lived.router.take(rig.delivery(sealed(report, lived.made.seal))).outcome == "reconciled"
    other = World(signer=replace(authorities.SIGNER, organization=f"TIN-{OTHER_NUMBER}")).made()
    assert lived.router.take(rig.delivery(sealed(report, other.seal))).outcome == "refused"


def test_a_request_at_the_depot_brings_the_certificate_along() -> None:
    found = directory(authorities.world())

    def opened(made: Made, issuer: str = OPM) -> str:
        token = request_token(made.seal, issuer, "PUT", "/files/x", at=now())
        return open_request_token(token, found.pins, "PUT", "/files/x", now(), found.vouched).issuer

    assert opened(authorities.world()) == OPM
    for made, issuer in (
        (authorities.world(), OCS),
        (World(signer=replace(authorities.SIGNER, organization=None)).made(), OPM),
        (World(issued_by=replace(ISSUING, key="impostor")).made(), OPM),
    ):
        with pytest.raises(Denied, match=r"token\.key"):
            opened(made, issuer)
