"""The settings of the bus's own programs."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import SettingsConfigDict

from bus.identifiers import MAIN
from bus.settings.clusters import ClusterName
from bus.settings.console import Console, OperatorKey
from bus.settings.database import DatabaseUrl, database_address
from bus.settings.ledger import Ledger
from bus.settings.loading import Section, Settings, load
from bus.settings.sections import (
    BrokerAccess,
    BrokerUrl,
    HttpUrl,
    Log,
    Port,
    PortOrOff,
    Seal,
    Seconds,
    secret,
)
from bus.settings.tls import require_both, serving, trusting


class Broker(BrokerAccess):
    """The broker, as the bus's own user and, for the topology, as its administrator."""

    user: Annotated[str, Field(min_length=1)] = "bus.router"
    """The broker's user that routers are."""
    management_url: HttpUrl = "http://127.0.0.1:15672"
    """The broker's management interface, for `topology apply` and `topology check`."""
    management_user: str = "bus.admin"
    """The user that may declare users, permissions, exchanges, queues and policies."""
    management_password: SecretStr | None = None
    """That user's password, by the environment only."""
    management_password_file: Path | None = None
    """A file with that user's password, readable by its owner only; used when the password is not set."""
    passwords_folder: Path = Path("passwords")
    """Where `topology apply` keeps the passwords of the broker's users, one file for each user."""

    monitor_user: str = "bus.monitor"
    """The user that may look at queues and at nothing else, for `agencies`."""
    monitor_password: SecretStr | None = None
    """That user's password, by the environment only."""
    monitor_password_file: Path | None = None
    """A file with that user's password; when not set, that of `topology apply` in `passwords_folder`."""
    max_message_bytes: Annotated[int, Field(ge=65_536)] = 2 * 1024 * 1024
    """The broker's `max_message_size`: what is larger is an alarm, and is never published."""
    inbox_max_messages: Annotated[int, Field(ge=0)] = 100000
    """The most messages that an inbox takes, 0 for any number; what is more waits in the ledger."""
    inbox_max_bytes: Annotated[int, Field(ge=0)] = 10737418240
    """The most bytes that an inbox takes, 0 for any number; both go to the broker by `topology apply`."""

    def management_tls(self) -> ssl.SSLContext:
        """The context for the management interface over https, with verification of name and chain."""
        return trusting(self.ca_file, "broker.ca_file")

    def monitor_password_text(self) -> str | None:
        """The monitoring user's password, from wherever it is."""
        file = self.monitor_password_file or self.passwords_folder / self.monitor_user
        return secret("broker.monitor_password_file", self.monitor_password, file)

    def management_password_text(self) -> str | None:
        """The administrator's password, from wherever it is."""
        return secret(
            "broker.management_password_file", self.management_password, self.management_password_file
        )


