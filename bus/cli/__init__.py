"""`saraban-bus`: what operators and auditors type."""

import gc

gc.disable()  # what is imported stays, and looking through it for garbage would be a fifth of each start
from bus.cli.main import main  # noqa: E402

gc.freeze()  # the first collection would look through it after all
gc.enable()

__all__ = ["main"]
