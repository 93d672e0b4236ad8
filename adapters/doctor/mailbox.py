"""The mailbox: whose it is, its room, its directory, what the running adapter has found, how old its receipts are."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from datetime import datetime, timedelta

from adapters.doctor.configuration import has_mailbox
from adapters.mailbox import Mailbox
from adapters.mailbox.entries import UNANSWERED
from adapters.mailbox.inbox import InboxState
from adapters.mailbox.keys import key_state
from adapters.views import condition
from bus.doctor import Check, Found, fail, in_thread, ok, warn
from bus.documents.seal import Seal
from bus.settings.adapter import AdapterSettings
from bus.thai import now

_LITTLE, _FEW = 100 * 1024**2, 1024**3
"""Bytes of free space that are too few, and that will not last."""
_LATE = timedelta(hours=1)


def checks(settings: AdapterSettings, seal: Seal | None) -> list[Check]:
    """What can be read of the mailbox; where there is none yet, that is one line."""
    return [
        Check("mailbox", in_thread(lambda: _mailbox(settings))),
        Check("directory", in_thread(lambda: _directory(settings, seal))),
        Check("adapter", in_thread(lambda: _running(settings))),
        Check("receipts", in_thread(lambda: _receipts(settings))),
    ]


def _opened(settings: AdapterSettings) -> Mailbox:
    return Mailbox(settings.mailbox.folder, settings.agency, only_reading=True)


def _mailbox(settings: AdapterSettings) -> Iterator[Found]:
    folder = settings.mailbox.folder
    place = folder if os.path.isdir(folder) else folder.parent
    if not has_mailbox(settings):
        yield warn(
            f"there is none in {folder} yet", "The first `saraban-adapter run` makes it; else mend the path."
        )
    else:
        with _opened(settings):
            yield ok(f"{folder} belongs to agency {settings.agency}, and its layout is this version's")
    if os.path.isdir(place):
        free = shutil.disk_usage(place).free
        sentence, fix = (
            f"{free // 1024**2} MiB are free",
            "Make room: what arrives is kept, with all its files.",
        )
        yield fail(sentence, fix) if free < _LITTLE else warn(sentence, fix) if free < _FEW else ok(sentence)


def _directory(settings: AdapterSettings, seal: Seal | None) -> Iterator[Found]:
    if not has_mailbox(settings):
        yield warn("not looked at: there is no mailbox", "The first `saraban-adapter run` makes it.")
        return
    with _opened(settings) as mailbox:
        directory, came = mailbox.directory(), mailbox.directories.came_at()
    if directory is None or came is None:
        fix = "Run the adapter: it asks the bus for it. If it does not come, tell the operator of the bus."
        yield fail("there is none yet, and letters and notices wait for it", fix)
        return
    age = (now() - datetime.fromisoformat(came)).days
    yield ok(f"version {directory.version}, {age} days old here, {len(directory.agencies)} agencies")
    if settings.agency not in directory.agencies:
        yield fail(f"it does not name agency {settings.agency}", "Tell the operator of the bus.")
    elif seal and not key_state(seal.certificate, settings.agency, directory, now()).good:
        fix = "Give the bus's operator this certificate to be put into the directory, or set `seal` to the one that is."
        yield fail("it does not have the certificate of `seal`, or not as one in force", fix)


def _running(settings: AdapterSettings) -> Iterator[Found]:
    if not has_mailbox(settings):
        yield warn("it has not run here yet", "Start it when the other lines are OK.")
        return
    with _opened(settings) as mailbox:
        running, lasting = mailbox.running(), mailbox.conditions.all()
        missing = sum(gap.last - gap.first + 1 for gap in mailbox.arrivals.gaps())
    if not running:
        yield warn("it does not run", "Start its service, or `saraban-adapter run`.")
    else:
        yield ok("it runs")
    for each in lasting:
        shown = condition(each)  # without what it is about, which an office may have named
        line = fail if each.finding.code.stops else warn
        yield line(f"{shown['code']} since {each.since}: {shown['en']}", shown["advice_en"])
    if missing:
        fix = "`saraban-adapter reconcile` has them consigned again."
        yield warn(f"{missing} consignments have not come, though later ones have", fix)


def _receipts(settings: AdapterSettings) -> Iterator[Found]:
    """What this agency owes or is owed an answer for."""
    if not has_mailbox(settings):
        yield warn("not looked at: there is no mailbox", "The first `saraban-adapter run` makes it.")
        return
    with _opened(settings) as mailbox:
        oldest = mailbox.outbox.oldest(UNANSWERED)
        troubled = [row for row in mailbox.inbox.troubled(1000) if row.state is InboxState.FETCHING]
        fetching = min((row.verified_at for row in troubled), default=None)
    for since, late, fine, fix in (
        (
            oldest,
            "a letter, receipt or report has no answer of the bus for {}",
            "nothing that was sent waits long for the bus's answer",
            "See the other lines, and `saraban-adapter status`.",
        ),
        (
            fetching,
            "a letter that came has no receipt for {}, as its files are not here",
            "no letter that came waits long for its receipt",
            "See `depot files`, and `saraban-adapter status`.",
        ),
    ):
        age = now() - datetime.fromisoformat(since) if since else timedelta()
        yield warn(late.format(_hours(age)), fix) if age > _LATE else ok(fine)


def _hours(age: timedelta) -> str:
    return f"{age.total_seconds() / 3600:.0f} hours"
