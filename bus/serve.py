"""`saraban-bus serve`: the depot over HTTP, which asks the ledger who is a party to what, and the public log."""

from __future__ import annotations

import asyncio
import gzip
import shutil
import time
from collections.abc import Callable, Sequence
from functools import partial
from math import nan
from pathlib import Path

from anyio.to_thread import run_sync
from cryptography import x509
from prometheus_client import CollectorRegistry, Gauge

from bus import logs
from bus.connections import Limits as ConnectionLimits
from bus.depot.app import Access, build_app, collect_for_ever
from bus.depot.store import Depot, Limits, open_local_depot
from bus.directory import Directory, PinnedCertificate, Vouched
from bus.enrolment.routes import enrolment_routes
from bus.errors import Misconfigured, Problem, Transient
from bus.identifiers import AgencyCode, RawDigest
from bus.ledger import schema
from bus.ledger.entry import Kind
from bus.ledger.store import Ledger
from bus.logs import in_words
from bus.process import beat, pause, ready
from bus.readiness import Readiness
from bus.router.activation import directory_in_force, versions
from bus.router.certificates import days_left
from bus.settings.bus import BusSettings
from bus.transparency import log_routes
from bus.web import serving

_log = logs.get("serve")
_LOOK_AGAIN_AFTER = 1.0
_ASK_EVERY = 2.0


async def run_depot(settings: BusSettings, stop: asyncio.Event) -> None:
    """Serve the depot until stopped. Raises Misconfigured when the ledger has no schema or no directory."""
    schema.check(settings.ledger.address())
    ledger = Ledger(settings.ledger.address(), tiles_folder=settings.ledger.tiles_folder)
    depot = _depot(settings, ledger)
    try:
        in_force = DirectoryInForce(ledger)
        access = Access(
            pins_of=in_force.pins,
            vouched_of=in_force.vouched,
            suspended=in_force.suspended,
            renewed=in_force.renewed,
            directory=PackedDirectories(ledger).packed,
        )
        registry = CollectorRegistry()
        section = settings.depot
        _end_of_certificate(section.certificate, registry)
        _room(Path(section.folder), registry)
        watched = Watched(depot, ledger)
        causes = {"database": lambda: watched.database_away, "ledger": lambda: watched.ledger_away}
        readiness = Readiness("depot", causes, registry)
        enrolment = enrolment_routes(ledger, in_force.pins, settings.enrolment.renewal)
        beside = [*log_routes(ledger), *enrolment]
        app = build_app(depot, access, beside=beside, reasons=readiness.reasons, registry=registry)
        limits = ConnectionLimits(
            most=section.max_connections,
            most_per_address=section.max_connections_per_address,
            most_body=None,  # the depot judges a body by its path, its token and the room that is left
        )
        host, port = section.listen_host, section.listen_port
        tls = section.serving_tls()
        async with serving(app, host, port, setting="depot.listen_port", limits=limits, tls=tls):
            tasks = [
                asyncio.create_task(collect_for_ever(depot)),
                asyncio.create_task(watched.run(stop)),
                asyncio.create_task(readiness.watch(stop)),
                asyncio.create_task(beat(stop, lambda: run_sync(_fault_of, depot.check))),
            ]
            ready()
            await stop.wait()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
    finally:
        depot.close()
        ledger.close()


