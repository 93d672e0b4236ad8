"""What a router tells Prometheus; docs/metrics.md lists it, and a test holds the two together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from bus.identifiers import AgencyCode
from bus.metrics import Counted, exposition
from bus.router.journeys import Entered
from bus.router.watchers import Watchers
from bus.thai import now


@dataclass(frozen=True, slots=True)
class Inbox:
    """One inbox as it was last seen: the messages that are ready in it, and when the oldest was given."""

    messages: int
    since: datetime | None

    def age(self, at: datetime) -> float:
        """Return the seconds since the oldest was given."""
        return max(0.0, (at - self.since).total_seconds()) if self.since else 0.0


class Metrics:
    """A router's metrics in a registry of their own.

    The label `agency` is empty unless `named`: of thousands of agencies, each would be a series of its own.
    """

    def __init__(self, *, named: bool = False) -> None:
        self.named = named
        self.registry = CollectorRegistry()
        self.submissions = Counter(
            "saraban_router_submissions_total",
            "Submissions settled, by outcome.",
            ["outcome"],
            registry=self.registry,
        )
        self.parked = Counter(
            "saraban_router_parked_total",
            "Submissions that the broker parked, entered into the ledger by this router.",
            registry=self.registry,
        )
        self.gates = Histogram(
            "saraban_router_gates_seconds",
            "Seconds that one batch takes in gates 1 to 7.",
            registry=self.registry,
        )
        self.trouble = Counter(
            "saraban_router_unconfirmed_total",
            "Consignments that the broker did not confirm, by agency and reason.",
            ["agency", "reason"],
            registry=self.registry,
        )
        self.inbox_fill = Gauge(
            "saraban_router_inbox_fill_ratio",
            "Messages ready in the fullest inbox (or in each), as a share of its limit.",
            ["agency"],
            registry=self.registry,
        )
        self.inbox_messages = Gauge(
            "saraban_router_inbox_messages",
            "Messages ready in all inboxes together (or in each).",
            ["agency"],
            registry=self.registry,
        )
        self.inbox_most = Gauge(
            "saraban_router_inbox_messages_most",
            "Messages ready in the inbox that has the most.",
            registry=self.registry,
        )
        self.inbox_oldest = Gauge(
            "saraban_router_inbox_oldest_seconds",
            "Seconds since the oldest message in any inbox (or in each) was given, 0 without one.",
            ["agency"],
            registry=self.registry,
        )
        self._inboxes: dict[str, Mapping[AgencyCode, Inbox]] = {}
        self._limits: dict[str, int | None] = {}
        self.entered = Entered(self.registry)
        self.watchers = Watchers()
        self.connected = Gauge(
            "saraban_router_cluster_connected",
            "1 while there is a connection to the broker cluster, 0 otherwise.",
            ["cluster"],
            registry=self.registry,
        )
        self.certificate = Gauge(
            "saraban_router_certificate_days_left",
            "Whole days until a certificate of the bus's own ends; negative once it has ended.",
            ["certificate"],
            registry=self.registry,
        )
        self.exceeded = Counter(
            "saraban_router_share_exceeded_total",
            "Windows in which an agency sent more than its share, by agency.",
            ["agency"],
            registry=self.registry,
        )

    def note_unconfirmed(self, agency: AgencyCode, reason: str) -> None:
        """Count a consignment that the broker did not confirm."""
        self.trouble.labels(agency if self.named else "", reason).inc()

    def note_exceeded(self, agency: AgencyCode) -> None:
        """Count a window in which an agency sent more than its share."""
        self.exceeded.labels(agency if self.named else "").inc()

    def note_inboxes(self, cluster: str, filled: Mapping[AgencyCode, Inbox], limit: int | None) -> None:
        """Show how full the inboxes of a cluster are; `filled` are those that are not empty."""
        self._inboxes[cluster] = filled
        self._limits[cluster] = limit
        self.show_inboxes(now())

    def show_inboxes(self, at: datetime) -> None:
        """Show the inboxes as they were last seen, with ages as of a time."""
        seen = [(one, self._limits[name]) for name, some in self._inboxes.items() for one in some.items()]
        counts = {code: float(inbox.messages) for (code, inbox), _ in seen}
        ages = {code: inbox.age(at) for (code, inbox), _ in seen}
        fills = {code: inbox.messages / limit for (code, inbox), limit in seen if limit}
        self.inbox_most.set(max(counts.values(), default=0.0))
        for gauge, values, together in (
            (self.inbox_messages, counts, sum(counts.values())),
            (self.inbox_oldest, ages, max(ages.values(), default=0.0)),
            (self.inbox_fill, fills, max(fills.values(), default=0.0)),
        ):
            # Who has nothing left has no series: of thousands of inboxes most are empty.
            gauge.clear()
            for agency, value in values.items() if self.named else [("", together)]:
                gauge.labels(agency).set(value)

    def gauge(self, name: str, sentence: str, value: Callable[[], float]) -> None:
        """Add a gauge that is read when the metrics are asked for."""
        gauge = Gauge(f"saraban_router_{name}", sentence, registry=self.registry)
        gauge.set_function(value)

    def counter(self, name: str, sentence: str, value: Callable[[], float]) -> None:
        """Add a counter that is read when the metrics are asked for; `name` without its `_total`."""
        self.registry.register(Counted(f"saraban_router_{name}", sentence, value))

    def text(self) -> bytes:
        """Return the exposition text, to somebody who watches."""
        self.watchers.asked()
        if self._inboxes:
            self.show_inboxes(now())
        return exposition(self.registry)
