"""What Prometheus is told of a mailbox, read from it when asked; docs/metrics.md lists them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from adapters.mailbox import Mailbox
from adapters.mailbox.entries import OutboxState
from adapters.mailbox.inbox import InboxState
from adapters.mailbox.messages import ArrivalState
from bus.thai import now

_NAME = "saraban_adapter_"
_JUDGED = (ArrivalState.DONE, ArrivalState.DUPLICATE, ArrivalState.DISMISSED)


class MailboxMetrics(Collector):
    """A mailbox as metrics: what waits is a gauge, what is done and stays so a counter."""

    def __init__(self, mailbox: Mailbox, connected: Callable[[], bool], ends: Mapping[str, datetime]) -> None:
        """`ends`: when each certificate ends, by what it is for."""
        self._mailbox = mailbox
        self._ends = ends
        self._connected = connected

    def collect(self) -> Iterator[Metric]:
        """Read the mailbox."""
        mailbox = self._mailbox
        yield _gauge("connected", "1 while there is a connection to the broker.", self._connected())
        yield self._certificates()
        yield from self._outbox(mailbox.outbox.counts())
        inbox = dict.fromkeys(map(str, InboxState), 0) | mailbox.inbox.counts()
        yield _counter(
            "inbox_delivered", "Letters received with all their files.", inbox.pop(InboxState.DELIVERED)
        )
        yield _by_state("inbox", "Letters received and not complete, by state.", inbox)
        arrivals = dict.fromkeys(map(str, ArrivalState), 0) | mailbox.arrivals.counts()
        verified = CounterMetricFamily(
            f"{_NAME}arrivals_judged",
            "Messages of the bus that were dealt with, by outcome.",
            labels=["outcome"],
        )
        for outcome in _JUDGED:
            verified.add_metric([outcome], arrivals.pop(outcome))
        yield verified
        yield _by_state("arrivals", "Messages of the bus that wait or are in quarantine, by state.", arrivals)
        yield self._conditions()
        missing = sum(gap.last - gap.first + 1 for gap in mailbox.arrivals.gaps())
        sentence = "Consignment numbers that have not come, though later ones have."
        yield _gauge("missing_consignments", sentence, missing)
        yield _gauge(
            "ecms_waiting", "Items that the client of e-CMS has not deleted yet.", mailbox.ecms.waiting()
        )
        for name, states, sentence in (
            (
                "send_lag_seconds",
                (OutboxState.WAITING, OutboxState.SEALED),
                "Seconds since the oldest document that the broker has not confirmed was put out, 0 without one.",
            ),
            (
                "verdict_lag_seconds",
                (OutboxState.SENT,),
                "Seconds since the oldest document that the bus has not answered was put out, 0 without one.",
            ),
        ):
            yield _gauge(name, sentence, _age(mailbox.outbox.oldest(states)))

    def _certificates(self) -> Metric:
        sentence = "Whole days until a certificate ends; negative once it has ended."
        family = GaugeMetricFamily(f"{_NAME}certificate_days_left", sentence, labels=["certificate"])
        for certificate, end in self._ends.items():
            family.add_metric([certificate], (end - now()).days)
        return family

    def _conditions(self) -> Metric:
        sentence = "What keeps the adapter from working now, or may soon, by code."
        family = GaugeMetricFamily(f"{_NAME}conditions", sentence, labels=["code"])
        for code, count in Counter(each.finding.code for each in self._mailbox.conditions.all()).items():
            family.add_metric([code], count)
        return family

    @staticmethod
    def _outbox(counts: Mapping[str, Mapping[str, int]]) -> Iterator[Metric]:
        sentence = "Letters, notices and reports without acceptance, by state."
        open_ = GaugeMetricFamily(f"{_NAME}outbox", sentence, labels=["type", "state"])
        accepted = CounterMetricFamily(
            f"{_NAME}accepted", "Letters, notices and reports that the bus accepted.", labels=["type"]
        )
        for kind, states in counts.items():
            accepted.add_metric([kind], states.get(OutboxState.ACCEPTED, 0))
            for state in OutboxState:
                if state is not OutboxState.ACCEPTED:
                    open_.add_metric([kind, state], states.get(state, 0))
        yield open_
        yield accepted


def _age(moment: str | None) -> float:
    return max(0.0, (now() - datetime.fromisoformat(moment)).total_seconds()) if moment else 0.0


def _gauge(name: str, sentence: str, value: float) -> Metric:
    return GaugeMetricFamily(f"{_NAME}{name}", sentence, value=float(value))


def _counter(name: str, sentence: str, value: float) -> Metric:
    return CounterMetricFamily(f"{_NAME}{name}", sentence, value=value)


def _by_state(name: str, sentence: str, counts: Mapping[str, int]) -> Metric:
    family = GaugeMetricFamily(f"{_NAME}{name}", sentence, labels=["state"])
    for state, count in counts.items():
        family.add_metric([state], count)
    return family
