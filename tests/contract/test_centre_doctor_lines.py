"""Single lines of the centre's doctor: whose certificates end, what waits, and clocks that differ."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from bus.checks import clocks, ledger, machine
from bus.directory import Agency, PinnedCertificate
from bus.directory.model import State
from bus.doctor import Found, Level
from bus.documents.authority import Authority
from bus.documents.making import KeyFiles, new_seal, write_pair
from bus.enrolment.deciding import change_directory, with_agency
from bus.enrolment.process import run_enrolment
from bus.errors import Misconfigured
from bus.identifiers import AgencyCode
from bus.installing import Wanted, make
from bus.ledger.entry import Kind
from bus.ledger.store import Ledger
from bus.router.signers import bus_seal
from bus.serve import _end_of_certificate
from bus.settings.bus import BusSettings, load_bus_settings
from tests.assets.operators import by

LASTING, ENDING, ENDED, SUSPENDED = (AgencyCode(f"000000000{n}") for n in range(1, 5))


@pytest.fixture
def settings(tmp_path: Path) -> BusSettings:
    """Of a centre with four agencies, whose certificates end at different times."""
    list(make(tmp_path / "bus.toml", Wanted()))
    settings, at = load_bus_settings(tmp_path / "bus.toml"), datetime.now(UTC)
    ends = {
        LASTING: timedelta(days=40),
        ENDING: timedelta(days=20),
        ENDED: -timedelta(minutes=1),
        SUSPENDED: -timedelta(minutes=1),
    }
    with Ledger(settings.ledger.address()) as opened:
        for code, end in ends.items():
            pin = PinnedCertificate.of(new_seal(code, not_after=at + end).certificate)
            state: State = "suspended" if code == SUSPENDED else "active"
            agency = Agency(code=code, name_th="ตัวอย่าง", name_en="Sample", certificates=(pin,), state=state)
            change_directory(
                opened,
                lambda directory, agency=agency: with_agency(directory, agency),  # type: ignore[misc]
                bus_seal(settings),
                operator=by("test"),
                reason="test",
            )
    return settings


def said(found: list[Found], level: Level) -> str:
    return "\n".join(one.sentence for one in found if one.level is level)


def test_who_cannot_sign_now_and_who_cannot_in_a_month_are_told_apart(settings: BusSettings) -> None:
    found = ledger._read(settings, ledger._agencies)
    failed, warned = said(found, Level.FAIL), said(found, Level.WARN)
    assert ENDED in failed
    assert ENDING in warned
    assert not [code for code in (LASTING, SUSPENDED) if code in failed + warned]
    assert ENDING not in failed


def test_of_many_the_first_are_named_and_the_rest_counted() -> None:
    assert ledger._named([f"{n:010}" for n in range(12)]).endswith("0000000009 and 2 more")


def test_what_is_parked_waits_for_an_operator(settings: BusSettings) -> None:
    assert said(ledger._read(settings, ledger._waiting), Level.WARN) == ""
    with Ledger(settings.ledger.address()) as opened, opened.append() as writer:
        writer.entry(Kind.PARKED, agency=LASTING)
    assert "1 parked" in said(ledger._read(settings, ledger._waiting), Level.WARN)


@pytest.mark.parametrize(("seconds", "level"), [(0, 0), (-2.5, 0), (5, 1), (-5, 1), (40, 2), (-40, 2)])
def test_clocks_that_differ_are_told_with_the_way(seconds: float, level: int) -> None:
    found = clocks.compared("the database", datetime.now(UTC) - timedelta(seconds=seconds))
    assert found.level == level
    if level:
        assert ("ahead of" if seconds > 0 else "behind") in found.sentence


def test_every_certificate_of_the_settings_that_ends_has_its_line(tmp_path: Path) -> None:
    at = datetime.now(UTC)
    soon, later = new_seal("soon", not_after=at + timedelta(days=20)), new_seal("later")
    write_pair(soon.private_key, soon.certificate, KeyFiles.named(tmp_path, "soon"))
    write_pair(later.private_key, later.certificate, KeyFiles.named(tmp_path, "later"))
    shown, trusted = 'certificate = "{0}.crt.pem"\nkey = "{0}.key.pem"\n', 'ca_file = "{0}.crt.pem"\n'
    sections = {
        "seal": (shown, "the bus's seal"),
        "depot": (shown, "the depot's certificate"),
        "console": (shown, "the console's certificate"),
        "authority": (shown, "the private authority"),
        "evidence": ("tsa_" + trusted, "evidence.tsa_ca_file"),
        "broker": ('url = "amqps://localhost"\n' + shown, "the routers' certificate at the broker (main)"),
        "clusters.north": ('url = "amqps://localhost"\n' + trusted, "the broker's ca_file (north)"),
    }
    for ending, (_, line) in sections.items():
        text = "".join(
            f"[{name}]\n{body.format('soon' if name == ending else 'later')}"
            for name, (body, _) in sections.items()
        )
        (tmp_path / "bus.toml").write_text(text, encoding="utf-8")
        found = list(machine._certificates(load_bus_settings(tmp_path / "bus.toml")))
        warned = [one.sentence for one in found if one.level]
        assert len(warned) == 1, ending
        assert warned[0].startswith(f"{line} expires in 19 days")


def test_the_depot_shows_when_the_first_certificate_that_it_serves_ends(tmp_path: Path) -> None:
    made = new_seal("depot", not_after=datetime.now(UTC) + timedelta(days=9, hours=1))
    files = KeyFiles.named(tmp_path, "depot")
    write_pair(made.private_key, made.certificate, files)
    Authority.make("sample").write(KeyFiles.named(tmp_path, "ca"))
    with files.certificate.open("ab") as chain:
        chain.write((tmp_path / "ca.crt.pem").read_bytes())
    registry = CollectorRegistry()
    _end_of_certificate(files.certificate, registry)
    assert registry.get_sample_value("saraban_depot_certificate_days_left", {"certificate": "tls"}) == 9


async def test_enrolment_answers_nothing_with_a_seal_that_has_ended(
    settings: BusSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop = asyncio.Event()
    running = asyncio.create_task(run_enrolment(settings, stop))
    done, _ = await asyncio.wait({running}, timeout=0.5)
    assert not done  # it is at work
    monkeypatch.setattr("bus.enrolment.process.now", lambda: datetime.now(UTC) + timedelta(days=36500))
    with pytest.raises(Misconfigured):
        await asyncio.wait_for(running, 60)
