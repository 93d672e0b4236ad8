"""The settings of an agency's adapter."""

from __future__ import annotations

import ssl
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import SettingsConfigDict

from bus.identifiers import AgencyCode
from bus.settings.desk import Desk
from bus.settings.loading import Section, Settings, load
from bus.settings.office_database import SqlConnector
from bus.settings.sections import BrokerAccess, HttpUrl, Log, Port, PortOrOff, Seal, Seconds
from bus.settings.tls import require_both, require_clients, serving, trusting

NOBODY: Final = AgencyCode("0000000000")
"""The code in the sample configuration: no ministry has 00."""


class DepotAccess(Section):
    """The depot that files go to and come from."""

    url: HttpUrl = "http://127.0.0.1:8470"
    """Where the depot is reached."""
    ca_file: Path | None = None
    """Certificates of the authority that signed the depot's, for https; when not set, the system's."""
    insecure_transport: bool = False
    """Whether the depot may be reached unencrypted beyond this machine, where other means protect the network."""

    def tls(self) -> ssl.SSLContext:
        """The context for https, with verification of name and chain."""
        return trusting(self.ca_file, "depot.ca_file")


class AgencySeal(Seal):
    """The key that this agency's letters and notices are signed with."""

    key: Path = Path("keys/agency.key.pem")
    """The private key, a PEM file readable by its owner only."""
    certificate: Path = Path("keys/agency.crt.pem")
    """Its certificate, a PEM file; the same as the directory pins."""
    renew_days: Annotated[int, Field(ge=0, le=365)] = 30
    """Days before the certificate's end from which on the adapter asks the centre for its next one; 0 for never."""


class Mailbox(Section):
    """What the adapter keeps."""

    folder: Path = Path("mailbox")
    """Letters, notices, files and states; one process at a time uses it."""


class FolderConnector(Section):
    """The exchange with an office system through folders."""

    enabled: bool = False
    """Whether the folders are watched."""
    path: Path = Path("exchange")
    """The folder that holds outbox, sent, failed, inbox and receipts."""
    poll: Seconds = 2.0
    """Seconds between looks into the outbox and for news; what the system tells of is taken at once."""
    quiet: Annotated[float, Field(ge=0, le=3600)] = 5.0
    """Seconds without a change after which a letter counts as complete; 0 if the office system always renames."""
    patience: Seconds = 60.0
    """Seconds that a letter waits for a file that is missing or has no end yet, before it fails."""
    largest_file: Annotated[int, Field(ge=1)] = 536870912
    """Bytes of the largest file that is taken; the depot has a limit of its own."""
    group: str = ""
    """The group whose members may read and write these folders, the office system's; when empty, their owner alone."""


