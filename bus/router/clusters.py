"""What a router has of each broker cluster: two connections, for a broker in need blocks those that publish.

The cluster of `[broker]` is `main`; an operator with one cluster reads nothing of its name.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial

from bus.broker.hosts import Hosts
from bus.broker.link import Link
from bus.identifiers import MAIN
from bus.settings.bus import Broker
from bus.settings.clusters import section_of


@dataclass(frozen=True, slots=True)
class Cluster:
    """A broker cluster as a router reaches it."""

    name: str
    broker: Broker
    intake: Link
    outlet: Link

    @property
    def connected(self) -> bool:
        """Whether both connections are there."""
        return self.intake.connected and self.outlet.connected

    @property
    def trouble(self) -> str | None:
        """Why nothing gets through one of them now; None while something does."""
        return self.intake.trouble or self.outlet.trouble


@asynccontextmanager
async def connected(router: str, brokers: dict[str, Broker]) -> AsyncIterator[list[Cluster]]:
    """Give every cluster, with links that connect by themselves and are closed at the end of the block."""
    async with AsyncExitStack() as stack:
        found = []
        for name, broker in brokers.items():
            with section_of(name):
                hosts = Hosts(broker.address())
                link = partial(Link, hosts, heartbeat=broker.heartbeat, tls=broker.tls())
            suffix = "" if name == MAIN else f" {name}"
            intake = await stack.enter_async_context(link(name=f"{router} intake{suffix}"))
            outlet = await stack.enter_async_context(link(name=f"{router} outlet{suffix}"))
            found.append(Cluster(name, broker, intake, outlet))
        yield found


def of_each(clusters: Sequence[Cluster], reason: Callable[[Cluster], str | None]) -> str | None:
    """Say what holds of some clusters, each by its name where there are several; None if nothing does."""
    found = {cluster.name: said for cluster in clusters if (said := reason(cluster))}
    if len(clusters) == 1:
        return next(iter(found.values()), None)
    return "; ".join(f"cluster {name}: {said}" for name, said in found.items()) or None
