"""`saraban-adapter`: an agency's adapter, run and spoken to from a command line."""

import gc

gc.disable()  # what is imported stays, and looking through it for garbage would be a fifth of each start
from adapters.cli.app import app  # noqa: E402
from adapters.cli.main import main  # noqa: E402

gc.freeze()  # the first collection would look through it after all
gc.enable()

__all__ = ["app", "main"]
