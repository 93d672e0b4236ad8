"""`saraban-bus`: what operators and auditors type."""

from bus.cli.main import main

__all__ = ["main"]
