"""What an adapter says about itself: believed only under its agency's key, and only in one form."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.directory import PinnedCertificate
from bus.documents.reports import (
    Cosigned,
    Reconciliation,
    is_report,
    open_report,
    sealed,
)
from bus.documents.tokens import signed_json
from bus.errors import RefusalCode, Refused
from bus.thai import now
from tests.assets import factory
from tests.assets.factory import DAY, OCS, OPM

PINS = (factory.pin(factory.seal(OPM)),)


def reconciliation(**changes: Any) -> Reconciliation:
    values: dict[str, Any] = {
        "id": uuid4(),
        "agency": OPM,
        "at": now(),
        "contiguous": 3,
        "highest": 12,
        "missing": ((4, 4), (7, 9)),
    }
    return Reconciliation(**values | changes)


def refusal_of(raw: bytes, pins: Any = PINS, at: Any = None) -> RefusalCode:
    with pytest.raises(Refused) as refused:
        open_report(raw, pins, at or now())
    return refused.value.code


def test_statements_come_back_as_they_were_made() -> None:
    cosigned = Cosigned(id=uuid4(), agency=OPM, size=70, line="— saraban.example/0100100000 AAAA")
    fuller = reconciliation(unplaced=((2, 2), (5, 12)), directory=0)
    for report in (reconciliation(), reconciliation(contiguous=12, missing=()), fuller, cosigned):
        raw = sealed(report, factory.seal(OPM))
        assert is_report(raw)
        assert open_report(raw, PINS, now()) == report
    assert not is_report(b"<Letter/>")


def test_only_a_key_that_speaks_for_the_agency_at_that_time_is_believed() -> None:
    raw = sealed(reconciliation(), factory.seal(OPM))
    revoked = replace(PINS[0], revoked_at=now() - DAY)
    assert refusal_of(raw, ()) is RefusalCode.KEY_UNKNOWN
    assert refusal_of(raw, (factory.pin(factory.seal(OCS)),)) is RefusalCode.KEY_UNKNOWN
    assert refusal_of(raw, (revoked,)) is RefusalCode.KEY_UNKNOWN
    assert refusal_of(raw, PINS, now() + 4000 * DAY) is RefusalCode.KEY_UNKNOWN
    head, body, _ = raw.split(b".")
    other = sealed(reconciliation(), factory.seal(OPM)).split(b".")[2]
    assert refusal_of(b".".join((head, body, other))) is RefusalCode.SIGNATURE_BROKEN
    assert isinstance(PINS[0], PinnedCertificate)


@pytest.mark.parametrize(
    "changes",
    [
        {"type": "reconciliation/2.0"},
        {"type": None},
        {"id": "no uuid"},
        {"at": "2026-11-25T10:00:00"},
        {"contiguous": -1},
        {"contiguous": True},
        {"contiguous": 13},
        {"highest": 2**63},
        {"missing": [[7, 9], [4, 4]]},
        {"missing": [[9, 7]]},
        {"missing": [[3, 4]]},
        {"missing": [[11, 12]]},
        {"missing": [[4]]},
        {"missing": 4},
        {"missing": [[n, n] for n in range(4, 4 + 2 * 1001, 2)], "highest": 5000},
        {"unplaced": [[0, 1]]},
        {"unplaced": [[12, 13]]},
        {"unplaced": [[5, 5], [5, 6]]},
        {"unplaced": 5},
        {"unplaced": [[n, n] for n in range(1, 2 * 1001, 2)], "highest": 5000},
        {"directory": -1},
        {"directory": None},
    ],
)
def test_what_has_another_form_is_unreadable(changes: dict[str, Any]) -> None:
    good = {
        "type": "reconciliation/1.0",
        "id": str(uuid4()),
        "agency": OPM,
        "at": now().isoformat(),
        "contiguous": 3,
        "highest": 12,
        "missing": [],
    }
    payload = json.dumps(good | changes).encode()
    raw = signed_json(payload, factory.seal(OPM)).encode()
    assert refusal_of(raw) is RefusalCode.REPORT_UNREADABLE


def test_a_statement_of_the_older_version_is_still_read() -> None:
    values = {"type": "reconciliation/1.0", "id": str(uuid4()), "agency": OPM, "at": now().isoformat()}
    payload = json.dumps(values | {"contiguous": 3, "highest": 3, "missing": []}).encode()
    read = open_report(signed_json(payload, factory.seal(OPM)).encode(), PINS, now())
    assert isinstance(read, Reconciliation)
    assert (read.unplaced, read.directory) == ((), None)


@given(st.binary(max_size=300))
def test_no_bytes_do_worse_than_being_refused(tail: bytes) -> None:
    assert refusal_of(b"eyJ" + tail).value.startswith(("report.", "key.", "signature."))
