"""`saraban-bus ledger files`: what a term of retention would free in the depot."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Annotated

import typer

from bus.cli.common import Config, Json, opened, say, settings_of
from bus.ledger.entry import timestamp
from bus.ledger.unneeded import files_named
from bus.thai import now

_GOES = "nobody needs it any more"


def files(
    days: Annotated[
        int, typer.Option(min=1, max=36_500, help="The term: days since the last was said of a letter.")
    ],
    config: Config = None,
    json: Json = False,
    listed: Annotated[
        bool, typer.Option("--list", help="Each file that nobody needs, with its letters.")
    ] = False,
) -> None:
    """Say which files of letters every recipient has received and answered for so long ago. Nothing is removed."""
    count: Counter[str] = Counter()
    size: Counter[str] = Counter()
    found = []
    with opened(settings_of(config)) as ledger, ledger.read() as reader:
        for one in files_named(reader, timestamp(now() - timedelta(days=days))):
            why = one.need or _GOES
            count[why] += 1
            size[why] += one.size
            if listed and one.need is None:
                found.append({"sha256": one.sha256, "size": one.size, "letters": list(one.letters)})
    summary = [{"why": why, "files": count[why], "bytes": size[why]} for why in sorted(count)]
    words = [f"{one['files']:>10} files  {one['bytes']:>16} bytes  {one['why']}" for one in summary]
    words += [f"{one['sha256']}  {one['size']} bytes  letters {one['letters']}" for one in found]
    say(
        {"days": days, "summary": summary, "files": found},
        json=json,
        words=words or ["no letter names a file"],
    )
