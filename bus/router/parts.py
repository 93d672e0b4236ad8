"""A router's parts, put together."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from math import inf

from bus.codes import load_codes
from bus.depot.client import PresenceClient
from bus.directory import Directory
from bus.directory.clusters import require_known_clusters
from bus.directory.ends import seconds_of_lists
from bus.documents.seal import Seal
from bus.identifiers import AgencyCode
from bus.ledger.checkpoint import Signer
from bus.ledger.group import GroupCommit
from bus.ledger.store import Ledger
from bus.readiness import Cause, Readiness
from bus.router.activation import calendar_in_force, directory_in_force, versions
from bus.router.alarms import Alarms
from bus.router.answers import Answers
from bus.router.certificates import WatchingCertificates, days_left, own_ends
from bus.router.checkpoints import Checkpoints
from bus.router.clerks import WatchingClerks
from bus.router.clusters import Cluster, of_each
from bus.router.consumer import Consumer, Limits
from bus.router.deadlines import Deadlines
from bus.router.fanout import Fanout
from bus.router.fanouts import Fanouts, whose_on
from bus.router.gates import Rules
from bus.router.gauges import Gauges
from bus.router.inboxes import WatchingInboxes
from bus.router.inspectors import Inspectors
from bus.router.journeys import Journeys
from bus.router.metrics import Metrics
from bus.router.monitoring import Watching, WatchingBroker
from bus.router.processing import Processor
from bus.router.recording import Recorder
from bus.router.shares import Share, Shares
from bus.router.watermarks import Watermark
from bus.settings.bus import BusSettings
from bus.settings.bus import Shares as SharesSection
from bus.thai import now


class Parts:
    """A router's parts, in the order in which a submission meets them."""

    def __init__(
        self,
        settings: BusSettings,
        ledger: Ledger,
        signer: Signer,
        seal: Seal,
        clusters: list[Cluster],
        depot: PresenceClient,
    ) -> None:
        self.name, self.ledger, self.clusters = settings.router.name, ledger, clusters
        self.metrics = Metrics(named=settings.router.metrics_by_agency)
        self.alarms = Alarms(self.metrics.registry)
        self.checkpoints = Checkpoints(signer, self.alarms)
        self.appends = GroupCommit(ledger)
        self.shares = Shares(_share(settings.shares))
        self.answers = Answers(seal, load_codes(settings.codes.folder))
        fanouts = {cluster.name: self._fanout(cluster) for cluster in clusters}
        self.fanouts = Fanouts(fanouts, self.directory)
        self.intake = self._processor(settings, depot)
        require_known_clusters(self.directory(), fanouts, "the directory in force")
        self.consumers = {cluster.name: self._consumer(cluster.name, settings) for cluster in clusters}
        self.deadlines = self._deadlines(settings)
        self.watching = Watching(
            depot=depot,
            ledger=ledger,
            alarms=self.alarms,
            directory=self.directory,
            clusters=fanouts,
            watchers=self.metrics.watchers,
        )
        self.gauges = Gauges(ledger, self.directory, self.metrics.registry)
        self.journeys = Journeys(ledger, self.metrics.entered, self.metrics.registry)
        self.clerks = WatchingClerks(
            ledger,
            self.directory,
            lambda: self.intake.rules.calendar,
            self.metrics.registry,
            named=self.metrics.named,
        )
        own = own_ends(settings, seal)
        self.certificates = WatchingCertificates(own, self.directory)
        for name, end in own.items():
            self.metrics.certificate.labels(name).set_function(partial(days_left, end))
        self.brokers = {cluster.name: WatchingBroker(cluster.outlet) for cluster in clusters}
        self.inboxes = {cluster.name: self._inboxes(cluster) for cluster in clusters}
        self._add_metrics()
        self.readiness = Readiness("router", self._causes(), self.metrics.registry)

    def directory(self) -> Directory:
        """Return the directory that this router judges by."""
        return self.intake.rules.directory

    def _fanout(self, cluster: Cluster) -> Fanout:
        return Fanout(
            cluster.outlet,
            self.ledger,
            self.appends,
            router=self.name,
            alarms=self.alarms,
            cluster=cluster.name,
            whose=lambda: whose_on(cluster.name, self.directory()),
            most_bytes=cluster.broker.max_message_bytes,
            head=lambda: self.checkpoints.newest.note if self.checkpoints.newest else None,
            on_trouble=self.metrics.note_unconfirmed,
            on_entered=self.metrics.entered.add,
        )

    def _consumer(self, cluster: str, settings: BusSettings) -> Consumer:
        limits = Limits(settings.router.batch, settings.router.prefetch)
        return Consumer(self.intake, self.shares, limits, lambda: self.directory().inboxes_on(cluster))

    def _inboxes(self, cluster: Cluster) -> WatchingInboxes:
        return WatchingInboxes(
            cluster.name,
            cluster.outlet,
            self.ledger,
            self.metrics,
            delivered_to=self.fanouts.of_cluster[cluster.name].take_delivered_to,
            every=lambda: self.directory().inboxes_on(cluster.name),
            limit=cluster.broker.inbox_max_messages or None,
        )

    def _processor(self, settings: BusSettings, depot: PresenceClient) -> Processor:
        per_hour = settings.shares.refusals_per_hour
        with self.ledger.read() as reader:
            examined_under = versions(reader)
            _, directory = directory_in_force(reader)
            _, calendar = calendar_in_force(reader)
        return Processor(
            rules=Rules(directory, calendar, self.answers.codes, self.answers, per_hour),
            examined_under=examined_under,
            ledger=self.ledger,
            depot=depot,
            appends=self.appends,
            recorder=Recorder(self.name, per_hour),
            fanouts=self.fanouts,
            metrics=self.metrics,
            shares=self.shares,
            alarms=self.alarms,
            inspectors=Inspectors(settings.router.workers) if settings.router.workers else None,
        )

    def _deadlines(self, settings: BusSettings) -> Deadlines:
        settle = timedelta(seconds=settings.router.settle_seconds)
        watermarks = {
            cluster.name: Watermark(
                cluster.name,
                cluster.outlet,
                ledger=self.ledger,
                appends=self.appends,
                router=self.name,
                idle=self._idle_of,
                directory=self.directory,
                settle=settle,
            )
            for cluster in self.clusters
        }
        return Deadlines(
            watermarks=watermarks,
            directory=self.directory,
            ledger=self.ledger,
            appends=self.appends,
            answers=self.answers,
            router=self.name,
            publish=self.fanouts.publish,
            settle=settle,
        )

    def _idle_of(self, agencies: Sequence[AgencyCode]) -> bool:
        return all(consumer.idle_of(agencies) for consumer in self.consumers.values())

    def _causes(self) -> dict[str, Cause]:
        return {
            "broker": lambda: of_each(self.clusters, lambda one: one.trouble),
            "broker-blocked": lambda: of_each(self.clusters, lambda one: self.brokers[one.name].away),
            "database": lambda: self.checkpoints.away,
            "ledger-halted": lambda: self.checkpoints.halt,
            "depot": lambda: self.watching.depot_away,
            "intake": lambda: self.intake.waits_for,
        }

    def _add_metrics(self) -> None:
        gauge, counter = self.metrics.gauge, self.metrics.counter
        gauge(
            "agency_certificates_ending",
            "Agencies whose last certificate ends within 30 days, or has ended.",
            lambda: self.certificates.agencies,
        )
        gauge(
            "agency_certificate_days_left",
            "Whole days until the first agency has no certificate in force any more; +Inf without an end.",
            lambda: days_left(self.certificates.first) if self.certificates.first else inf,
        )
        gauge(
            "authority_list_seconds_left",
            "Seconds until the first list of revoked certificates (CRL) in force is past its time; +Inf without one.",
            lambda: seconds_of_lists(self.directory(), now()),
        )
        gauge("exceeding", "Agencies that send more than their share now.", lambda: self.shares.exceeding)
        gauge("intakes_missing", "Intake queues that are not consumed now.", self._missing)
        gauge("circuits_open", "Inboxes that failed at the last attempt.", self._open_circuits)
        counter(
            "published", "Consignments that the broker has confirmed.", lambda: float(self.fanouts.published)
        )
        gauge(
            "ledger_halted",
            "1 while nothing is appended, because the ledger was found not to continue what was signed.",
            lambda: float(self.checkpoints.halt is not None),
        )
        counter(
            "broker_given_up",
            "Times that this router left a broker host which only kept it waiting.",
            lambda: float(sum(cluster.outlet.hosts.given_up.total() for cluster in self.clusters)),
        )
        for cluster in self.clusters:
            self.metrics.connected.labels(cluster.name).set_function(partial(_is_connected, cluster))
        counter(
            "overdue_notices",
            "Overdue notices that this router issued.",
            lambda: float(self.deadlines.overdue),
        )
        gauge(
            "parked_submissions",
            "Submissions in the ledger that are parked and wait for a replay.",
            lambda: float(self.watching.parked),
        )

    def _open_circuits(self) -> float:
        return len(self.fanouts.open_circuits)

    def _missing(self) -> float:
        return sum(consumer.missing for consumer in self.consumers.values())


def _is_connected(cluster: Cluster) -> float:
    return float(cluster.connected)


def _share(section: SharesSection) -> Share:
    return Share(section.messages, section.bytes, section.fruitless, section.window)
