"""What a router tells Prometheus; docs/operating.md lists it, and a test holds the two together."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from bus.identifiers import AgencyCode
from bus.metrics import Counted, exposition


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
            "Messages ready in the fullest inbox that this router delivers to (or in each), as a share of its limit.",
            ["agency"],
            registry=self.registry,
        )
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

    def note_fills(self, fills: Mapping[AgencyCode, float]) -> None:
        """Show how full inboxes are."""
        for agency, fill in fills.items() if self.named else [("", max(fills.values(), default=0.0))]:
            self.inbox_fill.labels(agency).set(fill)

    def gauge(self, name: str, sentence: str, value: Callable[[], float]) -> None:
        """Add a gauge that is read when the metrics are asked for."""
        gauge = Gauge(f"saraban_router_{name}", sentence, registry=self.registry)
        gauge.set_function(value)

    def counter(self, name: str, sentence: str, value: Callable[[], float]) -> None:
        """Add a counter that is read when the metrics are asked for; `name` without its `_total`."""
        self.registry.register(Counted(f"saraban_router_{name}", sentence, value))

    def text(self) -> bytes:
        """Return the exposition text."""
        return exposition(self.registry)
