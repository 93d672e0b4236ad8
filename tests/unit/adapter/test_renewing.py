"""When a seal is renewed, when not, and what of its files is where at each step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from adapters.centre import Declined
from adapters.mailbox import Mailbox
from adapters.mailbox.conditions import ConditionCode
from adapters.renewal import Renewing, Successor, renewing
from bus.documents.authority import Authority
from bus.documents.enrolment import Answer, read_request
from bus.documents.making import KeyFiles, new_key, new_seal, write_pair
from bus.documents.seal import Seal
from bus.errors import Misconfigured
from bus.thai import now
from tests.assets.factory import OPM

DAYS = 30


@dataclass
class Centre:
    """A centre that has one answer, and counts what it is asked."""

    no: Declined | None = None
    asked: list[str] = field(default_factory=list)

    def ask(self, signed: str, seal: Seal) -> Answer | None:
        self.asked.append(signed)
        if self.no:
            raise self.no
        return None


@pytest.fixture
def mailbox(tmp_path: Path) -> Iterator[Mailbox]:
    with Mailbox(tmp_path / "mailbox", OPM) as opened:
        yield opened


def ends_in(days: int) -> Seal:
    return new_seal(OPM, not_after=now() + timedelta(days=days, minutes=1))


def placed(folder: Path, seal: Seal, passphrase: str | None = None) -> Successor:
    files = KeyFiles.named(folder / "keys", "agency")
    write_pair(seal.private_key, seal.certificate, files, passphrase=passphrase)
    return Successor(OPM, files, passphrase)


def renewal(mailbox: Mailbox, seal: Seal, folder: Path, centre: Centre, days: int = DAYS) -> Renewing:
    return Renewing(mailbox, seal, placed(folder, seal), centre, days=days, renewed=lambda: None)


@pytest.mark.parametrize(("left", "days", "asks"), [(29, 30, 1), (31, 30, 0), (5, 0, 0), (-1, 30, 0)])
def test_it_is_asked_for_from_so_many_days_before_the_end_and_not_after_it(
    mailbox: Mailbox, tmp_path: Path, left: int, days: int, asks: int
) -> None:
    centre, seal = (
        Centre(),
        new_seal(
            OPM, not_before=now() - timedelta(days=9), not_after=now() + timedelta(days=left, minutes=1)
        ),
    )
    renewal(mailbox, seal, tmp_path, centre, days).step()
    assert len(centre.asked) == asks


def test_a_certificate_of_an_authority_is_not_renewed_here(mailbox: Mailbox, tmp_path: Path) -> None:
    centre, key = Centre(), new_key()
    seal = Seal(key, Authority.make("Somebody").client(key.public_key(), OPM, days=9))
    renewal(mailbox, seal, tmp_path, centre).step()
    assert centre.asked == []


def test_the_same_request_is_sent_again_also_after_a_restart(mailbox: Mailbox, tmp_path: Path) -> None:
    centre, seal = Centre(), ends_in(9)
    first = renewal(mailbox, seal, tmp_path, centre)
    first.step()
    again = Renewing(mailbox, seal, first._successor, centre, days=DAYS, renewed=lambda: None)
    again.step()
    assert len(centre.asked) == 2
    assert len(set(centre.asked)) == 1
    assert read_request(centre.asked[0]).invitation is None


def test_after_a_refusal_another_key_is_asked_for_a_day_later_and_not_before(
    mailbox: Mailbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    centre, seal = Centre(Declined("enrolment.renewal-off", "ไม่รับ", "not taken")), ends_in(9)
    asking = renewal(mailbox, seal, tmp_path, centre)
    asking.step()
    asking.step()
    (condition,) = mailbox.conditions.all()
    assert (condition.finding.code, condition.finding.detail_en) == (
        ConditionCode.RENEWAL_REFUSED,
        "not taken",
    )
    assert len(centre.asked) == 1
    later: datetime = now() + timedelta(days=1, seconds=1)
    monkeypatch.setattr(renewing, "now", lambda: later)
    asking.step()
    assert len(set(centre.asked)) == 2


def test_a_folder_that_cannot_be_written_is_a_condition_and_no_crash(
    mailbox: Mailbox, tmp_path: Path
) -> None:
    centre, seal = Centre(), ends_in(9)
    asking = renewal(mailbox, seal, tmp_path, centre)
    (tmp_path / "keys" / "agency.next.key.pem").mkdir()
    asking.step()
    (condition,) = mailbox.conditions.all()
    assert condition.finding.code is ConditionCode.RENEWAL_IMPOSSIBLE
    assert centre.asked == []


def test_the_passphrase_of_a_key_is_kept_for_the_next_one(tmp_path: Path) -> None:
    before = ends_in(9)
    successor = placed(tmp_path, before, "มานี")
    successor.request()
    after = successor.seal()
    successor.put_in_place(before)
    with pytest.raises(Misconfigured):
        Seal.from_files(successor.files.key, successor.files.certificate)
    found = Seal.from_files(successor.files.key, successor.files.certificate, "มานี")
    assert found.fingerprint == after.fingerprint
    successor.tidy(found)
    assert successor.files.certificate.read_text().count("BEGIN CERTIFICATE") == 1
    assert sorted(path.name for path in (tmp_path / "keys").iterdir()) == sorted(
        [
            "agency.crt.pem",
            "agency.key.pem",
            f"agency.{before.fingerprint[:8]}.crt.pem",
            f"agency.{before.fingerprint[:8]}.key.pem",
        ]
    )


def test_what_was_not_asked_for_when_a_kill_came_is_made_anew(tmp_path: Path) -> None:
    successor = placed(tmp_path, ends_in(9))
    successor.next.certificate.write_text("half a certif")
    request = read_request(successor.request())
    assert request.fingerprint == successor.seal().fingerprint