class RestConnector(Section):
    """The exchange with an office system by HTTP requests; it takes the extra saraban-bus[rest]."""

    enabled: bool = False
    """Whether requests are answered."""
    listen_host: Annotated[str, Field(min_length=1)] = "127.0.0.1"
    """The address to listen on; other machines are served over https only: by `certificate`, or by a proxy here."""
    listen_port: Port = 8490
    """The port to listen on."""
    insecure_transport: bool = False
    """Whether programs may reach it unencrypted beyond this machine, where other means protect the network."""
    certificate: Path | None = None
    """The certificate with which https is served, with the chain behind it, a PEM file."""
    key: Path | None = None
    """Its key, a PEM file readable by its owner only."""
    passphrase: SecretStr | None = None
    """That key's passphrase, by the environment only."""
    client_ca_file: Path | None = None
    """The authority of the programs' own certificates: then every connection must show one, beside a key."""
    requests_per_minute: Annotated[int, Field(ge=1, le=1_000_000)] = 600
    """The most requests of one key in a minute; more are answered with 429 and when to come again."""
    largest_file: Annotated[int, Field(ge=1)] = 536870912
    """Bytes of the largest file that is taken; the depot has a limit of its own."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        require_both(self.certificate, self.key)
        if self.client_ca_file is not None and self.certificate is None:
            raise ValueError("client_ca_file needs certificate and key: programs show theirs over https only")
        return self

    def tls(self) -> ssl.SSLContext | None:
        """The context for https; None where it is not served. Raises Misconfigured for files that cannot be used."""
        section = "connectors.rest"
        if self.certificate is None or self.key is None:
            return None
        context = serving(self.certificate, self.key, self.passphrase, section)
        if self.client_ca_file is not None:
            require_clients(context, self.client_ca_file, f"{section}.client_ca_file")
        return context


_ClientsWord = Annotated[str, Field(min_length=1, max_length=50, pattern=r"^[^\x00-\x1f\x7f]+$")]

_ClientsName = Annotated[str, Field(min_length=1, max_length=255)]
_Ministry = Annotated[str, Field(pattern=r"^[0-9]{2}$")]


class EcmsConnector(Section):
    """The façade of e-CMS 2.0 for an office system that speaks it."""

    enabled: bool = False
    """Whether the façade is served."""
    host: str = "127.0.0.1"
    """The address that it is served on; one beyond this machine needs `networks` or `client_ca`."""
    port: Port = 8480
    """Its port."""
    path: Annotated[str, Field(pattern=r"^/[\w./-]*$")] = "/ecms-ws01/service2"
    """The path that clients post to."""
    networks: list[str] = []  # noqa: RUF012 - pydantic copies it
    """The networks whose clients may ask, such as `10.1.2.0/24`: e-CMS itself has no passwords; when empty, anybody."""
    certificate: Path | None = None
    """The certificate for https, a PEM file; when not set, http."""
    key: Path | None = None
    """Its key, a PEM file readable by its owner only."""
    passphrase: SecretStr | None = None
    """That key's passphrase, by the environment only."""
    client_ca: Path | None = None
    """Certificates of the authority that signed the clients' own, a PEM file; when set, a client has to show one."""
    largest_request: Annotated[int, Field(ge=65536)] = 209715200
    """Bytes of the largest request; its files are a third larger than in the office."""
    largest_inline: Annotated[int, Field(ge=0)] = 31457280
    """Bytes of the files that are put into one answer; what exceeds it is replaced by a page that names the file."""
    verdict_wait: Annotated[float, Field(ge=0, le=120)] = 20.0
    """Seconds that the answer to a posted letter waits for the bus's verdict."""
    code_digits: Literal[10, 5] = 10
    """Digits of agencies' codes in answers: 10, or 5 for codes that end in noughts; all are understood."""
    default_kind: str = "external"
    """The kind of a posted letter that names who signed it."""
    status_days: Annotated[int, Field(ge=1, le=3660)] = 30
    """Days whose letters an OutboundStatusRequest is told of."""
    stuck_after: Annotated[int, Field(ge=1)] = 50
    """Times that an item is pulled without being deleted before `status` says that the client is stuck."""
    withdrawal: Literal["unserved", "ask"] = "unserved"
    """Requests for a letter back: granted while the client has not been served it, or `ask` a clerk always."""
    handover_failed: Literal["invalid", "none"] = "invalid"
    """What the client is told where a recipient could not take a letter: an InvalidLetterNotifier, or nothing."""
    subject_max: Annotated[int, Field(ge=0, le=1000)] = 0
    """Characters of a Subject that the client takes: a longer one ends in "…", with Description having it whole."""
    omit_signature: bool = True
    """Whether letters are served without a GovernmentSignature; else with one that has a TypeCode and no Signature."""
    ministries: dict[_Ministry, _ClientsName] = {}  # noqa: RUF012 - pydantic copies it
    """Names of ministries, by the first two digits of agencies' codes, beside those of config/codes/ministries.toml."""
    error_codes: dict[str, _ClientsWord] = {}  # noqa: RUF012 - pydantic copies it
    """The ErrorCode that the client knows, by ours (docs/ecms.md); one that is not named is told as it is."""
    status_words: dict[str, _ClientsWord] = {}  # noqa: RUF012 - pydantic copies it
    """The ProcessStatus that the client knows, by ours in small letters, such as `registered`."""

    @model_validator(mode="after")
    def _only_for_those_who_may(self) -> Self:
        require_both(self.certificate, self.key)
        if self.client_ca is not None and self.certificate is None:
            raise ValueError("client_ca needs a certificate and a key: without https no client shows its own")
        for each in self.networks:
            ip_network(each)  # its own ValueError says what is wrong
        alone = self.host in ("localhost", "::1") or self.host.startswith("127.")
        if not (alone or self.networks or self.client_ca):
            raise ValueError("host is beyond this machine: name the clients' networks, or client_ca")
        return self

    def tls(self) -> ssl.SSLContext | None:
        """The context for https, which asks for the client's certificate if `client_ca` is set; None for http."""
        if self.certificate is None or self.key is None:
            return None
        context = serving(self.certificate, self.key, self.passphrase, "connectors.ecms")
        if self.client_ca is not None:
            require_clients(context, self.client_ca, "connectors.ecms.client_ca")
        return context


