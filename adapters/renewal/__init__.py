"""A seal's certificate that is near its end: its successor made, asked for, and put in its place."""

from adapters.renewal.renewing import Renewing
from adapters.renewal.successor import Successor

__all__ = ["Renewing", "Successor"]
