"""Putting the centre in service: its settings, keys, certificates, ledger and units, each made once."""

from bus.installing.making import make
from bus.installing.steps import Step
from bus.installing.wanted import Wanted

__all__ = ["Step", "Wanted", "make"]
