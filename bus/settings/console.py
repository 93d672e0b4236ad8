"""The settings of the console, and of people who act by command."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from pydantic import Field, SecretStr

from bus.operators import Role
from bus.settings.database import DatabaseUrl, database_address
from bus.settings.loading import Section
from bus.settings.pages import Pages
from bus.settings.sections import Port, secret


class OperatorKey(Section):
    """Who acts when a command is given."""

    key: SecretStr | None = None
    """The key of the person who gives the commands, by the environment only."""
    key_file: Path | None = None
    """A file with that key, readable by its owner only; used when the key is not set."""

    def key_text(self) -> str | None:
        """The key itself, from wherever it is; None where there is none."""
        return secret("operator.key_file", self.key, self.key_file)


class Console(Pages):
    """The console: pages for operators, stewards and auditors."""

    table: ClassVar[str] = "console"

    listen_port: Port = 8480
    """The port to listen on."""
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
    seal: bool = True
    """Whether this process may seal evidence packs, by `seal.key`; without, packs are made by command."""
    oidc_roles: dict[str, Role] = Field(default_factory=dict)
    """Which value of that claim is which role: operator, steward or auditor."""
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

    def database_address(self) -> str:
        """The database's URL with its password: a secret, not to be logged."""
        key = "console.database_password_file"
        return database_address(
            self.database, secret(key, self.database_password, self.database_password_file)
        )
