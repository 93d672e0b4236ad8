"""The settings of the console, and of who acts on a command line."""

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


class Console(Section):
    """The console: pages for operators and auditors, and who they are."""

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
    url: HttpUrl | None = None
    """The address that people use, for links and OpenID Connect; when not set, made of host and port."""
    insecure_transport: bool = False
    """Whether database and OpenID provider may be reached unencrypted beyond this machine, in a protected network."""
    people: Path = Path("people.toml")
    """The file of the local users and of the operators' keys; `saraban-bus console user` writes it."""
    database: DatabaseUrl = "sqlite:///var/console.db"
    """Sessions, sign-ins and jobs; never the same SQLite file as the ledger."""
    database_password: SecretStr | None = None
    """The database user's password, by the environment only."""
    database_password_file: Path | None = None
    """A file with that password, readable by its owner only; used when the password is not set."""
    idle_minutes: Annotated[int, Field(ge=1, le=480)] = 15
    """Minutes without a request after which a session ends."""
    session_hours: Annotated[int, Field(ge=1, le=24)] = 12
    """Hours after which one signs in anew, however busy the session."""
    sign_in_attempts: Annotated[int, Field(ge=1, le=100)] = 5
    """Failed sign-ins in 15 minutes, by name and by address, after which there is a wait."""
    oidc_issuer: HttpUrl | None = None
    """The OpenID provider by which people sign in; none when not set."""
    oidc_client_id: str = ""
    """The name of the console at that provider."""
    oidc_client_secret: SecretStr | None = None
    """Its secret there, by the environment only."""
    oidc_client_secret_file: Path | None = None
    """A file with that secret, readable by its owner only; used when the secret is not set."""
    oidc_role_claim: Annotated[str, Field(min_length=1)] = "roles"
    """The claim that says what a person may do."""
    oidc_roles: dict[str, Role] = Field(default_factory=dict)
    """Which values of that claim are which role: operator, steward or auditor; other values are none."""
    seal: bool = True
    """Whether this process may seal evidence packs; it then needs `seal.key`."""
    logo: Path | None = None
    """The agency's own logo, an SVG or PNG file; none when not set."""
    banner_th: str = "ระบบของหน่วยงานของรัฐ สำหรับผู้ที่ได้รับมอบหมายเท่านั้น"
    """The official banner above every page, in Thai."""
    banner_en: str = "A system of a state agency, for authorised persons only"
    """The same in English."""
    contact_th: str = "ติดต่อผู้ดูแลระบบของหน่วยงานกลาง"
    """Whom to turn to, in Thai."""
    contact_en: str = "Contact the administrators at the centre"
    """The same in English."""
    terms_th: str = "ใช้เพื่อการปฏิบัติราชการเท่านั้น และการกระทำทุกครั้งถูกบันทึกพร้อมชื่อผู้กระทำ"
    """The terms of use, in Thai."""
    terms_en: str = "For official duties only; every act is recorded with the name of who did it"
    """The same in English."""
    privacy_th: str = "ระบบเก็บชื่อ บทบาท วิธีเข้าสู่ระบบ และการกระทำของผู้ใช้ เพื่อการตรวจสอบ"
    """The privacy notice, in Thai."""
    privacy_en: str = "The name, role, sign-in method and acts of users are kept, for audits"
    """The same in English."""
    security_th: str = "หากพบจุดอ่อนด้านความมั่นคงปลอดภัย โปรดแจ้งผู้ดูแลระบบของหน่วยงานกลาง"
    """The security policy, in Thai."""
    security_en: str = "Please report weaknesses to the administrators at the centre"
    """The same in English."""

    @property
    def address(self) -> str:
        """The address that people use."""
        host = f"[{self.listen_host}]" if ":" in self.listen_host else self.listen_host
        scheme = "https" if self.certificate else "http"
        return self.url or f"{scheme}://{host}:{self.listen_port}"

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

    def oidc_secret_text(self) -> str | None:
        """The secret at the OpenID provider, from wherever it is."""
        key = "console.oidc_client_secret_file"
        return secret(key, self.oidc_client_secret, self.oidc_client_secret_file)

    @model_validator(mode="after")
    def _a_certificate_has_a_key(self) -> Self:
        require_both(self.certificate, self.key)
        return self

    @model_validator(mode="after")
    def _a_provider_knows_the_console(self) -> Self:
        if self.oidc_issuer and not (self.oidc_client_id and self.oidc_roles):
            raise ValueError("oidc_issuer needs oidc_client_id, and oidc_roles that say who may do what")
        return self


class OperatorKey(Section):
    """Who acts and reads by this machine's command line."""

    key: SecretStr | None = None
    """The operator's key (`sbk_…`), by the environment only."""
    key_file: Path | None = None
    """A file with it, readable by its owner only; used when the key is not set. `console user key` makes a key."""

    def key_text(self) -> str | None:
        """The key itself, from wherever it is; None where none is set."""
        return secret("operator.key_file", self.key, self.key_file)
