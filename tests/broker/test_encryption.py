"""A real node that speaks TLS, by an authority of its own: whom we trust, and as whom it lets us in."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bus.broker.admin import apply, drift
from bus.broker.hosts import Hosts
from bus.broker.link import Link
from bus.broker.management import Management
from bus.broker.messages import Outgoing, Rejected, Unconfirmed
from bus.broker.topology import (
    ROUTER,
    Topology,
    inbox_queue,
    intake_queue,
    submit_exchange,
    topology_for,
    user_of,
)
from bus.documents.authority import Authority
from bus.documents.making import KeyFiles
from bus.errors import Misconfigured, Transient
from bus.settings.bus import Broker
from bus.settings.sections import with_credentials
from compose.encrypted import EncryptedNode
from tests.broker.samples import NEIGHBOUR, SENDER, message, until
from tests.fixtures.broker import TESTER, Vhost

BUILD = Path(__file__).parents[2] / "build" / "test"


@pytest.fixture(scope="module")
def broker_node() -> Iterator[EncryptedNode]:
    """In the place of the common node, one with TLS."""
    BUILD.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="encrypted-", dir=BUILD))
    try:
        with EncryptedNode(folder) as node:
            yield node
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The certificate of an authority that has nothing to do with the node."""
    files = KeyFiles.named(tmp_path_factory.mktemp("stranger"), "ca")
    Authority.make("Saraban Bus (sample)").write(files)
    return files.certificate


@pytest.fixture
def access(vhost: Vhost, broker_node: EncryptedNode) -> Callable[..., Broker]:
    """The settings with which a user reaches the node: by certificate if there is one, else by its password."""

    def settings(user: str, certificate: KeyFiles | None = None, **more: Any) -> Broker:
        shown: dict[str, Any] = {"password": vhost.passwords.of(user)}
        if certificate:
            shown = {"certificate": certificate.certificate, "key": certificate.key}
        trusted = {"ca_file": broker_node.ca_file, "url": broker_node.amqps_url}
        return Broker(vhost=vhost.name, user=user, **{**shown, **trusted, **more})

    return settings


def link_of(broker: Broker) -> Link:
    return Link(Hosts(broker.address()), name="test", tls=broker.tls())


def of_sender() -> Outgoing:
    return message(exchange=submit_exchange(SENDER), user_id=user_of(SENDER))


async def refused(broker: Broker) -> str:
    """Why the node does not let anybody in; the test fails if it does."""
    async with link_of(broker) as link:
        await until(lambda: link.connected or link.why is not None)
        assert not link.connected
        with pytest.raises(Unconfirmed) as caught:
            await link.publish(message("q"), deadline=0.5)
        assert not caught.value.sent
        return link.why or ""


# ── whom we trust ───────────────────────────────────────────────────────────────────────────────────


async def test_a_link_to_a_broker_of_the_trusted_authority_works(
    vhost: Vhost, access: Callable[..., Broker]
) -> None:
    vhost.declare("q")
    async with link_of(access(TESTER)) as link:
        for _ in range(20):
            await link.publish(message("q", body=b"x" * 50_000))
        assert (await link.depth("q")).messages == 20


@pytest.mark.parametrize("other", ["another authority of the same name", "the system's authorities"])
async def test_a_broker_of_another_authority_is_never_spoken_to(
    access: Callable[..., Broker], stranger: Path, other: str
) -> None:
    trusted = stranger if other.startswith("another") else None
    assert "CERTIFICATE_VERIFY_FAILED" in await refused(access(TESTER, ca_file=trusted))


async def test_a_broker_by_another_name_than_its_certificates_is_never_spoken_to(
    access: Callable[..., Broker], broker_node: EncryptedNode
) -> None:
    other = broker_node.amqps_url.replace("127.0.0.1", "localhost")
    assert "CERTIFICATE_VERIFY_FAILED" in await refused(access(TESTER, url=other))


def managed(broker: Broker, node: EncryptedNode, url: str = "") -> Management:
    login = with_credentials(url or node.https_url, "operator", node.operator_password)
    return Management(login, tls=broker.management_tls())


def test_the_management_is_reached_by_a_private_authority_and_by_no_other(
    access: Callable[..., Broker], broker_node: EncryptedNode, stranger: Path
) -> None:
    with managed(access(TESTER), broker_node) as management:
        assert management.get("whoami")["name"] == "operator"
    for trusted in (stranger, None):
        with (
            managed(access(TESTER, ca_file=trusted), broker_node) as management,
            pytest.raises(Transient, match="does not answer"),
        ):
            management.get("whoami")
    by_name = broker_node.https_url.replace("127.0.0.1", "localhost")
    with managed(access(TESTER), broker_node, by_name) as management, pytest.raises(Transient):
        management.get("whoami")


# ── as whom it lets us in ───────────────────────────────────────────────────────────────────────────


