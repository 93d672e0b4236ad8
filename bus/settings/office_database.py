"""The settings of the exchange through tables of an office's own database."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Annotated, Final, Literal
from urllib.parse import parse_qs, quote, unquote, urlsplit

from pydantic import AfterValidator, Field, SecretStr

from bus.settings.loading import Section
from bus.settings.sections import Seconds, secret, with_credentials
from bus.settings.tls import trusting
from bus.settings.transport import is_this_machine

_DRIVERS: Final = {
    "postgresql": "postgresql+psycopg",
    "mariadb": "mariadb+pymysql",
    "mysql": "mysql+pymysql",
    "mssql": "mssql+pyodbc",
    "oracle": "oracle+oracledb",
}
_SQLITE: Final = "sqlite"
_MARIADB: Final = ("mariadb", "mysql")
_SECRETS: Final = {"password", "passwd", "pwd", "sslpassword", "wallet_password"}
"""What drivers take a password by after a URL's `?`."""
_MAY_BE_ASKED: Final = frozenset(
    {"charset", "unix_socket", "connect_timeout", "read_timeout", "write_timeout"}
)
"""What a URL of MariaDB may say after its `?`: others could name another host, or switch encryption off."""


def _office_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme == _SQLITE:
        if not value.startswith("sqlite:///") or len(value) == len("sqlite:///"):
            raise ValueError("should be sqlite:/// followed by the path of a file")
    elif parts.scheme not in _DRIVERS:
        known = ", ".join(f"{each}://" for each in (*_DRIVERS, _SQLITE))
        raise ValueError(f"should begin with one of {known}")
    elif parts.password is not None or _SECRETS & {name.lower() for name in parse_qs(parts.query)}:
        raise ValueError("should not carry a password, which has a setting of its own")
    elif parts.scheme in _MARIADB and (other := set(parse_qs(parts.query)) - _MAY_BE_ASKED):
        raise ValueError(f"should not carry {', '.join(sorted(other))} after its ?")
    return value


OfficeUrl = Annotated[str, AfterValidator(_office_url)]


class SqlConnector(Section):
    """The exchange with an office system through tables of the office's own database."""

    enabled: bool = False
    """Whether the tables are read and written."""
    url: OfficeUrl = "postgresql://saraban@127.0.0.1/office"
    """The database with its user and without a password: postgresql, mariadb, mysql, mssql, oracle, or sqlite:///FILE."""
    password: SecretStr | None = None
    """That user's password, by the environment only."""
    password_file: Path | None = None
    """A file with that user's password, readable by its owner only; used when the password is not set."""
    ca_file: Path | None = None
    """For MariaDB and MySQL: certificates of the authority that signed the server's own; when not set, the system's."""
    insecure_transport: bool = False
    """Whether the database may be reached unencrypted beyond this machine, where other means protect the network."""
    poll: Seconds = 5.0
    """Seconds between looks into the tables."""
    patience: Seconds = 300.0
    """Seconds that a letter waits for files or recipients that its count promises, before `status` says so."""
    largest_file: Annotated[int, Field(ge=1)] = 67108864
    """Bytes of the largest file that is taken or written; each is held in memory as a whole."""
    files_folder: Path | None = None
    """The folder that file paths in the tables start from; when set, received files are written there, not as BLOBs."""
    code_page: Literal["utf-8", "tis-620", "windows-874"] = "utf-8"
    """What the text columns can hold."""
    stored_as: Literal["text", "latin-1", "bytes"] = "text"
    """How they hold it: as text; as its bytes in columns declared Latin-1; or as its bytes in binary columns."""
    dates: Literal["iso", "buddhist", "slashed", "thai"] = "iso"
    """Dates as 2026-11-22, 2569-11-22, 22/11/2569 or ๒๒ พฤศจิกายน ๒๕๖๙; the last two in text columns only."""
    tables: dict[str, str] = {}  # noqa: RUF012 - pydantic copies it
    """Names of tables or views that differ from the recommended ones; an empty name: there is none."""
    columns: dict[str, dict[str, str]] = {}  # noqa: RUF012
    """By table, names of columns that differ from the recommended ones; an empty name: there is none."""
    codes: dict[str, dict[str, str]] = {}  # noqa: RUF012
    """By map (agencies, speed, secrecy, kinds, states, events): the office's code, and the bus's that it stands for."""
    defaults: dict[str, str] = {}  # noqa: RUF012
    """By map and direction (speed_out, agencies_in …): what stands for a code that its map lacks."""

    def address(self) -> str:
        """The URL with driver and password: a secret, not to be logged. Raises Misconfigured for an unfit file."""
        scheme, _, rest = self.url.partition(":")
        if scheme == _SQLITE:  # a file that is not there is not made
            return f"sqlite:///file:{quote(self.url.removeprefix('sqlite:///'))}?mode=rw&uri=true"
        url = f"{_DRIVERS[scheme]}:{rest}"
        password = secret("connectors.sql.password_file", self.password, self.password_file)
        return with_credentials(url, unquote(urlsplit(url).username or ""), password)

    def tls(self) -> ssl.SSLContext | None:
        """The context for MariaDB and MySQL beyond this machine, with verification of name and chain."""
        parts = urlsplit(self.url)
        if parts.scheme not in _MARIADB:
            return None
        if self.ca_file is None and (is_this_machine(parts.hostname) or self.insecure_transport):
            return None
        return trusting(self.ca_file, "connectors.sql.ca_file")
