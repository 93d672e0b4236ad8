"""What Prometheus is told of a mailbox, read from it when asked; the names are documented by their help texts."""

from __future__ import annotations

import time

from prometheus_client import CollectorRegistry, Gauge, generate_latest

from adapters.mailbox import Mailbox


def metrics(mailbox: Mailbox, connected: bool) -> bytes:
    """The metrics of now, in Prometheus's text format."""
    registry = CollectorRegistry()

    def gauge(name: str, help_text: str, *labels: str) -> Gauge:
        return Gauge(f"saraban_adapter_{name}", help_text, labels, registry=registry)

    gauge("connected", "Whether there is a connection to the broker.").set(connected)
    outbox = gauge("outbox", "Letters and notices of this agency, by state.", "type", "state")
    for kind, states in mailbox.outbox.counts().items():
        for state, count in states.items():
            outbox.labels(kind, state).set(count)
    inbox = gauge("inbox", "Letters received, by state.", "state")
    for state, count in mailbox.inbox.counts().items():
        inbox.labels(state).set(count)
    arrivals = gauge("arrivals", "Messages of the bus, by what became of them.", "state")
    for state, count in mailbox.arrivals.counts().items():
        arrivals.labels(state).set(count)
    conditions = gauge("conditions", "What keeps the adapter from working now, or may soon, by code.", "code")
    for condition in mailbox.conditions.all():
        conditions.labels(condition.finding.code).inc()
    missing = sum(gap.last - gap.first + 1 for gap in mailbox.arrivals.gaps())
    gauge("missing_consignments", "Consignment numbers that have not come, though later ones have.").set(
        missing
    )
    due = mailbox.outbox.next_due()
    late = max(0.0, time.time() - due) if due is not None else 0.0
    gauge("send_lag_seconds", "How long the longest due document has waited to be sent.").set(late)
    return generate_latest(registry)