def differing(topology: Topology, vhost: Vhost) -> list[str]:
    """Where the node differs from the topology, but for the user that every test has."""
    found = drift(topology, vhost.management, vhost.passwords)
    return [one for one in found if TESTER not in one]


@pytest.fixture
def by_certificate(vhost: Vhost) -> None:
    """The topology of two agencies, of whom the sender and the routers log in by certificate."""
    users = {user_of(SENDER), ROUTER}
    topology = topology_for([SENDER, NEIGHBOUR], vhost=vhost.name, by_certificate=users)
    apply(topology, vhost.management, vhost.passwords)
    assert apply(topology, vhost.management, vhost.passwords) == []
    assert differing(topology, vhost) == []


@pytest.mark.usefixtures("by_certificate")
async def test_agency_and_router_log_in_by_certificate_and_are_who_it_says(
    access: Callable[..., Broker], broker_node: EncryptedNode
) -> None:
    own, router = broker_node.client(user_of(SENDER)), broker_node.client(ROUTER)
    async with (
        link_of(access(user_of(SENDER), own)) as link,
        link_of(access(ROUTER, router)) as reading,
    ):
        await link.publish(of_sender())
        (got,) = await reading.subscribe(intake_queue(SENDER), prefetch=1).take(1)
        assert (got.exchange, got.user_id) == (submit_exchange(SENDER), user_of(SENDER))
        assert (await link.depth(inbox_queue(SENDER))).messages == 0


@pytest.mark.usefixtures("by_certificate")
async def test_who_logs_in_by_certificate_has_no_password(
    vhost: Vhost, access: Callable[..., Broker], broker_node: EncryptedNode
) -> None:
    for password in ("", vhost.passwords.of(user_of(SENDER))):
        assert "ACCESS_REFUSED" in await refused(access(user_of(SENDER), password=password))
        url = with_credentials(broker_node.https_url, user_of(SENDER), password)
        with (
            Management(url, tls=access(TESTER).management_tls()) as management,
            pytest.raises(Misconfigured, match="refused"),
        ):
            management.get("whoami")


@pytest.mark.usefixtures("by_certificate")
async def test_beside_them_others_have_passwords(access: Callable[..., Broker]) -> None:
    async with link_of(access(user_of(NEIGHBOUR))) as link:
        await link.publish(message(exchange=submit_exchange(NEIGHBOUR), user_id=user_of(NEIGHBOUR)))


@pytest.mark.usefixtures("by_certificate")
async def test_a_certificate_says_who_one_is_whatever_the_settings_say(
    access: Callable[..., Broker], broker_node: EncryptedNode
) -> None:
    neighbours = broker_node.client(user_of(NEIGHBOUR))
    async with link_of(access(user_of(SENDER), neighbours)) as link:
        with pytest.raises((Rejected, Unconfirmed)):
            await link.publish(of_sender(), deadline=5)
    async with link_of(access(ROUTER, broker_node.client(ROUTER))) as reading:
        await until(lambda: reading.connected)
        assert (await reading.depth(intake_queue(SENDER))).messages == 0


@pytest.mark.usefixtures("by_certificate")
async def test_a_servers_certificate_lets_nobody_in(
    access: Callable[..., Broker], broker_node: EncryptedNode
) -> None:
    name = user_of(SENDER)
    shown = broker_node.issued(f"s.{name}", lambda public: broker_node.authority.server(public, [name]))
    assert "ALERT" in await refused(access(name, shown))


@pytest.mark.usefixtures("by_certificate")
async def test_a_certificate_of_another_authority_lets_nobody_in(
    access: Callable[..., Broker], broker_node: EncryptedNode
) -> None:
    other = Authority.make("Saraban Bus (sample)")
    name = user_of(SENDER)
    foreign = broker_node.issued(f"o.{name}", lambda public: other.client(public, name))
    assert "ALERT" in await refused(access(name, foreign))


@pytest.mark.usefixtures("by_certificate")
async def test_a_certificate_of_a_user_that_is_not_there_lets_nobody_in(
    access: Callable[..., Broker], broker_node: EncryptedNode
) -> None:
    nobody = broker_node.client("agency.9999999999")
    assert "ACCESS_REFUSED" in await refused(access("agency.9999999999", nobody))


@pytest.mark.usefixtures("by_certificate")
async def test_an_agency_that_goes_back_to_a_password_is_told_of_and_gets_one(
    vhost: Vhost, access: Callable[..., Broker]
) -> None:
    topology = topology_for([SENDER, NEIGHBOUR], vhost=vhost.name, by_certificate={ROUTER})
    assert differing(topology, vhost) == [
        f"user {user_of(SENDER)}: login is 'certificate' and should be 'password'"
    ]
    assert apply(topology, vhost.management, vhost.passwords) == [f"corrected user {user_of(SENDER)}"]
    async with link_of(access(user_of(SENDER))) as link:
        await link.publish(of_sender())
