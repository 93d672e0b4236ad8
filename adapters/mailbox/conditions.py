"""What keeps the adapter from working, or may soon: each with its beginning, kept where every process can read it.

`run` finds these conditions and reports them, source by source; `status` and `/readyz` show them. A source reports all
that it finds each time; what it no longer finds has ended. The words are in `config/codes/conditions.toml`.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass
from enum import StrEnum

from sqlalchemy import bindparam, delete, select
from sqlalchemy.dialects.sqlite import insert

from adapters.mailbox.database import Database
from adapters.mailbox.tables import conditions
from bus.logs import get
from bus.text import printable
from bus.thai import now

_LOG = get(__name__)


class ConditionCode(StrEnum):
    """What can be wrong around an adapter."""

    BROKER_AWAY = "broker.away"
    BROKER_REFUSES = "broker.refuses"
    BROKER_CERTIFICATE = "broker.certificate"
    BROKER_BLOCKED = "broker.blocked"
    BROKER_LOGIN_ENDS = "broker.login-ends"
    DEPOT_AWAY = "depot.away"
    DEPOT_CERTIFICATE = "depot.certificate"
    CLOCK_WRONG = "clock.wrong"
    CERTIFICATE_EXPIRED = "certificate.expired"
    CERTIFICATE_EXPIRES = "certificate.expires"
    CERTIFICATE_EARLY = "certificate.early"
    RENEWAL_WAITS = "renewal.waits"
    RENEWAL_REFUSED = "renewal.refused"
    RENEWAL_IMPOSSIBLE = "renewal.impossible"
    BUS_CERTIFICATE_EXPIRED = "bus-certificate.expired"
    BUS_CERTIFICATE_FOREIGN = "bus-certificate.foreign"
    FOLDER_AWAY = "folder.away"
    SQL_AWAY = "sql.away"
    SQL_UNFIT = "sql.unfit"
    SQL_UNMAPPED = "sql.unmapped"
    OUTBOX_WAITING = "outbox.waiting"
    OUTBOX_STUCK = "outbox.stuck"
    OUTBOX_UNKNOWN = "outbox.unknown"
    NEWS_DEFERRED = "news.deferred"
    ECMS_STUCK = "ecms.stuck"
    WEBHOOK_GIVEN_UP = "webhook.given-up"
    DIRECTORY_LACKING = "directory.lacking"

    @property
    def stops(self) -> bool:
        """Whether the adapter can do nothing useful for as long as it lasts, but for what its links say themselves."""
        return self in _STOPPING


_STOPPING = frozenset(
    {
        ConditionCode.CERTIFICATE_EXPIRED,
        ConditionCode.CERTIFICATE_EARLY,
        ConditionCode.BUS_CERTIFICATE_EXPIRED,
        ConditionCode.BUS_CERTIFICATE_FOREIGN,
        ConditionCode.FOLDER_AWAY,
        ConditionCode.SQL_AWAY,
    }
)
"""Without the depot, or with a clock that is wrong, notices and deliveries go on."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A condition as its source finds it: what it is about, such as a file, and what more can be said of it."""

    code: ConditionCode
    about: str = ""
    detail_th: str = ""
    detail_en: str = ""


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition with the moment from which it lasts (ISO 8601)."""

    finding: Finding
    since: str


class Conditions:
    """What is found now; a condition that lasts keeps its beginning, also over a restart."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._reported: dict[str, frozenset[Finding]] = {}

    def report(self, source: str, findings: Collection[Finding]) -> None:
        """State all that a source finds now; nothing is written if it is what it found before."""
        found = frozenset(map(_encodable, findings))
        if self._reported.get(source) == found:
            return
        with self._database.writing() as connection:
            rows = connection.execute(_OF_SOURCE, {"source": source}).all()
            known = {(row.code, row.about) for row in rows}
            lasting = {(each.code.value, each.about) for each in found}
            for code, about in known - lasting:
                connection.execute(_END, {"of": source, "which": code, "what": about})
            began = {"source": source, "since": now().isoformat()}
            if found:
                connection.execute(_REPORT, [began | asdict(each) for each in found])
        self._reported[source] = found
        for code in sorted({code for code, _ in lasting - known}):
            _LOG.warning("condition-begun", condition=code)
        for code in sorted({code for code, _ in known - lasting}):
            _LOG.info("condition-ended", condition=code)

    def stopping(self) -> list[ConditionCode]:
        """The codes of what stops the adapter, as this process has reported them."""
        reported = list(self._reported.values())  # at once: other threads report
        return sorted({each.code for found in reported for each in found if each.code.stops})

    def all(self) -> list[Condition]:
        """Everything that lasts, in the order in which it began."""
        with self._database.reading() as connection:
            rows = connection.execute(_ALL).all()
        return [
            Condition(Finding(ConditionCode(row.code), row.about, row.detail_th, row.detail_en), row.since)
            for row in rows
        ]


def _encodable(finding: Finding) -> Finding:
    return Finding(
        finding.code, printable(finding.about), printable(finding.detail_th), printable(finding.detail_en)
    )


_OF_SOURCE = select(conditions.c.code, conditions.c.about).where(conditions.c.source == bindparam("source"))
_ALL = select(conditions).order_by(conditions.c.since, conditions.c.source, conditions.c.about)
_END = delete(conditions).where(
    conditions.c.source == bindparam("of"),
    conditions.c.code == bindparam("which"),
    conditions.c.about == bindparam("what"),
)
_BEGIN = insert(conditions)
_REPORT = _BEGIN.on_conflict_do_update(
    index_elements=["source", "code", "about"],
    set_={"detail_th": _BEGIN.excluded.detail_th, "detail_en": _BEGIN.excluded.detail_en},
)
