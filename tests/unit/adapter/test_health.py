"""What keeps an adapter from working is a line in `status` and `/readyz`: what, since when, what to do."""

from __future__ import annotations

import asyncio
import datetime as dt
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email.utils import format_datetime
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from structlog.testing import capture_logs

from adapters.agent.health import Health, of_login
from adapters.agent.verifying import Verifier
from adapters.depot import DepotClient, Probe
from adapters.mailbox import Mailbox
from adapters.mailbox.conditions import ConditionCode, Finding
from adapters.views import condition_lines
from bus.codes import load_codes
from bus.directory import BUS
from bus.documents.making import new_seal
from bus.errors import Transient
from bus.identifiers import AgencyCode
from bus.web import health_app
from tests.assets.digests import NO_BYTES
from tests.assets.factory import OCS, OPM, seal
from tests.unit.adapter.network import QUICK, Office
from tests.unit.adapter.test_command_line import Say, ask, say
from tests.unit.adapter.test_folder import LETTER, connector, lay_out, letters, names

__all__ = ["say"]
NOW = dt.datetime.now(dt.UTC)
DAY = dt.timedelta(days=1)


@dataclass
class Link:
    connected: bool = True
    blocked: bool = False
    why: str | None = None


@dataclass
class Depot:
    answer: Probe

    async def probe(self) -> Probe:
        return self.answer


def health(
    office: Office,
    *,
    link: Link | None = None,
    probe: Probe | None = None,
    own: x509.Certificate | None = None,
    bus: x509.Certificate | None = None,
) -> Health:
    return Health(
        office.mailbox,
        certificate=own or seal(office.mailbox.agency).certificate,
        bus_certificate=bus or seal(BUS).certificate,
        links=[Link(), link or Link()],
        depot=Depot(probe or Probe(ahead=0.5)),
    )


def codes(mailbox: Mailbox) -> list[str]:
    return [each.finding.code.value for each in mailbox.conditions.all()]


@pytest.mark.parametrize(
    ("link", "code"),
    [
        (
            Link(False, False, "ConnectionClosedByBroker: (403) 'ACCESS_REFUSED - Login was refused'"),
            "broker.refuses",
        ),
        (
            Link(False, False, "SSLCertVerificationError: CERTIFICATE_VERIFY_FAILED expired"),
            "broker.certificate",
        ),
        (Link(False, False, "StreamLostError: TLSV1_ALERT_UNKNOWN_CA"), "broker.refuses"),
        (Link(False, False, "StreamLostError: SSLV3_ALERT_CERTIFICATE_EXPIRED"), "broker.refuses"),
        (Link(False, False, "SSLError: TLSV1_ALERT_PROTOCOL_VERSION"), "broker.away"),
        (Link(False, False, "connection refused"), "broker.away"),
        (Link(True, True), "broker.blocked"),
    ],
)
async def test_trouble_with_the_broker_is_a_condition_until_it_ends(
    sender: Office, link: Link, code: str
) -> None:
    looked_at = health(sender, link=link)
    await looked_at.work()
    assert codes(sender.mailbox) == [code]
    link.connected, link.blocked, link.why = True, False, None
    await looked_at.work()
    assert codes(sender.mailbox) == []


async def test_a_connection_that_was_not_tried_yet_is_no_trouble(sender: Office) -> None:
    await health(sender, link=Link(connected=False)).work()
    assert codes(sender.mailbox) == []


@pytest.mark.parametrize(
    ("probe", "code", "detail"),
    [
        (Probe(why="ConnectError"), "depot.away", "ConnectError"),
        (Probe(why="the depot answered 503"), "depot.away", "503"),
        (
            Probe(why="[SSL: CERTIFICATE_VERIFY_FAILED] certificate has expired"),
            "depot.certificate",
            "expired",
        ),
        (Probe(ahead=600.0), "clock.wrong", "about 10 minutes ahead"),
        (Probe(ahead=-45.0), "clock.wrong", "less than a minute behind"),
    ],
)
async def test_trouble_with_the_depot_or_a_clock_is_a_condition(
    sender: Office, probe: Probe, code: str, detail: str
) -> None:
    await health(sender, probe=probe).work()
    (found,) = sender.mailbox.conditions.all()
    assert found.finding.code == code
    assert detail in found.finding.detail_en


def of_days(before: int, after: int) -> x509.Certificate:
    return new_seal("x", not_before=NOW + before * DAY, not_after=NOW + after * DAY).certificate


