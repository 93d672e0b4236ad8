"""What a router tells Prometheus."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest


class Metrics:
    """A router's metrics in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.submissions = Counter(
            "saraban_router_submissions",
            "Submissions settled, by outcome.",
            ["outcome"],
            registry=self.registry,
        )
        self.gates = Histogram(
            "saraban_router_gates_seconds", "Time for one batch in gates 1 to 7.", registry=self.registry
        )
        self.trouble = Counter(
            "saraban_router_unconfirmed",
            "Consignments that the broker did not confirm, by agency and reason.",
            ["agency", "reason"],
            registry=self.registry,
        )

        self.exceeded = Counter(
            "saraban_router_share_exceeded",
            "Windows in which an agency sent more than its share, by agency.",
            ["agency"],
            registry=self.registry,
        )

    def gauge(self, name: str, sentence: str, value: Callable[[], float]) -> None:
        """Add a gauge that is read when the metrics are asked for."""
        gauge = Gauge(f"saraban_router_{name}", sentence, registry=self.registry)
        gauge.set_function(value)

    def text(self) -> bytes:
        """Return the exposition text."""
        return generate_latest(self.registry)