class Depot(Section):
    """The depot, both as it runs and as routers reach it."""

    url: HttpUrl = "http://127.0.0.1:8470"
    """Where routers reach the depot."""
    ca_file: Path | None = None
    """Certificates of the authority that signed the depot's, for https; when not set, the system's."""
    insecure_transport: bool = False
    """Whether depot and database may be reached unencrypted beyond this machine, as in a network that is protected."""
    listen_host: Annotated[str, Field(min_length=1)] = "127.0.0.1"
    """The address to listen on; other machines are served over https only: by `certificate`, or by a proxy here."""
    listen_port: Port = 8470
    """The port to listen on."""
    certificate: Path | None = None
    """The certificate with which the depot serves https itself, with the chain behind it, a PEM file."""
    key: Path | None = None
    """Its key, a PEM file readable by its owner only."""
    passphrase: SecretStr | None = None
    """That key's passphrase, by the environment only."""
    folder: Path = Path("var/depot")
    """Where files are kept."""
    database: DatabaseUrl = "sqlite:///var/depot.db"
    """The depot's bookkeeping; never the same SQLite file as the ledger."""
    database_password: SecretStr | None = None
    """The database user's password, by the environment only."""
    database_password_file: Path | None = None
    """A file with that password, readable by its owner only; used when the password is not set."""
    max_file_bytes: Annotated[int, Field(ge=1)] = 536870912
    """Bytes of the largest file that is taken."""
    quota_bytes: Annotated[int, Field(ge=1)] = 53687091200
    """Bytes that one agency may keep in files that no letter names yet."""
    max_connections: Annotated[int, Field(ge=10, le=100000)] = 1000
    """Connections at the same time; beyond it the one that has been without a request for the longest gives way."""
    max_connections_per_address: Annotated[int, Field(ge=0)] = 100
    """Connections from one address; 0 is no limit, for a TLS proxy on another machine. This machine has none."""

    def tls(self) -> ssl.SSLContext:
        """The context for https, with verification of name and chain."""
        return trusting(self.ca_file, "depot.ca_file")

    def serving_tls(self) -> ssl.SSLContext | None:
        """The context with which the depot serves https; None where it serves http."""
        if self.certificate is None or self.key is None:
            return None
        return serving(self.certificate, self.key, self.passphrase, "depot")

    def database_address(self) -> str:
        """The bookkeeping's URL with its password: a secret, not to be logged."""
        key = "depot.database_password_file"
        return database_address(
            self.database, secret(key, self.database_password, self.database_password_file)
        )

    @model_validator(mode="after")
    def _a_quota_fits_a_file(self) -> Self:
        if self.quota_bytes < self.max_file_bytes:
            raise ValueError("quota_bytes should be at least max_file_bytes")
        return self

    @model_validator(mode="after")
    def _a_certificate_has_a_key(self) -> Self:
        require_both(self.certificate, self.key)
        return self


class BusSeal(Seal):
    """The key that the bus signs its verdicts with."""

    key: Path = Path("keys/bus.key.pem")
    """The private key, a PEM file readable by its owner only."""
    certificate: Path = Path("keys/bus.crt.pem")
    """Its certificate, a PEM file; the same as the directory names for the bus."""


class PrivateAuthority(Section):
    """The private authority that `init` makes, which vouches for the bus's own servers and clients."""

    key: Path | None = None
    """Its private key, a PEM file readable by its owner only; needed to approve log-ins by certificate."""
    certificate: Path | None = None
    """Its certificate, a PEM file, which others trust."""
    passphrase: SecretStr | None = None
    """The key's passphrase, by the environment only."""

    @model_validator(mode="after")
    def _a_certificate_has_a_key(self) -> Self:
        require_both(self.certificate, self.key)
        return self


class DirectoryFile(Section):
    """The directory of agencies."""

    file: Path = Path("agencies.toml")
    """The agencies, groups, topics and certificates."""
    certificates: Path | None = None
    """The folder of the certificate files; when not set, the one that the directory itself states."""


class CalendarFile(Section):
    """The calendar of working time and deadlines."""

    file: Path = Path("calendar.toml")
    """Working hours, holidays, closures and deadlines."""


class CodeLists(Section):
    """The code lists."""

    folder: Path | None = None
    """The folder of the code lists; when not set, those that ship with the bus."""


class EvidenceSettings(Section):
    """What goes into evidence packs besides what the ledger has."""

    tsa_url: HttpUrl | None = None
    """A time-stamp authority (RFC 3161) that stamps the signed head in each pack; none when not set."""
    tsa_ca_file: Path | None = None
    """The root certificate of that authority, a PEM file."""
    insecure_transport: bool = False
    """Whether the authority may be reached unencrypted beyond this machine, where other means protect the network."""


