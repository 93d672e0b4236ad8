"""`saraban-adapter check` and `doctor`: what is wrong and what to do, before `run`, beside it or after it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from adapters.agent.health import of_certificates
from adapters.cli.output import AsJson, Config, say, settings_of
from adapters.doctor import checks, require_right
from adapters.doctor.bundle import members
from bus.codes import load_codes
from bus.doctor import Check, examine, worst, write_bundle
from bus.documents.seal import read_certificate
from bus.exits import NEGATIVE
from bus.text import print_json
from bus.thai import now


def check(config: Config = None, as_json: AsJson = False) -> None:
    """Look at the settings and what they name on this machine, as `run` does first; exit 2 for a mistake."""
    settings = settings_of(config)
    require_right(settings)
    own = read_certificate(settings.seal.certificate, "seal.certificate")
    found = of_certificates(own, read_certificate(settings.bus_certificate, "bus_certificate"), now())
    words = {each: load_codes().conditions[each.code] for each in found}
    view = {
        "mistakes": 0,
        "certificates": [
            {"code": str(each.code), "sentence": one.en, "fix": one.advice_en} for each, one in words.items()
        ],
    }
    if as_json:
        print_json(view)
    else:
        say(False, None, "ไม่พบข้อผิดพลาดในการตั้งค่า · no mistake in the configuration")
        for each, one in words.items():
            say(False, None, f"{each.code}: {one.th} ({each.detail_th}) — {one.advice_th}")
            say(False, None, f"{each.code}: {one.en} ({each.detail_en}) {one.advice_en}")
    if any(each.code.stops for each in found):
        raise typer.Exit(NEGATIVE)


def doctor(
    config: Config = None,
    as_json: AsJson = False,
    bundle: Annotated[
        Path | None,
        typer.Option(help="Write a diagnostics archive, without secrets and without what letters say."),
    ] = None,
) -> None:
    """Look at everything that the adapter needs, each with what to do; exit 0 all OK, 1 a WARN, 2 a FAIL."""
    settings = settings_of(config)
    of_desk: list[Check] = []
    if settings.desk.enabled:
        from adapters.desk import checking  # as `run` imports it: most have no desk

        of_desk = checking.checks(settings)
    lines = asyncio.run(examine([*checks(settings), *of_desk]))
    if bundle is not None:
        write_bundle(bundle, members(settings, lines))
    if as_json:
        print_json({"level": worst(lines).name, "lines": [line.view() for line in lines]})
    else:
        for line in lines:
            say(False, None, str(line))
    if worst(lines):
        raise typer.Exit(int(worst(lines)))
