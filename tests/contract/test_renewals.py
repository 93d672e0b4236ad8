"""What the centre makes of requests to renew a key: one pin more, and nothing else; and not without end."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding

from bus.directory import BUS, Agency, Directory
from bus.directory.model import State
from bus.documents.enrolment import Request, public_sealing_key, sign_request
from bus.documents.making import new_seal
from bus.documents.notes import make_key, witness_key
from bus.documents.seal import Seal
from bus.enrolment import process
from bus.enrolment.carrying_out import Means
from bus.enrolment.deciding import Waiting, approve, waiting
from bus.enrolment.logins import by_nobody
from bus.enrolment.process import _Approver
from bus.enrolment.receiving import answer_to, take_renewal
from bus.enrolment.refusals import EnrolmentRefused, Refusal
from bus.errors import Transient
from bus.identifiers import AgencyCode
from bus.ledger.store import Ledger
from bus.router.activation import activate_directory, directory_in_force
from bus.router.alarms import Alarms
from bus.serve import DirectoryInForce
from bus.settings.bus import BusSettings, Enrolment
from tests.assets.factory import DGA, OCS, OPM, SOC, seal
from tests.assets.operators import by
from tests.contract import ledger_rig as rig


def in_force(ledger: Ledger) -> Directory:
    with ledger.read() as reader:
        return directory_in_force(reader)[1]


def never(agency: Agency) -> str:
    raise AssertionError(f"the broker is no part of this ({agency.code})")


def request(made: Seal, *, agency: AgencyCode = OPM, witness: str = "", sealing: str = "") -> str:
    certificate = made.certificate.public_bytes(Encoding.PEM).decode().strip()
    return sign_request(
        Request(agency=agency, certificate=certificate, witness=witness, sealing=sealing), made
    )


def new_witness(path: Path) -> str:
    make_key(path)
    return str(witness_key(path, "saraban.example/witness").verifier)


def approver(ledger: Ledger) -> _Approver:
    settings = BusSettings(enrolment=Enrolment(renewal="auto"))
    return _Approver(settings, Means(seal(BUS), never, by_nobody), Alarms())


@pytest.mark.parametrize("merged", [False, True])
def test_a_renewal_adds_a_pin_and_changes_nothing_else(ledger: Ledger, merged: bool, tmp_path: Path) -> None:
    before = rig.agency(OPM, witness=new_witness(tmp_path / "witness.pem"))
    if merged:
        before = replace(before, inbox=False, parent=DGA, successor=DGA)
    activate_directory(ledger, rig.directory(OPM=before), seal(BUS), operator=by("test"))
    known = in_force(ledger).agencies[OPM]
    made = new_seal(OPM)
    sealing = public_sealing_key(X25519PrivateKey.generate())
    asking = request(made, witness=new_witness(tmp_path / "another.pem"), sealing=sealing)
    take_renewal(ledger, OPM, asking, "ask")
    with ledger.read() as reader:
        (asked,) = waiting(reader)
    version = approve(ledger, asked, seal(BUS), never, operator=by("test"))
    now = in_force(ledger)
    assert now.version == version
    agency = now.agencies[OPM]
    assert [pin.certificate for pin in agency.certificates] == [
        *(pin.certificate for pin in known.certificates),
        made.certificate,
    ]
    assert replace(agency, certificates=known.certificates) == known


def test_a_depot_that_looks_again_knows_a_key_as_soon_as_it_is_approved(ledger: Ledger) -> None:
    activate_directory(ledger, rig.directory(), seal(BUS), operator=by("test"))
    depots = DirectoryInForce(ledger)
    made = new_seal(OPM)
    take_renewal(ledger, OPM, request(made), "ask")
    assert not depots.renewed()
    with ledger.read() as reader:
        (asked,) = waiting(reader)
    approve(ledger, asked, seal(BUS), never, operator=by("test"))
    assert depots.renewed()
    assert made.certificate in [pin.certificate for pin in depots.pins(OPM)]
    assert not depots.renewed()


def test_an_agency_asks_three_times_a_day_and_the_same_thing_as_often_as_it_likes(ledger: Ledger) -> None:
    activate_directory(ledger, rig.directory(), seal(BUS), operator=by("test"))
    requests = [request(new_seal(OPM)) for _ in range(4)]
    for one in requests[:3]:
        for _ in range(3):
            take_renewal(ledger, OPM, one, "auto")
    with pytest.raises(EnrolmentRefused) as refused:
        take_renewal(ledger, OPM, requests[3], "auto")
    assert refused.value.refusal is Refusal.RENEWALS
    with ledger.read() as reader:
        assert len(waiting(reader)) == 3


@pytest.mark.parametrize(("state", "left"), [("active", 0), ("suspended", 1)])
def test_what_a_suspended_agency_asks_is_left_to_a_person(ledger: Ledger, state: State, left: int) -> None:
    agency = replace(rig.agency(OPM), state=state)
    activate_directory(ledger, rig.directory(OPM=agency), seal(BUS), operator=by("test"))
    take_renewal(ledger, OPM, request(new_seal(OPM)), "auto")
    approver(ledger).round(ledger)
    with ledger.read() as reader:
        assert len(waiting(reader)) == left


def test_a_fault_that_one_request_meets_is_an_alarm_and_neither_loses_it_nor_keeps_others(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    activate_directory(ledger, rig.directory(), seal(BUS), operator=by("test"))
    names = {}
    for code in (OPM, OCS, SOC):
        names[code] = take_renewal(ledger, code, request(new_seal(code), agency=code), "auto")
    working, rung, tried = approver(ledger), list[tuple[str, dict[str, Any]]](), list[AgencyCode]()
    working._alarms.listeners.append(lambda alarm, fields: rung.append((alarm, fields)))
    faults: dict[AgencyCode, Exception] = {
        OPM: ZeroDivisionError("a fault of ours"),
        OCS: Transient("its cluster is away"),
    }

    def trying(into: Ledger, asked: Waiting, *rest: Any, **more: Any) -> int:
        tried.append(asked.request.agency)
        if fault := faults.get(asked.request.agency):
            raise fault
        return approve(into, asked, *rest, **more)

    monkeypatch.setattr(process, "approve", trying)
    working.round(ledger)
    working.round(ledger)
    assert tried == [OPM, OCS, SOC, OCS]  # the faulty one not each second
    assert rung == [("enrolment-failed", {"agency": OPM})]
    with ledger.read() as reader:
        assert {one.request.agency for one in waiting(reader)} == {OPM, OCS}
        assert answer_to(reader, names[OPM]) is None  # which is: not yet, ask again
        assert answer_to(reader, names[SOC]) is not None
    faults.clear()
    monkeypatch.setattr(process, "monotonic", lambda: monotonic() + 61)
    working.round(ledger)
    with ledger.read() as reader:
        assert waiting(reader) == []
        assert answer_to(reader, names[OPM]) is not None