class Shares(Section):
    """What each agency may use before others go first, and what the broker takes from it at all."""

    window: Seconds = 60.0
    """Seconds in which an agency may use its share; beyond it, its submissions wait until nobody else's do."""
    messages: Annotated[int, Field(ge=1)] = 3000
    """Submissions in that time."""
    bytes: Annotated[int, Field(ge=1_048_576)] = 67_108_864
    """Bytes of submissions in that time."""
    fruitless: Annotated[int, Field(ge=1)] = 100
    """Submissions in that time that were refused, or had been answered before."""
    refusals_per_hour: Annotated[int, Field(ge=1)] = 500
    """Submissions refused before gate 6 that are each entered and answered in an hour; what is more is counted."""
    intake_messages: Annotated[int, Field(ge=1)] = 50_000
    """The most submissions of one agency that wait at the broker, which then refuses more (topology apply)."""
    intake_bytes: Annotated[int, Field(ge=2_097_152)] = 2_147_483_648
    """The most bytes of one agency's waiting submissions (topology apply)."""
    connections: Annotated[int, Field(ge=2)] = 20
    """The most connections to the broker of one agency's user (topology apply)."""
    channels: Annotated[int, Field(ge=8)] = 100
    """The most channels of one agency's user (topology apply)."""


class Enrolment(Section):
    """How agencies join, and renew their keys."""

    centre: HttpUrl | None = None
    """Where agencies reach the centre (depot, log, enrolment), for invitations; when not set, `depot.url`."""
    broker: BrokerUrl | None = None
    """Where agencies reach the broker, for invitations; when not set, `broker.url`, or that of the agency's cluster."""
    renewal: Literal["auto", "ask", "off"] = "ask"
    """What becomes of an agency's request to renew its key: approved by itself, by an operator, or refused."""


class Router(Section):
    """How a router works."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")] = "router-1"
    """This router's name in the ledger, in logs and at the broker; each router has its own."""
    batch: Annotated[int, Field(ge=1, le=1000)] = 128
    """The most letters that go into one transaction."""
    prefetch: Annotated[int, Field(ge=1, le=2000)] = 500
    """The most unacknowledged letters that a router holds, once its first ones have passed."""
    workers: Annotated[int, Field(ge=0, le=64)] = 0
    """Processes in which submissions are inspected, apart from the router's keys; with 0 it does that itself."""
    sweep_interval: Seconds = 30.0
    """Seconds between looks for consignments that a crash left behind."""
    deadline_interval: Seconds = 60.0
    """Seconds between looks for deadlines that have passed."""
    settle_seconds: Annotated[float, Field(ge=0, le=86400)] = 60.0
    """Seconds after a deadline, and after a broker is back, before anyone is called silent: receipts may be coming."""
    metrics_port: PortOrOff = 0
    """The port for Prometheus on this machine's own address; 0 is off."""
    metrics_by_agency: bool = False
    """Whether metrics name agencies: with thousands of them, that is thousands of series."""

    @model_validator(mode="after")
    def _a_batch_can_fill(self) -> Self:
        if self.prefetch < self.batch:
            raise ValueError("prefetch should be at least batch")
        return self


class BusSettings(Settings):
    """Everything that `saraban-bus` can be told."""

    model_config = SettingsConfigDict(env_prefix="SARABAN_BUS__")

    broker: Broker = Broker()
    clusters: dict[ClusterName, Broker] = Field(default_factory=dict)
    """Broker clusters besides that of `[broker]`, each as a `[clusters.<name>]`, for what the directory puts there."""
    ledger: Ledger = Ledger()
    depot: Depot = Depot()
    seal: BusSeal = BusSeal()
    authority: PrivateAuthority = PrivateAuthority()
    directory: DirectoryFile = DirectoryFile()
    calendar: CalendarFile = CalendarFile()
    codes: CodeLists = CodeLists()
    evidence: EvidenceSettings = EvidenceSettings()
    shares: Shares = Shares()
    enrolment: Enrolment = Enrolment()
    router: Router = Router()
    console: Console = Console()
    operator: OperatorKey = OperatorKey()
    log: Log = Log()

    @property
    def brokers(self) -> dict[str, Broker]:
        """Every broker cluster by its name; `[broker]` is `main`."""
        return {MAIN: self.broker, **self.clusters}


def load_bus_settings(path: Path | None = None) -> BusSettings:
    """The settings of the bus from a file such as `bus.toml` and SARABAN_BUS__ variables."""
    return load(BusSettings, path)
