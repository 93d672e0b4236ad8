"""Nothing leaves this machine unencrypted or through somebody's proxy, unless a setting says so in words."""

from __future__ import annotations

import ast
import asyncio
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.depot import DepotClient
from adapters.log import LogClient
from adapters.mailbox import Mailbox
from bus.broker.management import Management
from bus.depot.client import PresenceClient
from bus.depot.presence import Check
from bus.errors import Misconfigured, Transient
from bus.evidence.stamping import _asked
from bus.settings.adapter import AdapterSettings, load_adapter_settings
from bus.settings.bus import BusSettings, load_bus_settings
from bus.settings.loading import Settings
from bus.settings.transport import is_this_machine
from tests.assets import factory
from tests.assets.described import describe
from tests.assets.digests import NO_BYTES
from tests.assets.factory import OPM
from tests.project import ROOT

AWAY = {
    "broker": [("broker.url", "amqp://mq.example.go.th", "amqps://")],
    "one of two brokers": [("broker.url", "amqp://127.0.0.1:5672,mq.example.go.th:5672", "amqps://")],
    "management": [("broker.management_url", "http://192.0.2.7:15672", "https://")],
    "depot": [("depot.url", "http://depot.example.go.th", "https://")],
    "ipv6": [("depot.url", "http://[2001:db8::1]:8470", "https://")],
    "looks like this machine": [("depot.url", "http://127.0.0.1.example.com", "https://")],
    "localhost of another": [("depot.url", "http://localhost.example.com", "https://")],
    "every address": [("depot.listen_host", "0.0.0.0", "TLS proxy")],  # noqa: S104
    "every address of IPv6": [("depot.listen_host", "::", "TLS proxy")],
    "time-stamp authority": [("evidence.tsa_url", "http://tsa.example.go.th/tsr", "https://")],
    "database": [("ledger.url", "postgresql://u@db.example.go.th/s", "verify-full")],
    "database that is not verified": [
        ("ledger.url", "postgresql://u@db.example.go.th/s?sslmode=require", "verify-full")
    ],
    "database by its query": [("ledger.url", "postgresql://u@/s?host=db.example.go.th", "verify-full")],
    "one of two databases": [
        ("ledger.url", "postgresql://u@/s?host=/run/pg,db.example.go.th", "verify-full")
    ],
    "database by a service": [("ledger.url", "postgresql:///s?service=main", "verify-full")],
    "the depot's database": [("depot.database", "postgresql+psycopg://u@10.0.0.7/s", "verify-full")],
}
HERE = [
    ("broker.url", "amqp://localhost"),
    ("broker.url", "amqp://[::1]"),
    ("broker.url", "amqps://mq.example.go.th"),
    ("broker.url", "amqp://127.0.0.1:5672,[::1]:5673"),
    ("broker.url", "amqps://mq1.example.go.th:5671,mq2.example.go.th"),
    ("depot.url", "https://depot.example.go.th"),
    ("depot.url", "http://127.8.9.10:8470"),
    ("depot.listen_host", "::1"),
    ("evidence.tsa_url", "https://tsa.example.go.th/tsr"),
    ("ledger.url", "postgresql:///saraban"),
    ("ledger.url", "postgresql://u@/s?host=/run/postgresql"),
    ("ledger.url", "postgresql://u@db.example.go.th/s?sslmode=verify-full"),
    ("ledger.url", "sqlite:///var/ledger.db"),
]


def written(folder: Path, key: str, value: str, more: str = "") -> Path:
    section, _, name = key.partition(".")
    path = folder / "bus.toml"
    path.write_text(f'[{section}]\n{name} = "{value}"\n{more}')
    return path


@pytest.mark.parametrize(("key", "value", "fix"), [each for cases in AWAY.values() for each in cases])
def test_what_would_leave_unprotected_is_a_mistake_until_a_setting_says_so(
    tmp_path: Path, key: str, value: str, fix: str
) -> None:
    with pytest.raises(Misconfigured) as found:
        load_bus_settings(written(tmp_path, key, value))
    (problem,) = found.value.problems
    assert problem.key == key
    assert fix in problem.fix
    allowed = f"{key.partition('.')[0]}.insecure_transport = true"
    assert allowed in problem.fix
    load_bus_settings(written(tmp_path, key, value, "insecure_transport = true\n"))


@pytest.mark.parametrize(("key", "value"), HERE)
def test_what_stays_here_or_is_protected_passes(tmp_path: Path, key: str, value: str) -> None:
    load_bus_settings(written(tmp_path, key, value))


def test_a_depot_with_a_certificate_may_listen_to_other_machines_and_goes_on_to_be_asked_over_https(
    tmp_path: Path,
) -> None:
    shown = 'certificate = "c.pem"\nkey = "k.pem"\n'
    load_bus_settings(written(tmp_path, "depot.listen_host", "0.0.0.0", shown))  # noqa: S104
    with pytest.raises(Misconfigured, match="goes unencrypted to another machine"):
        load_bus_settings(written(tmp_path, "depot.url", "http://depot.example.go.th", shown))


