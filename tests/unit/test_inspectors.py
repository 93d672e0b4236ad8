"""Worker processes that inspect: what they say is what the router itself would find, and one that dies costs nobody."""

from __future__ import annotations

import asyncio
import os
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from multiprocessing.process import BaseProcess
from typing import Any

import pytest

from bus.documents.signing import Checked, Verified, believe, sign
from bus.documents.xml import Document
from bus.errors import RefusalCode, Refused
from bus.router.inspecting import Inspected, inspect, open_submission
from bus.router.inspectors import InspectorDied, Inspectors, NoInspector
from bus.router.processing import Processor, Settlement
from tests.assets import factory
from tests.assets.digests import raw_digest
from tests.contract.ledger_rig import delivery
from tests.fuzz.campaign import sample
from tests.unit.test_own_form import PINS, answer


def raws(count: int) -> list[bytes]:
    return [sign(factory.letter(), factory.seal()).raw for _ in range(count)]


@contextmanager
def inspectors(workers: int, **more: float) -> Iterator[Inspectors]:
    pool = Inspectors(workers, **more)
    try:
        yield pool
    finally:
        pool.close()


def asked(pool: Inspectors, raws: list[bytes]) -> list[Inspected | Exception]:
    found = asyncio.run(pool.inspect({raw_digest(raw): raw for raw in raws}))
    return [found[raw_digest(raw)] for raw in raws]


def by_inspection(raw: bytes, found: Inspected) -> Verified[Document] | RefusalCode:
    try:
        if found.refusal:
            raise found.refusal
        document, fingerprint = believe(found.signature(), PINS, factory.NOW, ())
    except Refused as refusal:
        return refusal.code
    return Verified(
        document=document, version=found.version, digest=found.digest, raw=raw, fingerprint=fingerprint
    )


def test_what_is_inspected_elsewhere_says_after_the_journey_what_the_gates_find_one_by_one() -> None:
    for case in sample(seed=2_000, size=400):
        there = pickle.loads(pickle.dumps(inspect(case.raw)))  # noqa: S301 - as the pool does it
        said = answer(case.raw)
        assert by_inspection(case.raw, there) == said, case.change
        assert by_inspection(case.raw, open_submission(case.raw)) == said, case.change
        assert there.envelope is None


def test_a_signature_that_is_wrong_under_a_strangers_key_is_refused_for_the_key() -> None:
    raw = sign(factory.letter(), factory.seal("stranger")).raw.replace(b"<Subject>", b"<Subject>x")
    found = inspect(raw)
    assert isinstance(found.checked, Checked)
    assert isinstance(found.checked.found, Refused)
    assert found.checked.found.code == RefusalCode.SIGNATURE_BROKEN
    assert by_inspection(raw, found) == RefusalCode.KEY_UNKNOWN


def test_one_that_kills_its_inspector_is_the_only_one_that_suffers(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    letters = raws(9)
    log = tmp_path_factory.mktemp("failpoints") / "log"
    fatal = sha256(letters[4]).hexdigest()
    monkeypatch.setenv("SARABAN_FAILPOINTS", f"inspector.before-inspection:{fatal}=kill@*")
    monkeypatch.setenv("SARABAN_FAILPOINT_LOG", str(log))
    with inspectors(2) as pool:
        found = asked(pool, letters)
        monkeypatch.delenv("SARABAN_FAILPOINTS")
        # and what comes afterwards is inspected by new processes
        assert all(isinstance(one, Inspected) for one in asked(pool, letters[:4]))
    assert log.read_text(encoding="utf-8").split() == ["inspector.before-inspection"] * 2
    assert isinstance(found[4], InspectorDied)
    for raw, one in zip(letters[:4] + letters[5:], found[:4] + found[5:], strict=True):
        assert isinstance(one, Inspected)
        assert by_inspection(raw, one) == answer(raw)


def test_one_over_which_its_inspector_comes_to_no_end_is_given_up_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    letters = raws(5)
    endless = sha256(letters[2]).hexdigest()
    monkeypatch.setenv("SARABAN_FAILPOINTS", f"inspector.before-inspection:{endless}=stop@*")
    with inspectors(1, within=2.0) as pool:
        found = asked(pool, letters)
    assert isinstance(found[2], InspectorDied)
    for raw, one in zip(letters[:2] + letters[3:], found[:2] + found[3:], strict=True):
        assert isinstance(one, Inspected)
        assert by_inspection(raw, one) == answer(raw)


def no_room(self: BaseProcess) -> None:
    raise BlockingIOError(11, "Resource temporarily unavailable")


async def test_a_router_that_can_start_none_takes_what_came_again_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(BaseProcess, "start", no_room)
    nothing: Any = None
    with inspectors(1) as pool:
        # It gets no further than its inspectors.
        router = Processor(
            rules=nothing,
            examined_under=nothing,
            ledger=nothing,
            depot=nothing,
            appends=nothing,
            recorder=nothing,
            fanouts=nothing,
            metrics=nothing,
            shares=nothing,
            alarms=nothing,
            inspectors=pool,
        )
        outage = router.outage_event()
        settled = await router.process([delivery(raw) for raw in raws(3)])
        router.close()
    assert settled == [Settlement.RETRY_LATER] * 3
    assert outage.is_set()
    assert router.waits_for


def test_where_no_process_can_be_started_nobody_is_blamed(monkeypatch: pytest.MonkeyPatch) -> None:
    letters = raws(2)
    with inspectors(1) as pool:
        with monkeypatch.context() as full:
            full.setattr(BaseProcess, "start", no_room)
            with pytest.raises(NoInspector):
                asked(pool, letters)
            assert not asyncio.run(pool.ready())
        assert asyncio.run(pool.ready())
        assert all(isinstance(one, Inspected) for one in asked(pool, letters))


def test_a_fault_in_an_inspector_stands_in_the_place_of_what_met_it(monkeypatch: pytest.MonkeyPatch) -> None:
    letters = raws(3)
    bad = sha256(letters[1]).hexdigest()
    monkeypatch.setenv("SARABAN_FAILPOINTS", f"inspector.before-inspection:{bad}=raise@*")
    with inspectors(1) as pool:
        found = asked(pool, letters)
    assert [type(one).__name__ for one in found] == ["Inspected", "FailpointReached", "Inspected"]


def test_a_password_in_the_routers_environment_is_in_none_of_an_inspectors(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SARABAN_BUS__BROKER__PASSWORD", "correct horse")
    with inspectors(1) as pool:
        asked(pool, raws(1))
        assert pool._pool.submit(os.getenv, "SARABAN_BUS__BROKER__PASSWORD").result() is None
