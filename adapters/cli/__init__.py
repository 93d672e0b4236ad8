"""`saraban-adapter`: an agency's adapter, run and spoken to from a command line."""

from adapters.cli.app import app
from adapters.cli.main import main

__all__ = ["app", "main"]
