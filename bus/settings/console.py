"""The settings of the console, and of people who act by command."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, SecretStr, model_validator

from bus.operators import Role
from bus.settings.database import DatabaseUrl, database_address
from bus.settings.loading import Section
from bus.settings.sections import HttpUrl, Port, secret
from bus.settings.tls import require_both, serving


class OperatorKey(Section):
    """Who acts when a command is given."""

    key: SecretStr | None = None
    """The key of the person who gives the commands, by the environment only."""
    key_file: Path | None = None
    """A file with that key, readable by its owner only; used when the key is not set."""

    def key_text(self) -> str | None:
        """The key itself, from wherever it is; None where there is none."""
        return secret("operator.key_file", self.key, self.key_file)


class Console(Section):
    """The console: pages for operators, stewards and auditors."""

    url: HttpUrl | None = None
    """The address by which people reach it, as behind a proxy; when not set, from `listen_host` and `listen_port`."""
    listen_host: Annotated[str, Field(min_length=1)] = "127.0.0.1"
    """The address to listen on; other machines are served over https only: by `certificate`, or by a proxy here."""
    listen_port: Port = 8480
    """The port to listen on."""
    certificate: Path | None = None
    """The certificate with which the console serves https itself, with the chain behind it, a PEM file."""
    key: Path | None = None
    """Its key, a PEM file readable by its owner only."""
    passphrase: SecretStr | None = None
    """That key's passphrase, by the environment only."""
    people: Path = Path("people.toml")
    """The local users: names, roles, digests of passwords and operator keys; `console user add` writes it."""
    database: DatabaseUrl = "sqlite:///var/console.db"
    """Sessions and jobs; never the ledger's or the depot's SQLite file."""
    database_password: SecretStr | None = None
    """The database user's password, by the environment only."""
    database_password_file: Path | None = None
    """A file with that password, readable by its owner only; used when the password is not set."""
    insecure_transport: bool = False
    """Whether people, database and provider may be reached unencrypted beyond this machine, in a protected network."""
    results: Path = Path("var/console")
    """The folder in which jobs keep what they made: packs and exports, for a week."""
    log_key: str | None = None
    """The log's public key, as `ledger key` prints it; when not set, that of the key `ledger.key`."""
    idle_minutes: Annotated[int, Field(ge=1, le=1440)] = 15
    """Minutes without a request after which a session ends."""
    session_hours: Annotated[int, Field(ge=1, le=168)] = 12
    """Hours after which a person signs in anew."""
    sign_in_attempts: Annotated[int, Field(ge=1, le=100)] = 5
    """Failed sign-ins in fifteen minutes, by name and by address, after which no more are looked at."""
    seal: bool = True
    """Whether this process may seal evidence packs, by `seal.key`; without, packs are made by command."""
    oidc_issuer: HttpUrl | None = None
    """The OpenID Connect provider by which people sign in; none when not set."""
    oidc_client_id: str = ""
    """The console's name at that provider."""
    oidc_client_secret: SecretStr | None = None
    """Its secret there, by the environment only."""
    oidc_client_secret_file: Path | None = None
    """A file with that secret, readable by its owner only; used when the secret is not set."""
    oidc_role_claim: Annotated[str, Field(min_length=1)] = "roles"
    """The claim of the identity token that holds a person's roles."""
    oidc_roles: dict[str, Role] = Field(default_factory=dict)
    """Which value of that claim is which role: operator, steward or auditor."""
    logo: Path | None = None
    """The deployment's own logo, a PNG or SVG file."""
    banner_th: str = "ระบบกลางเชื่อมโยงงานสารบรรณอิเล็กทรอนิกส์"
    """What the banner above each page says in Thai."""
    banner_en: str = "Electronic correspondence bus"
    """What the banner above each page says in English."""
    contact_th: str = "ติดต่อผู้ดูแลระบบกลางของท่าน"
    """Whom to ask, in Thai."""
    contact_en: str = "Ask the operators of your bus"
    """Whom to ask, in English."""
    terms_th: str = "ใช้เพื่อปฏิบัติราชการตามหน้าที่เท่านั้น ทุกการกระทำถูกบันทึกในบัญชี"
    """The terms of use, in Thai."""
    terms_en: str = "For official duties only. Every act is recorded in the ledger."
    """The terms of use, in English."""
    privacy_th: str = "ระบบบันทึกชื่อผู้ใช้ บทบาท วิธีเข้าสู่ระบบ และคำถามที่สืบค้น เพื่อการตรวจสอบ"
    """The privacy notice, in Thai."""
    privacy_en: str = "Name, role, way of signing in and the questions asked are recorded, for audit."
    """The privacy notice, in English."""
    security_th: str = "พบช่องโหว่หรือเหตุผิดปกติ โปรดแจ้งผู้ดูแลระบบกลางทันที"
    """The security policy, in Thai."""
    security_en: str = "Report a weakness or an incident to the operators of the bus at once."
    """The security policy, in English."""

    @property
    def address(self) -> str:
        """The address by which people reach it, without a stroke at its end."""
        scheme = "http" if self.certificate is None else "https"
        return self.url or f"{scheme}://{self.listen_host}:{self.listen_port}"

    def serving_tls(self) -> ssl.SSLContext | None:
        """The context with which the console serves https; None where it serves http."""
        if self.certificate is None or self.key is None:
            return None
        return serving(self.certificate, self.key, self.passphrase, "console")

    def database_address(self) -> str:
        """The database's URL with its password: a secret, not to be logged."""
        key = "console.database_password_file"
        return database_address(
            self.database, secret(key, self.database_password, self.database_password_file)
        )

    def client_secret_text(self) -> str | None:
        """The secret at the OpenID provider, from wherever it is."""
        return secret(
            "console.oidc_client_secret_file", self.oidc_client_secret, self.oidc_client_secret_file
        )

    @model_validator(mode="after")
    def _a_certificate_has_a_key(self) -> Self:
        require_both(self.certificate, self.key)
        return self

    @model_validator(mode="after")
    def _a_provider_knows_us(self) -> Self:
        if self.oidc_issuer is not None and not (self.oidc_client_id and self.oidc_roles):
            raise ValueError("with oidc_issuer, oidc_client_id and oidc_roles are needed")
        return self
