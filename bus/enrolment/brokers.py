"""What a broker cluster needs for agencies, by the settings, and having it made."""

from __future__ import annotations

from collections.abc import Callable, Collection

from bus.broker import topology
from bus.broker.admin import apply
from bus.broker.management import Management
from bus.broker.passwords import Passwords
from bus.directory import Agency
from bus.settings.bus import Broker, BusSettings
from bus.settings.sections import with_credentials
from bus.thai import now


def topology_of(settings: BusSettings, cluster: str, agencies: Collection[Agency]) -> topology.Topology:
    """Return what a broker cluster needs for these agencies."""
    broker, shares = settings.brokers[cluster], settings.shares
    limits = topology.Limits(
        intake_messages=shares.intake_messages,
        intake_bytes=shares.intake_bytes,
        connections=shares.connections,
        channels=shares.channels,
    )
    by_certificate = {topology.user_of(one.code) for one in agencies if one.broker_login == "certificate"}
    if broker.certificate is not None:
        by_certificate.add(topology.ROUTER)
    return topology.topology_for(
        [one.code for one in agencies],
        vhost=broker.vhost,
        inbox_max_length=broker.inbox_max_messages or None,
        inbox_max_bytes=broker.inbox_max_bytes or None,
        limits=limits,
        by_certificate=by_certificate,
        locked_out=[one.code for one in agencies if one.without_key(now())],
    )


def management_of(broker: Broker) -> Management:
    """Return the management interface of a broker cluster, as its administrator."""
    url = with_credentials(broker.management_url, broker.management_user, broker.management_password_text())
    return Management(url, tls=broker.management_tls())


def broker_made_ready(settings: BusSettings) -> Callable[[Agency], str]:
    """Return what declares an agency's queues, exchange and user, and returns its password, "" where it has none."""

    def ready(agency: Agency) -> str:
        broker = settings.brokers[agency.cluster]
        passwords = Passwords(broker.passwords_folder)
        with management_of(broker) as management:
            apply(topology_of(settings, agency.cluster, [agency]), management, passwords, by_name=True)
        by_password = agency.broker_login == "password"
        return passwords.of(topology.user_of(agency.code)) if by_password else ""

    return ready
