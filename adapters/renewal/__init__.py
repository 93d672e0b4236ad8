"""A certificate that is near its end, the seal's or the broker's: its successor made, asked for, put in its place."""

from adapters.renewal.login import LoginSuccessor
from adapters.renewal.renewing import Next, Renewing
from adapters.renewal.successor import Successor

__all__ = ["LoginSuccessor", "Next", "Renewing", "Successor"]
