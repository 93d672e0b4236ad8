"""What an agency sends when it asks for help: settings, versions, the doctor's lines and how much waits where.

No secret, no word of a letter, no name of a file or of an office, no number or reference of a letter: codes and counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from adapters.doctor.checks import versions
from adapters.doctor.configuration import has_mailbox
from adapters.mailbox import Mailbox
from bus.doctor import Line
from bus.settings.adapter import AdapterSettings
from bus.settings.shown import shown
from bus.thai import now


def members(settings: AdapterSettings, lines: Iterable[Line]) -> dict[str, Any]:
    """The files of the bundle by name."""
    found = {
        "about": {"agency": settings.agency, "made_at": now().isoformat(), "versions": versions()},
        "doctor": [line.view() for line in lines],
        "settings": shown(settings),
    }
    if not has_mailbox(settings):
        return found
    with Mailbox(settings.mailbox.folder, settings.agency, only_reading=True) as mailbox, mailbox.snapshot():
        return found | {"status": _status(mailbox)}


def _status(mailbox: Mailbox) -> dict[str, Any]:
    directory = mailbox.directory()
    return {
        "running": mailbox.running(),
        "directory_version": directory.version if directory else None,
        "conditions": [
            {"code": str(each.finding.code), "since": each.since} for each in mailbox.conditions.all()
        ],
        "outbox": mailbox.outbox.counts(),
        "inbox": mailbox.inbox.counts(),
        "arrivals": mailbox.arrivals.counts(),
        "highest_consignment": mailbox.arrivals.highest(),
        "missing_consignments": [[gap.first, gap.last] for gap in mailbox.arrivals.gaps()[:100]],
        "refusals": Counter(row.refusal for row in mailbox.outbox.troubled(1000) if row.refusal),
        "quarantine": Counter(each.reason or "" for each in mailbox.arrivals.quarantined()),
        "ledger_alarms": len(mailbox.heads.alarms()),
    }
