"""One-time links by which the sample people of a bus that is tried out enter its console."""

from __future__ import annotations

from datetime import timedelta

from bus.console.store import Store
from bus.operators import Operator
from bus.settings.bus import load_bus_settings
from compose.local import LocalBus
from compose.people import PEOPLE

_LASTS = timedelta(hours=12)


def sample_links(bus: LocalBus) -> dict[str, str]:
    """Return, by the name of each sample person, an address that signs in once within twelve hours."""
    console = load_bus_settings(bus.folder / "bus.toml").console
    with Store(console.database_address()) as store:
        return {
            name: f"{console.address}/sign-in?link={store.make_link(Operator(name, role, 'local'), _LASTS)}"
            for name, (role, _) in PEOPLE.items()
        }