class Watched:
    """Whether the depot's bookkeeping and the ledger answered when they were asked last."""

    def __init__(self, depot: Depot, ledger: Ledger) -> None:
        self._depot = depot
        self._ledger = ledger
        self.database_away: str | None = None
        self.ledger_away: str | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Ask both again and again, until stopped."""
        while not stop.is_set():
            # Beside each other: one that does not answer at all must not hide how the other is.
            self.database_away, self.ledger_away = await asyncio.gather(
                asyncio.to_thread(_fault_of, self._depot.check), asyncio.to_thread(_fault_of, self._look)
            )
            await pause(stop, _ASK_EVERY)

    def _look(self) -> None:
        with self._ledger.read() as reader:
            reader.latest_seq(Kind.DIRECTORY)


def _end_of_certificate(file: Path | None, registry: CollectorRegistry) -> None:
    """Show when the certificate that is served ends: the one read at the start, until the next."""
    gauge = Gauge(
        "saraban_depot_certificate_days_left",
        "Whole days until a certificate that the depot shows ends; negative once it has ended.",
        ["certificate"],
        registry=registry,
    )
    if file is None:
        return
    try:
        ends = [one.not_valid_after_utc for one in x509.load_pem_x509_certificates(file.read_bytes())]
    except (OSError, ValueError):
        return  # serving it raises what is wrong, by the name of its setting
    gauge.labels("tls").set_function(partial(days_left, min(ends)))


def _room(folder: Path, registry: CollectorRegistry) -> None:
    """Show the room on the disk of the files, as of when it is asked."""
    free = Gauge("saraban_depot_disk_free_bytes", "Bytes free on the disk of the files.", registry=registry)
    used = Gauge("saraban_depot_disk_used_bytes", "Bytes used on the disk of the files.", registry=registry)
    free.set_function(lambda: _disk(folder)[0])
    used.set_function(lambda: _disk(folder)[1])


def _disk(folder: Path) -> tuple[float, float]:
    try:
        found = shutil.disk_usage(folder)
    except OSError:
        return nan, nan
    return found.free, found.used


def _fault_of(ask: Callable[[], None]) -> str | None:
    try:
        ask()
    except (Transient, OSError) as away:
        return in_words(away)
    return None


class DirectoryInForce:
    """The directory version in force, looked up in the ledger at most once a second."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._entry = 0
        self._directory: Directory | None = None
        self._looked_at = 0.0
        self._current()

    def pins(self, agency: AgencyCode) -> Sequence[PinnedCertificate]:
        """Return the certificates pinned for an agency or for `bus`."""
        return self._current().pins(agency)

    def vouched(self, agency: AgencyCode) -> Sequence[Vouched]:
        """Return the organizations pinned for an agency."""
        return self._current().vouched(agency)

    def suspended(self, agency: AgencyCode) -> bool:
        """Whether the agency may send nothing for now."""
        found = self._current().agencies.get(agency)
        return found is not None and not found.active

    def renewed(self) -> bool:
        """Look now, and return whether there is another version."""
        before = self._entry
        self._look()
        return self._entry != before

    def _current(self) -> Directory:
        if self._directory is None or time.monotonic() - self._looked_at > _LOOK_AGAIN_AFTER:
            self._look()
        if self._directory is None:
            fix = "Run `saraban-bus directory apply`."
            raise Misconfigured(
                Problem("the ledger", "directory", "no directory has been put in force yet", fix)
            )
        return self._directory

    def _look(self) -> None:
        with self._ledger.read() as reader:
            newest = versions(reader).directory
            if newest and newest != self._entry:
                self._entry, self._directory = directory_in_force(reader)
                _log.info("directory-taken-up", version=self._directory.version, entry=self._entry)
        self._looked_at = time.monotonic()


class PackedDirectories:
    """The content of versions of the directory, for those that fetch it; the one asked for last is kept."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._last = ("", b"")

    def packed(self, digest: RawDigest) -> bytes | None:
        """Return the content of this digest, packed by gzip; None if no version has it."""
        known, packed = self._last
        if known == digest:
            return packed
        with self._ledger.read() as reader:
            content = reader.directories.content(digest)
        if content is None:
            return None
        packed = gzip.compress(content, mtime=0)
        self._last = (digest, packed)
        return packed


def _depot(settings: BusSettings, ledger: Ledger) -> Depot:
    def is_party(agency: AgencyCode, sha256: RawDigest) -> bool:
        with ledger.read() as reader:
            return reader.named_files.is_party(agency, sha256)

    def is_named(sha256: RawDigest) -> bool:
        with ledger.read() as reader:
            return reader.named_files.is_named(sha256)

    section = settings.depot
    return open_local_depot(
        Path(section.folder),
        parties=is_party,
        named=is_named,
        database_url=section.database_address(),
        limits=Limits(max_file_bytes=section.max_file_bytes, quota_bytes=section.quota_bytes),
    )
