"""`saraban-bus doctor`: everything that the centre needs, each with what to do."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from bus.checks import checks
from bus.checks.bundle import members
from bus.cli.common import Config, Json, say, settings_of
from bus.doctor import examine, worst, write_bundle


def doctor(
    config: Config = None,
    json: Json = False,
    bundle: Annotated[
        Path | None,
        typer.Option(help="Write a diagnostics archive, without secrets and without what letters say."),
    ] = None,
) -> None:
    """Look at broker, database, depot, clocks, certificates and keys; exit 0 all OK, 1 a WARN, 2 a FAIL.

    It changes nothing, and can be asked while everything runs.
    """
    settings = settings_of(config)
    lines = asyncio.run(examine(checks(settings)))
    if bundle is not None:
        write_bundle(bundle, members(settings, lines))
    value = {"level": worst(lines).name, "lines": [line.view() for line in lines]}
    say(value, json=json, words=map(str, lines))
    if worst(lines):
        raise typer.Exit(int(worst(lines)))