class Connectors(Section):
    """How office systems are connected."""

    folder: FolderConnector = FolderConnector()
    rest: RestConnector = RestConnector()
    ecms: EcmsConnector = EcmsConnector()
    sql: SqlConnector = SqlConnector()


class Witness(Section):
    """How this agency watches that the bus's ledger only grows."""

    log_key: Path | None = None
    """A file with the public key of the bus's log, as its operator handed it over; when not set, nothing is watched."""
    key: Path = Path("keys/witness.key.pem")
    """The Ed25519 key with which heads are cosigned, a PEM file readable by its owner only; `log key` makes it."""
    passphrase: SecretStr | None = None
    """That key's passphrase, by the environment only."""
    poll: Seconds = 60.0
    """Seconds between looks at the log."""

    def passphrase_text(self) -> str | None:
        """The key's passphrase itself, or None for a key without one."""
        return self.passphrase.get_secret_value() if self.passphrase is not None else None


class AdapterSettings(Settings):
    """Everything that `saraban-adapter` can be told."""

    model_config = SettingsConfigDict(env_prefix="SARABAN_ADAPTER__")

    agency: Annotated[AgencyCode, Field(pattern=r"^[0-9]{10}$")]
    """This agency's code of ten digits, in quotation marks."""
    bus_certificate: Path = Path("keys/bus.crt.pem")
    """The certificate of the bus, with which its verdicts and directories are verified."""
    resend_after: Seconds = 30.0
    """Seconds without a verdict after which the same bytes are sent again."""
    prefetch: Annotated[int, Field(ge=1, le=2000)] = 100
    """The most messages that the broker hands over before they are acknowledged."""
    max_parallel_downloads: Annotated[int, Field(ge=1, le=64)] = 4
    """How many files are fetched at the same time."""
    metrics_port: PortOrOff = 0
    """The port for Prometheus on this machine's own address; 0 is off."""
    broker: BrokerAccess = BrokerAccess()
    depot: DepotAccess = DepotAccess()
    seal: AgencySeal = AgencySeal()
    mailbox: Mailbox = Mailbox()
    connectors: Connectors = Connectors()
    desk: Desk = Desk()
    witness: Witness = Witness()
    log: Log = Log()


def load_adapter_settings(path: Path | None = None) -> AdapterSettings:
    """The settings of an adapter from a file such as `adapter.toml` and SARABAN_ADAPTER__ variables."""
    settings = load(AdapterSettings, path)
    if settings.broker.user:
        return settings
    broker = settings.broker.model_copy(update={"user": f"agency.{settings.agency}"})
    return settings.model_copy(update={"broker": broker})