@pytest.mark.parametrize(
    ("own", "bus", "expected"),
    [
        ((-30, -1), (-1, 100), ["certificate.expired"]),
        ((-30, 10), (-1, 100), ["certificate.expires"]),
        ((1, 100), (-1, 100), ["certificate.early"]),
        ((-30, 100), (-30, -1), ["bus-certificate.expired"]),
        ((-30, 100), (-30, 100), []),
    ],
)
async def test_a_certificate_that_is_not_valid_is_a_condition(
    sender: Office, own: tuple[int, int], bus: tuple[int, int], expected: list[str]
) -> None:
    await health(sender, own=of_days(*own), bus=of_days(*bus)).work()
    assert codes(sender.mailbox) == expected


@pytest.mark.parametrize("first", ["directory", "verdict"])
async def test_the_certificate_of_another_bus_is_a_condition_until_the_right_one_is_set(
    sender: Office, tmp_path: Path, first: str
) -> None:
    foreign = new_seal("another bus").certificate
    if first == "directory":
        sender.mailbox.arrivals.store([sender.bus.directory()])
    else:
        row = sender.put(tmp_path)
        sender.mailbox.outbox.seal(row, b"<signed/>", NO_BYTES)
        sender.mailbox.arrivals.store([sender.bus.acceptance(sender.mailbox.outbox.get(row.id))])
    Verifier(sender.mailbox, foreign, QUICK).work()
    looked_at = health(sender, bus=foreign)
    await looked_at.work()
    assert codes(sender.mailbox) == ["bus-certificate.foreign"]
    sender.mailbox.arrivals.verify_again()
    sender.mailbox.arrivals.store([sender.bus.directory()])
    Verifier(sender.mailbox, seal(BUS).certificate, QUICK).work()
    await looked_at.work()
    assert codes(sender.mailbox) == []


