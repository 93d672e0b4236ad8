"""`python -m bus.verifier`, or this folder copied anywhere: `python verifier pack.asice`."""

from __future__ import annotations

import sys
from pathlib import Path

if not __package__:
    # Copied out of the project, its modules still call each other by their names in it.
    import types

    folder = Path(__file__).resolve().parent
    home = types.ModuleType("bus")
    home.__path__ = [str(folder.parent)]
    sys.modules["bus"] = home
    if folder.name != "verifier":
        package = types.ModuleType("bus.verifier")
        package.__path__ = [str(folder)]
        sys.modules["bus.verifier"] = package

from bus.verifier.cli import main

sys.exit(main())
