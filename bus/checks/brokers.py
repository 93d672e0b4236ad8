"""Each broker cluster: every host as a router reaches it, and what the management tells of nodes and topology."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from bus.broker import topology
from bus.broker.admin import drift
from bus.broker.awaiting import to_do
from bus.broker.cluster import findings
from bus.broker.examining import Seen, look_at, look_at_certificate
from bus.broker.hosts import Hosts
from bus.broker.inboxes import inboxes, warnings
from bus.broker.management import Management
from bus.broker.messages import Away
from bus.broker.passwords import Passwords
from bus.checks.clocks import compared
from bus.checks.ledger import in_force
from bus.checks.machine import administers
from bus.doctor import Check, Found, Level, fail, in_thread, ok, warn
from bus.enrolment.brokers import management_of, topology_of
from bus.errors import Misconfigured, Transient
from bus.settings.bus import Broker, BusSettings
from bus.settings.transport import each_host

_SHOWN = 5
_BELIEVE = "Check broker.ca_file, the name in broker.url, the node's certificate and this machine's clock."
_ISSUE = "Have another issued, and put it in its place at the broker."


def checks(settings: BusSettings) -> list[Check]:
    """Yield for each cluster a check of each host, and one of what its management tells."""
    found = []
    for name, broker in settings.brokers.items():
        found += [Check(f"broker {host}", partial(_host, broker, host)) for host in each_host(broker.url)]
        look = partial(_management, settings, name, broker)
        found.append(Check(f"broker cluster {name}", in_thread(look)))
    return found


async def _host(broker: Broker, host: str) -> Sequence[Found]:
    try:
        hosts, tls = Hosts(broker.address()), broker.tls()
    except Misconfigured:
        return [fail("not looked at", "Mend what `configuration` says of the broker.")]
    certificate = await look_at_certificate(host, tls, believe=_BELIEVE, anew=_ISSUE)
    found = [] if certificate is None else [certificate]
    if certificate and certificate.level is Level.FAIL:
        return found
    largest = (topology.DELIVER, broker.max_message_bytes)
    try:
        seen = await look_at(
            hosts, host, queue=topology.PROBE, name="saraban-bus doctor", tls=tls, largest=largest
        )
    except Away as exc:
        fix = "Run `saraban-bus topology apply`." if "404" in str(exc) else to_do(str(exc))
        return [*found, fail(f"as {broker.user}: {exc}", fix)]
    return [*found, ok(f"{seen.product}, logged in as {broker.user}"), _of_size(seen, broker)]


def _of_size(seen: Seen, broker: Broker) -> Found:
    size = broker.max_message_bytes
    if seen.takes:
        return ok(f"it takes messages of {size} bytes (broker.max_message_bytes)")
    fix = "Set max_message_size at each node to that or more, or broker.max_message_bytes to what it has."
    return fail(f"it refuses messages of {size} bytes (broker.max_message_bytes)", fix)


def _management(settings: BusSettings, name: str, broker: Broker) -> Iterator[Found]:
    if not administers(broker):
        who = f"the password of {broker.management_user} is not on this machine"
        fix = "Run the doctor where `topology apply` is run too, or give broker.management_password_file."
        yield warn(f"nodes, alarms and topology are not looked at from here: {who}", fix)
        return
    try:
        with management_of(broker) as management:
            yield from _of_nodes(management, broker)
            yield from _of_topology(settings, name, broker, management)
    except Transient as away:
        fix = "See that the plugin rabbitmq_management is on, and check broker.management_url and broker.ca_file."
        yield fail(f"{broker.management_url}: {away}", fix)


def _of_nodes(management: Management, broker: Broker) -> Iterator[Found]:
    nodes = management.get("nodes")
    for node in nodes:
        what = f"node {node['name']}"
        if not node.get("running"):
            yield fail(f"{what} is down or cannot be reached", "Start it, or remove it from the cluster.")
            continue
        alarms = [kind for kind in ("mem_alarm", "disk_free_alarm") if node.get(kind)]
        if alarms:
            fix = "Free memory or disk there: nothing is published meanwhile."
            yield fail(f"{what} has an alarm: {', '.join(alarms)}", fix)
        if broker.certificate and "rabbitmq_auth_mechanism_ssl" not in (node.get("enabled_plugins") or ()):
            fix = "Run rabbitmq-plugins enable rabbitmq_auth_mechanism_ssl there."
            yield fail(f"{what} lets nobody log in by certificate", fix)
    if all(node.get("running") for node in nodes):
        yield ok(f"{len(nodes)} nodes, each of them running")
    if (clock := management.clock()) is not None:
        yield compared("the broker", clock)


def _of_topology(settings: BusSettings, name: str, broker: Broker, management: Management) -> Iterator[Found]:
    try:
        directory = in_force(settings)
        agencies = [directory.agencies[code] for code in directory.inboxes_on(name)]
        wanted = topology_of(settings, name, agencies)
    except (Misconfigured, Transient):
        yield fail("the topology is not compared", "Mend what `database` says.")
        return
    found = drift(wanted, management, _there(broker, wanted))
    if found:
        more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        yield fail(
            f"{'; '.join(found[:_SHOWN])}{more}", "Run `saraban-bus topology check`, and `topology apply`."
        )
        if "vhost" in found[0]:
            return
    else:
        yield ok(f"exchanges, queues, users and policies are those of {len(agencies)} agencies")
    for weak in findings(management, broker.vhost):
        yield warn(weak, "docs/operating.md, `A broker of several nodes`.")
    full = warnings(inboxes(management, broker.vhost), broker.inbox_max_messages, broker.inbox_max_bytes)
    for one in full[:_SHOWN]:
        yield warn(one, "Call that agency: its adapter does not read, or too slowly.")


def _there(broker: Broker, wanted: topology.Topology) -> Passwords | None:
    """Return the passwords to be compared; None where some are not there, for to ask for one would make it."""
    folder = broker.passwords_folder
    users = [user.name for user in wanted.users if user.login == "password"]
    return Passwords(folder) if all((folder / user).exists() for user in users) else None
