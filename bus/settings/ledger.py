"""The settings of the ledger."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, SecretStr, model_validator

from bus.settings.database import DatabaseUrl, database_address, user_in
from bus.settings.loading import Section
from bus.settings.sections import Seconds, secret


class Ledger(Section):
    """The ledger's database."""

    url: DatabaseUrl = "sqlite:///var/ledger.db"
    """`sqlite:///` and a file (one router), or `postgresql://user@host/database` (any number of routers)."""
    password: SecretStr | None = None
    """The database user's password, by the environment only."""
    password_file: Path | None = None
    """A file with that password, readable by its owner only; used when the password is not set."""
    owner_url: DatabaseUrl | None = None
    """PostgreSQL as the owner of the tables, for `init`, `ledger init` and `restore`; when not set, `url`."""
    owner_password: SecretStr | None = None
    """The owner's password, by the environment only."""
    owner_password_file: Path | None = None
    """A file with the owner's password, readable by its owner only; used when that password is not set."""
    console_role: Annotated[str, Field(min_length=1, max_length=63)] | None = None
    """The PostgreSQL role of the console, which `ledger init` lets read, and append what its acts record."""
    insecure_transport: bool = False
    """Whether the database may be reached unencrypted beyond this machine, where other means protect the network."""
    origin: Annotated[str, Field(pattern=r"^[^\s+]{1,100}$")] = "saraban.example/ledger"
    """The ledger's name in its signed heads, without blanks and plus signs; never changed afterwards."""
    key: Path = Path("keys/log.key.pem")
    """The Ed25519 key that signs the heads, a PEM file readable by its owner only; `ledger init` makes it."""
    passphrase: SecretStr | None = None
    """That key's passphrase, by the environment only."""
    kept_head: Path = Path("var/log.head")
    """The file in which a signer keeps the newest head that it has signed: away from the database and its backups."""
    checkpoint_interval: Seconds = 2.0
    """Seconds between signed heads, as long as anything is appended."""
    anchor_interval: Seconds = 600.0
    """Seconds between the heads that the agencies' witnesses are asked to cosign; one at each day's end besides."""

    tiles_folder: Path | None = None
    """A folder of `ledger tiles export`, to read those tiles from that the database no longer has."""

    def passphrase_text(self) -> str | None:
        """The key's passphrase itself, or None for a key without one."""
        return self.passphrase.get_secret_value() if self.passphrase is not None else None

    def address(self) -> str:
        """The URL with its password: a secret, not to be logged."""
        return database_address(self.url, secret("ledger.password_file", self.password, self.password_file))

    def owner_address(self) -> str:
        """The URL by which tables are made, with its password: a secret, not to be logged."""
        if self.owner_url is None:
            return self.address()
        key = "ledger.owner_password_file"
        return database_address(self.owner_url, secret(key, self.owner_password, self.owner_password_file))

    @property
    def runtime_role(self) -> str | None:
        """The role that routers are, where another one owns the tables."""
        return user_in(self.url) if self.owner_url is not None else None

    @model_validator(mode="after")
    def _an_owner_is_another(self) -> Self:
        if self.owner_url is not None and user_in(self.owner_url) in (None, user_in(self.url)):
            raise ValueError("owner_url should be PostgreSQL as another user than that of url")
        return self

    @model_validator(mode="after")
    def _a_console_role_is_of_postgresql(self) -> Self:
        if self.console_role is not None and self.url.startswith("sqlite:"):
            raise ValueError("console_role is for PostgreSQL: SQLite has no roles")
        return self
