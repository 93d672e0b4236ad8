"""`agency list` and `agency show`: whose certificate ends when, and how each invitation stands."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from structlog.testing import capture_logs

from bus.directory import PinnedCertificate
from bus.directory.ends import end_of, ending, first_end
from bus.documents.making import new_seal
from bus.enrolment.deciding import Centre, invite
from bus.identifiers import AgencyCode
from bus.router.certificates import WatchingCertificates, own_ends
from bus.settings.bus import BusSettings
from bus.thai import now
from tests.assets.factory import DGA, OCS, OPM, SOC, seal
from tests.assets.operators import by
from tests.contract import ledger_rig as rig
from tests.contract.test_bus_cli import Shell, bare, sheet, shell

__all__ = ["bare", "shell"]
NEW, LATE = AgencyCode("0999900000"), AgencyCode("0999900001")
CENTRE = Centre(centre="http://c", broker="amqp://b", vhost="v", bus="-", log_key="-")


def pin(days: float, *, revoked: bool = False) -> PinnedCertificate:
    """A pin that ends in so many days."""
    made = new_seal(OPM, not_before=now() - timedelta(days=99), not_after=now() + timedelta(days=days))
    return PinnedCertificate.of(made.certificate, revoked_at=now() if revoked else None)


def invited(shell: Shell, agency: AgencyCode, lasts: timedelta) -> None:
    ledger = shell.ledger()
    names: dict[str, Any] = {"name_th": "ใหม่ (ตัวอย่าง)", "name_en": "New"}
    invite(ledger, CENTRE, agency, seal("bus"), **names, lasts=lasts, operator=by("somying"))
    ledger.close()


def test_agencies_and_those_invited_are_listed_with_the_nearest_end_first(shell: Shell) -> None:
    invited(shell, NEW, timedelta(days=7))
    invited(shell, LATE, timedelta(seconds=-1))
    invited(shell, OPM, timedelta(days=7))
    shown = shell.json("agency", "list")
    assert {one["code"]: one["state"] for one in shown} == {
        **dict.fromkeys((OPM, OCS, SOC), "active"),
        **dict.fromkeys((NEW, LATE), "invited"),
    }
    ends = [one["certificateEnds"] for one in shown]
    assert ends[:3] == sorted(ends[:3])
    assert ends[3:] == [None, None]
    standing = {one["code"]: one["invitation"] for one in shown}
    assert standing[LATE] == "ended unused"
    assert standing[NEW].startswith("open until ")
    assert standing[OCS] is None
    rows, _ = sheet(shell.raw("agency", "list", "--csv"))
    assert len(rows) == 5
    assert NEW in shell("agency", "list")


def test_one_agency_is_shown_with_its_certificates_and_a_stranger_is_not(shell: Shell) -> None:
    shown = shell.json("agency", "show", OPM)
    assert [one["fingerprint"] for one in shown["certificates"]] == [seal(OPM).fingerprint]
    assert seal(OPM).fingerprint in shell("agency", "show", OPM)
    shell("agency", "show", DGA, code=2)


@pytest.mark.parametrize(
    ("pins", "counted"),
    [
        ([pin(29)], True),
        ([pin(31)], False),
        ([pin(-1)], True),
        ([pin(9), pin(300)], False),
        ([pin(9), pin(300, revoked=True)], True),
        ([], False),
    ],
)
def test_an_agency_counts_as_ending_by_the_last_certificate_that_is_not_revoked(
    pins: list[PinnedCertificate], counted: bool
) -> None:
    agency = replace(rig.agency(OPM), certificates=tuple(pins))
    directory = rig.directory(OPM=agency)
    assert (end_of(agency) in list(ending(directory, now()))) == counted
    suspended = replace(agency, state="suspended")
    assert list(ending(rig.directory(OPM=suspended), now())) == []


async def test_a_router_counts_them_at_once_with_a_new_directory_and_says_so_once_a_day() -> None:
    found = rig.directory()
    watching = WatchingCertificates({"seal": now() + timedelta(days=50)}, lambda: found)
    with capture_logs() as lines:
        await watching.look(now())
        assert watching.agencies == 0
        found = rig.directory(2, OPM=replace(rig.agency(OPM), certificates=(pin(9),)))
        await watching.look(now())
        assert watching.agencies == 1
        await watching.look(now() + timedelta(hours=2))
        await watching.look(now() + timedelta(hours=25))
    assert [(one["event"], one.get("days"), one.get("agencies")) for one in lines] == [
        ("certificate-ends", 49, None),
        ("certificate-ends", 48, None),
        ("agency-certificates-end", None, 1),
    ]


def test_the_first_agency_without_a_certificate_is_known_and_the_bus_by_each_of_its_own(
    tmp_path: Path,
) -> None:
    first, later = pin(9), pin(20)
    several = replace(rig.agency(OPM), certificates=(first, later))
    one = replace(rig.agency(OCS), certificates=(pin(10),))
    found = rig.directory(OPM=several, OCS=one)
    assert first_end(found) == one.certificates[0].certificate.not_valid_after_utc
    suspended = replace(one, state="suspended")
    assert first_end(rig.directory(OPM=several, OCS=suspended)) == later.certificate.not_valid_after_utc
    authority = tmp_path / "authority.pem"
    authority.write_bytes(first.certificate.public_bytes(Encoding.PEM))
    sections = {"depot": {"ca_file": authority}, "broker": {"ca_file": tmp_path / "lost.pem"}}
    ends = own_ends(BusSettings.model_validate(sections), seal("bus"))
    assert ends == {
        "seal": seal("bus").certificate.not_valid_after_utc,
        "depot-authority": first.certificate.not_valid_after_utc,
    }