OFFICE_AWAY = [
    "postgresql://u@db.example.go.th/x?sslmode=require",
    "mssql://u@db.example.go.th/x",
    "mssql://u@db.example.go.th/x?Encrypt=yes&TrustServerCertificate=yes",
    "mssql://u@db.example.go.th/x?Encrypt=yes&TrustServerCertificate=no&odbc_connect=x",
    "oracle://u@db.example.go.th/x",
    "oracle://u@db.example.go.th/x?protocol=tcps&ssl_server_dn_match=false",
]
OFFICE_HERE = [
    "postgresql://u@db.example.go.th/x?sslmode=verify-full",
    "mssql://u@db.example.go.th/x?Encrypt=yes&TrustServerCertificate=no",
    "mssql://u@127.0.0.1/x",
    "oracle://u@db.example.go.th/x?protocol=tcps",
    "mariadb://u@db.example.go.th/x",
]


def _office(folder: Path, url: str, more: str = "") -> Path:
    path = folder / "adapter.toml"
    path.write_text(f'agency = "{OPM}"\n[connectors.sql]\nurl = "{url}"\n{more}')
    return path


@pytest.mark.parametrize("url", OFFICE_AWAY)
def test_an_offices_database_shows_who_it_is(tmp_path: Path, url: str) -> None:
    with pytest.raises(Misconfigured, match="does not verify that it is the right one"):
        load_adapter_settings(_office(tmp_path, url))
    load_adapter_settings(_office(tmp_path, url, "insecure_transport = true\n"))


@pytest.mark.parametrize("url", OFFICE_HERE)
def test_an_offices_database_that_does_or_is_here_passes(tmp_path: Path, url: str) -> None:
    load_adapter_settings(_office(tmp_path, url))


@pytest.mark.parametrize("key", ["broker.url", "depot.url"])
def test_an_adapters_addresses_are_held_to_the_same(tmp_path: Path, key: str) -> None:
    scheme = "amqp" if key.startswith("broker") else "http"
    path = written(tmp_path, key, f"{scheme}://bus.example.go.th")
    path.write_text(f'agency = "{OPM}"\n' + path.read_text())
    with pytest.raises(Misconfigured, match="goes unencrypted to another machine"):
        load_adapter_settings(path)


def test_an_address_from_the_environment_is_named_by_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SARABAN_BUS__DEPOT__URL", "http://depot.example.go.th")
    with pytest.raises(Misconfigured, match="SARABAN_BUS__DEPOT__URL: goes unencrypted"):
        load_bus_settings()


@pytest.mark.parametrize("model", [BusSettings, AdapterSettings])
def test_every_section_with_an_address_has_the_setting(model: type[Settings]) -> None:
    keys = {each.key for each in describe(model)}
    for each in describe(model):
        section, _, name = each.key.rpartition(".")
        if "url" in name or name in ("database", "listen_host"):
            assert f"{section}.insecure_transport" in keys, each.key


@given(st.ip_addresses().map(str))
def test_this_machine_is_loopback_and_nothing_else(address: str) -> None:
    assert is_this_machine(address) == (address.startswith("127.") or address == "::1")


# ── proxies of the environment ──────────────────────────────────────────────────────────────────────

NOBODY = "http://127.0.0.1:9"
"""Where nothing listens (RFC 863 is long gone); a client that asks a proxy instead fails in another way."""
SEAL = factory.seal(OPM)


async def _holds() -> None:
    async with PresenceClient(NOBODY, SEAL) as depot:
        await depot.hold([Check(OPM, NO_BYTES, 1)])


async def _log() -> None:
    async with LogClient(NOBODY) as log:
        await log.anchor()


async def _depot() -> None:
    async with DepotClient(NOBODY, OPM, SEAL) as depot:
        await depot.probe()
        raise Transient("asked")


async def _management() -> None:
    with Management("http://u:p@127.0.0.1:9") as management:
        management.get("vhosts")


async def _stamp() -> None:
    _asked(NOBODY, b"")


@pytest.mark.parametrize("variable", ["ALL_PROXY", "all_proxy", "HTTP_PROXY", "http_proxy", "HTTPS_PROXY"])
@pytest.mark.parametrize(
    "proxy", ["socks5://proxy.invalid:1080", "nonsense://x", "http://u:secret@proxy.invalid"]
)
@pytest.mark.parametrize("ask", [_holds, _log, _depot, _management, _stamp])
def test_no_client_looks_for_a_proxy_in_the_environment(
    monkeypatch: pytest.MonkeyPatch, variable: str, proxy: str, ask: Callable[[], Awaitable[None]]
) -> None:
    monkeypatch.setenv(variable, proxy)
    with pytest.raises(Transient) as away:
        asyncio.run(ask())  # type: ignore[arg-type]
    assert "secret" not in str(away.value)


def test_every_client_of_http_is_told_not_to_look_at_the_environment() -> None:
    calls = [
        (path, call)
        for room in ("bus", "adapters")
        for path in (ROOT / room).rglob("*.py")
        for call in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(call, ast.Call) and ast.unparse(call.func).startswith("httpx.")
    ]
    clients = [
        (path, call) for path, call in calls if ast.unparse(call.func) not in ("httpx.URL", "httpx.BasicAuth")
    ]
    assert len(clients) >= 4
    for path, call in clients:
        told = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
        assert told.get("trust_env") == "False", f"{path}:{call.lineno}"


def test_a_command_does_its_work_whatever_proxy_is_named(tmp_path: Path) -> None:
    (tmp_path / "adapter.toml").write_text(f'agency = "{OPM}"\n')
    Mailbox(tmp_path / "mailbox", OPM).close()
    done = subprocess.run(
        [sys.executable, "-m", "adapters", "--config", str(tmp_path / "adapter.toml"), "status"],
        env={"ALL_PROXY": "socks5://proxy.invalid:1080", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
