"""`saraban-bus agencies`: how each agency's adapter does, by its queue at the broker and by the ledger; worst first."""

from __future__ import annotations

from bus.cli.common import AsCsv, Config, Json, opened, say, settings_of
from bus.cli.output import exported, listed
from bus.pages.columns import About
from bus.views.agencies import COLUMNS, as_row, in_words, queues_of, standings, values_of
from bus.views.finding import head_of


def agencies(config: Config = None, json: Json = False, as_csv: AsCsv = False) -> None:
    """Show how each agency's adapter does: its queue, when it last sent something, and what has waited since when."""
    settings = settings_of(config)
    queues, silent = queues_of(settings)
    away = in_words(silent, settings)
    with opened(settings) as ledger, ledger.read() as reader:
        head = head_of(reader)
        found = standings(reader, settings, queues, silent)
    if json:
        say({"broker": away or "asked", "agencies": [values_of(one) for one in found]}, json=True, words=())
        return
    if as_csv:
        exported(COLUMNS, map(as_row, found), About({"broker": away or "asked"}, head))
        return
    if away:
        say({}, json=False, words=[f"the broker could not be asked: {away}"])
        say({}, json=False, words=[""])
    listed(f"{len(found)} agencies", COLUMNS, map(as_row, found))
