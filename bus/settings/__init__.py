"""Settings of the bus and of an adapter: a TOML file, overruled by the environment.

A relative path is relative to the file that it stands in (or to the working folder, when there is no file). What
is secret never stands in the file: it comes from the environment or from a file of its own that only its owner
can read. Every mistake is reported at once.
"""

from bus.settings.adapter import AdapterSettings, load_adapter_settings
from bus.settings.bus import BusSettings, EvidenceSettings, load_bus_settings
from bus.settings.loading import Settings

__all__ = [
    "AdapterSettings",
    "BusSettings",
    "EvidenceSettings",
    "Settings",
    "load_adapter_settings",
    "load_bus_settings",
]
