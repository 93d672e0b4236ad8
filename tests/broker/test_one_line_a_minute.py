"""A broker that cannot be reached is one plain line a minute: which hosts, as whom, why, and what to do."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from structlog.testing import capture_logs

from bus import logs
from bus.broker.hosts import Hosts
from bus.broker.keeping import Keeping
from bus.broker.link import Link
from bus.logs import configure
from compose.local import free_port
from tests.broker.samples import until
from tests.fixtures.broker import TESTER, Vhost


@pytest.fixture
def attempts(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The hosts in the order in which they were tried."""
    tried: list[str] = []
    connect = Keeping._connect

    async def counted(self: Keeping, host: str, within: float) -> Any:
        tried.append(host)
        return await connect(self, host, within)

    monkeypatch.setattr(Keeping, "_connect", counted)
    return tried


def said(lines: list[Any]) -> list[Any]:
    return [each for each in lines if each["event"] == "broker-away"]


async def test_a_wrong_password_is_one_line_with_user_host_reason_and_advice(
    vhost: Vhost, attempts: list[str]
) -> None:
    url = vhost.url()
    password = url.partition("://")[2].partition("@")[0].partition(":")[2]
    hosts = Hosts(url.replace(password, "wr0ng-s3cret"))
    with capture_logs() as lines:
        async with Link(hosts, name="outward"), Link(hosts, name="inward"):
            await until(lambda: len(attempts) >= 6)
    (line,) = said(lines)
    assert line["user"] == TESTER
    assert f":{vhost.node.ports.amqp}" in line["hosts"]
    assert "ACCESS_REFUSED" in line["reason"]
    assert "(403)" in line["reason"]
    assert "broker.password_file" in line["do"]
    assert "s3cret" not in str(lines)


async def test_of_several_hosts_the_line_has_each_with_its_reason(attempts: list[str]) -> None:
    ports = free_port(), free_port()
    url = f"amqp://agency.1:s3cret@127.0.0.1:{ports[0]},no-such-host.invalid:{ports[1]}/v"
    with capture_logs() as lines:
        async with Link(url, name="test"):
            await until(lambda: len(attempts) >= 6)
    (line,) = said(lines)
    assert str(ports[0]) in line["hosts"]
    assert "no-such-host.invalid" in line["hosts"]
    assert "Connection refused" in line["reason"]
    assert "DNS" in line["do"]
    assert "firewall" in line["do"]
    assert "s3cret" not in str(lines)


async def test_a_host_that_is_away_is_said_though_another_one_answers(
    vhost: Vhost, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead, alive = f"127.0.0.1:{free_port()}", f"127.0.0.1:{vhost.node.ports.amqp}"
    hosts = Hosts(vhost.url().replace(alive, f"{dead},{alive}"))
    hosts.put_last(alive)
    with capture_logs() as lines:
        async with Link(hosts, name="test") as link:
            await link.wait_connected()
    (line,) = said(lines)
    assert line["hosts"] == dead


def test_the_next_line_comes_after_a_minute_and_none_once_all_can_be_reached() -> None:
    hosts = Hosts("amqp://u:p@h1:1,h2:2/v")
    assert not hosts.to_be_said(0.0)
    hosts.away["h1:1"] = "refused"
    assert [hosts.to_be_said(at) for at in (0.0, 1.0, 59.9, 60.0, 61.0, 120.0)] == [
        True, False, False, True, False, True,
    ]  # fmt: skip
    hosts.away.clear()
    assert not hosts.to_be_said(500.0)


@pytest.fixture
def logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    levels = {name: logging.getLogger(name).level for name in logs._LEVELS}
    yield
    root.handlers[:], root.level = before
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)
    logs._CONFIGURED.clear()
    structlog.reset_defaults()


async def test_nothing_of_what_pika_says_reaches_the_log(
    attempts: list[str], logging_as_it_was: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[str] = []

    class Ear(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            heard.append(record.name)

    monkeypatch.setattr(logs, "_catch_the_rest", lambda: None)
    configure("test")
    logging.getLogger().addHandler(Ear())
    async with Link(f"amqp://u:p@127.0.0.1:{free_port()}/v", name="test"):
        await until(lambda: len(attempts) >= 3)
    await asyncio.sleep(0)
    assert "broker" in heard
    assert not [name for name in heard if name.startswith("pika")]
