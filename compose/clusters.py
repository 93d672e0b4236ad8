"""A local bus whose agencies are on several broker clusters."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bus.broker.admin import apply
from bus.broker.management import Management
from bus.broker.topology import topology_for
from bus.identifiers import MAIN, AgencyCode
from compose.files import toml_of
from compose.local import Broker, LocalBus


class ClusteredBus(LocalBus):
    """As a `LocalBus`; `clusters` are those besides its own broker, by the names that its directory uses."""

    def __init__(self, folder: Path, *, clusters: Mapping[str, Broker], **options: Any) -> None:
        super().__init__(folder, **options)
        self._clusters = dict(clusters)

    @property
    def brokers(self) -> dict[str, Broker]:
        """Every broker by the name of its cluster."""
        return {MAIN: self.broker, **self._clusters}

    def broker_of(self, code: str) -> Broker:
        """Return the broker that an agency's queues are on, by the directory file as it is now."""
        return self.brokers[self.directory.cluster_of(AgencyCode(code)) or MAIN]

    def apply_topology(self) -> None:
        """Declare at each broker what its own agencies need."""
        for name, broker in self.brokers.items():
            wanted = topology_for(self.directory.inboxes_on(name), vhost=self.vhost, **self._inbox_limits)
            with Management(broker.management_url) as management:
                apply(wanted, management, self.passwords)

    def _write_bus_settings(self) -> None:
        super()._write_bus_settings()
        sections = {
            name: self._broker_settings(broker, f"administrator.{name}")
            for name, broker in self._clusters.items()
        }
        with (self.folder / "bus.toml").open("a", encoding="utf-8") as file:
            file.write(toml_of({"clusters": sections}) + "\n")