@asynccontextmanager
async def answering(status: int, date: dt.datetime | None) -> AsyncIterator[str]:
    """An HTTP server that knows one answer."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        dated = f"Date: {format_datetime(date, usegmt=True)}\r\n" if date else ""
        writer.write(f"HTTP/1.1 {status} X\r\n{dated}Content-Length: 0\r\nConnection: close\r\n\r\n".encode())
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.mark.parametrize(
    ("status", "offset", "expected"),
    [(200, 0, 0.0), (200, -3600, 3600.0), (200, 120, -120.0), (503, 0, None)],
)
async def test_the_depots_clock_is_read_from_its_answers(
    status: int, offset: int, expected: float | None
) -> None:
    date = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=offset)
    async with answering(status, date) as url, DepotClient(url, OPM, seal(OPM)) as depot:
        found = await depot.probe()
    if expected is None:
        assert found == Probe(why="the depot answered 503")
    else:
        assert found.ahead is not None
        assert abs(found.ahead - expected) < 5


async def test_an_answer_without_a_date_says_nothing_of_clocks_and_no_answer_says_why() -> None:
    async with answering(200, None) as url, DepotClient(url, OPM, seal(OPM)) as depot:
        assert await depot.probe() == Probe()
    async with DepotClient(url, OPM, seal(OPM)) as depot:
        assert (await depot.probe()).why is not None


# ── the share ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("mount_point", ["gone", "empty", "a file", "a link to nowhere"])
@pytest.mark.parametrize("restarted", [False, True])
def test_an_unmounted_share_is_a_condition_and_nothing_is_written_where_it_was(
    sender: Office, tmp_path: Path, mount_point: str, restarted: bool
) -> None:
    exchange = tmp_path / "exchange"
    link = connector(sender, exchange)
    lay_out(exchange, "a", LETTER)
    exchange.rename(tmp_path / "share")
    match mount_point:
        case "empty":
            exchange.mkdir()
        case "a file":
            exchange.touch()
        case "a link to nowhere":
            exchange.symlink_to("nowhere")
    if restarted:
        link = connector(sender, exchange)
    for verb in (link.import_new, link.export_news):
        with pytest.raises(Transient):
            verb()
    assert codes(sender.mailbox) == ["folder.away", "folder.away"]
    assert not exchange.is_dir() or names(exchange) == []
    if mount_point == "empty":
        exchange.rmdir()
    else:
        exchange.unlink(missing_ok=True)
    (tmp_path / "share").rename(exchange)
    assert link.import_new() == 1
    link.export_news()
    assert codes(sender.mailbox) == []
    assert len(letters(sender.mailbox)) == 1


def test_a_single_folder_that_is_taken_away_is_made_anew(sender: Office, tmp_path: Path) -> None:
    link = connector(sender, tmp_path / "exchange")
    for name in ("failed", "sent", "receipts"):
        (tmp_path / "exchange" / name).rmdir()
    lay_out(tmp_path / "exchange", "a", LETTER)
    assert link.import_new() == 1
    assert codes(sender.mailbox) == []


def test_a_folder_that_is_a_link_is_not_used(sender: Office, tmp_path: Path) -> None:
    link = connector(sender, tmp_path / "exchange")
    os.rename(tmp_path / "exchange" / "working", tmp_path / "elsewhere")
    (tmp_path / "exchange" / "working").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Transient):
        link.import_new()
    assert codes(sender.mailbox) == ["folder.away"]


# ── what is shown ───────────────────────────────────────────────────────────────────────────────


def test_a_condition_keeps_its_beginning_and_other_processes_see_it(
    open_office: Callable[[AgencyCode], Office], say: Say, tmp_path: Path
) -> None:
    office = open_office(OCS)
    finding = Finding(ConditionCode.CLOCK_WRONG, "", "ช้า", "behind")
    office.mailbox.conditions.report("adapter", [finding])
    (began,) = office.mailbox.conditions.all()
    with Mailbox(tmp_path / OCS, OCS) as restarted:
        restarted.conditions.report("adapter", [Finding(ConditionCode.CLOCK_WRONG, "", "ช้า", "more behind")])
    (shown,) = ask(say, OCS, "status")["conditions"]
    assert shown["code"] == "clock.wrong"
    assert shown["since"]["iso"] == began.since
    assert shown["detail_en"] == "more behind"
    assert "NTP" in shown["advice_th"]
    status, out, _ = say(OCS, "status")
    assert status == 0
    assert "clock.wrong" in out
    office.mailbox.conditions.report("another", [])
    assert codes(office.mailbox) == ["clock.wrong"]


def test_a_condition_about_any_text_can_be_stored_and_shown(sender: Office) -> None:
    finding = Finding(ConditionCode.OUTBOX_STUCK, "\udce0\ud800\x1b[2J\n", "\udcff", "\u202e")
    sender.mailbox.conditions.report("folder.import_new", [finding])
    (found,) = sender.mailbox.conditions.all()
    for line in condition_lines(found):
        assert line.encode()
        assert "\n" not in line
        assert "\x1b" not in line


async def test_readyz_has_a_line_of_each_language_for_each_condition(sender: Office) -> None:
    mailbox = sender.mailbox
    mailbox.conditions.report(
        "folder.import_new", [Finding(ConditionCode.FOLDER_AWAY, "/srv/share", "x", "x")]
    )
    app = health_app(
        reasons=mailbox.conditions.stopping,
        metrics=bytes,
        lines=lambda: [line for each in mailbox.conditions.all() for line in condition_lines(each)],
    )
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://adapter") as http:
        answer = await http.get("/readyz")
        assert answer.status_code == 503
        first, why, th, en, _ = answer.text.split("\n")
        assert first == "not ready"
        assert why == "folder.away"
        assert "แฟ้มแลกเปลี่ยน" in th
        assert "ตั้งแต่" in th
        assert "may not be mounted" in en
        assert "Mount the share" in en
        mailbox.conditions.report("folder.import_new", [Finding(ConditionCode.OUTBOX_UNKNOWN, "x.pdf")])
        answer = await http.get("/readyz")
        assert answer.status_code == 200
        assert answer.text.startswith("ready\noutbox.unknown")


def test_every_condition_has_its_words_and_no_words_are_without_a_condition() -> None:
    known = load_codes().conditions
    assert set(known) == {code.value for code in ConditionCode}
    for words in known.values():
        assert any("ก" <= letter <= "ฮ" for letter in words.th)
        assert any("ก" <= letter <= "ฮ" for letter in words.advice_th)
        assert words.en.endswith(".")
        assert words.advice_en.endswith(".")


@pytest.mark.parametrize(("days", "found"), [(31, 0), (29, 1), (-1, 1)])
def test_a_certificate_for_the_brokers_login_is_a_condition_from_thirty_days_before_its_end(
    days: int, found: int
) -> None:
    login = new_seal("agency.0100100000", not_before=NOW - 9 * DAY, not_after=NOW + days * DAY).certificate
    assert [each.code for each in of_login(login, NOW)] == [ConditionCode.BROKER_LOGIN_ENDS] * found


async def test_certificates_that_end_within_sixty_days_are_logged_once_a_day(
    sender: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    looking = health(sender, own=new_seal(OPM, not_after=NOW + 59.5 * DAY).certificate)
    later = NOW
    monkeypatch.setattr("adapters.agent.health.now", lambda: later)
    with capture_logs() as lines:
        for hours in (0, 1, 23, 25):
            later = NOW + dt.timedelta(hours=hours)
            await looking.work()
    said = [one for one in lines if one["event"] == "certificate-ends" and one["certificate"] == "seal"]
    assert [one["days"] for one in said] == [59, 58]
