"""A fan-out for each broker cluster: what is for an agency goes to the cluster that the directory names for it.

Each has its own list of what waits, its own limits of memory and of bytes on the way, and sweeps for its own agencies
only. So a cluster that is away uses up nothing that another needs, however much is pending for it. What is for an
agency of a cluster that the settings do not have stays pending; an agency that the directory no longer has is taken to
be on `main`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from bus.directory import Directory
from bus.identifiers import MAIN, AgencyCode
from bus.ledger.rows import Consignment
from bus.ledger.work import ANYONE, Whose
from bus.router.fanout import Fanout


class Fanouts:
    """Hands each consignment to the fan-out of its agency's cluster."""

    def __init__(self, of_cluster: Mapping[str, Fanout], directory: Callable[[], Directory]) -> None:
        """`directory` returns the one in force."""
        self.of_cluster = of_cluster
        self._directory = directory

    def publish(self, consignments: Iterable[Consignment]) -> None:
        """Publish consignments that this router has just committed and leased."""
        directory = self._directory()
        for consignment in consignments:
            fanout = self.of_cluster.get(directory.cluster_of(consignment.agency) or MAIN)
            if fanout is not None:
                fanout.publish([consignment])

    def sweep_now(self) -> None:
        """Look for pending consignments without waiting for the next sweep."""
        for fanout in self.of_cluster.values():
            fanout.sweep_now()

    @property
    def open_circuits(self) -> list[AgencyCode]:
        """The agencies whose inbox failed at the last attempt."""
        return sorted(code for fanout in self.of_cluster.values() for code in fanout.open_circuits)

    @property
    def published(self) -> int:
        """How many consignments the brokers have confirmed since the start."""
        return sum(fanout.published for fanout in self.of_cluster.values())


def whose_on(cluster: str, directory: Directory) -> Whose:
    """Return the agencies for which a cluster's fan-out sweeps."""
    if cluster != MAIN:
        return Whose(among=directory.inboxes_on(cluster))
    elsewhere = [code for name in directory.clusters if name != MAIN for code in directory.inboxes_on(name)]
    return Whose(without=elsewhere) if elsewhere else ANYONE
