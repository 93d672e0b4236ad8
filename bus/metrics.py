"""What a process tells Prometheus: a registry of its own, in the text format.

Names follow Prometheus' conventions: `saraban_<process>_<what>_<unit>`, base units, `_total` for what only grows. That
a counter began at some time is left out: the text format has no place for it but a gauge of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, disable_created_metrics, generate_latest
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

disable_created_metrics()  # type: ignore[no-untyped-call]

CONTENT_TYPE = CONTENT_TYPE_LATEST


def exposition(registry: CollectorRegistry) -> bytes:
    """Return the text of all metrics of a registry, as of now."""
    return generate_latest(registry)


class Counted(Collector):
    """A counter whose value stands elsewhere and is read when the metrics are asked for."""

    def __init__(self, name: str, sentence: str, value: Callable[[], float]) -> None:
        self._name = name
        self._sentence = sentence
        self._value = value

    def collect(self) -> Iterable[Metric]:
        """Read it."""
        yield CounterMetricFamily(self._name, self._sentence, value=self._value())
