"""`saraban-adapter status`: first what is wrong and what to do, then where everything stands."""

from __future__ import annotations

from adapters.cli.output import AsJson, Config, reading, say
from adapters.cli.tables import account
from adapters.status import status_view, wrong
from bus.text import print_json

_NOTHING = "ไม่พบสิ่งผิดปกติ · nothing is wrong"


def status(config: Config = None, as_json: AsJson = False) -> None:
    """First what is wrong and what to do; then whether it runs, what waits and why, and what is in quarantine."""
    with reading(config) as (settings, mailbox):
        view = {"wrong": list(wrong(settings, mailbox))} | status_view(mailbox)
        if as_json:
            print_json(view)
            return
        for each in view["wrong"]:
            say(False, None, f"✗ {each['th']} — {each['advice_th']}")
            say(False, None, f"  {each['en']} {each['advice_en']}")
        if not view["wrong"]:
            say(False, None, _NOTHING)
        account(view | {"wrong": None})
