"""The settings of the desk: an agency's own pages, for an office without a system."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field

from bus.operators import DeskRole
from bus.settings.pages import Pages
from bus.settings.sections import Port


class Desk(Pages):
    """The desk: pages for the clerks and the IT of this agency."""

    table: ClassVar[str] = "desk"

    enabled: bool = False
    """Whether the pages are served."""
    listen_port: Port = 8460
    """The port to listen on."""
    people: Path = Path("people.toml")
    """The local users: names, roles and digests of passwords; `saraban-adapter desk user add` writes it."""
    largest_file: Annotated[int, Field(ge=1)] = 536870912
    """Bytes of the largest file that is taken; the depot has a limit of its own."""
    oidc_roles: dict[str, DeskRole] = Field(default_factory=dict)
    """Which value of that claim is which role: clerk or it."""
    banner_th: str = "ระบบรับส่งหนังสือราชการอิเล็กทรอนิกส์"
    """What the banner above each page says in Thai."""
    banner_en: str = "Official correspondence"
    """What the banner above each page says in English."""
    contact_th: str = "ติดต่อเจ้าหน้าที่เทคโนโลยีสารสนเทศของหน่วยงาน"
    """Whom to ask, in Thai."""
    contact_en: str = "Ask your agency's IT"
    """Whom to ask, in English."""
    terms_th: str = "ใช้เพื่อปฏิบัติราชการตามหน้าที่เท่านั้น ทุกการกระทำถูกบันทึกพร้อมชื่อผู้ทำ"
    """The terms of use, in Thai."""
    terms_en: str = "For official duties only. Every act is recorded with the name of who did it."
    """The terms of use, in English."""
    privacy_th: str = "ระบบบันทึกชื่อผู้ใช้ บทบาท วิธีเข้าสู่ระบบ และสิ่งที่ทำกับหนังสือแต่ละฉบับ"
    """The privacy notice, in Thai."""
    privacy_en: str = "Name, role, way of signing in and what was done with each letter are recorded."
    """The privacy notice, in English."""
    security_th: str = "พบช่องโหว่หรือเหตุผิดปกติ โปรดแจ้งเจ้าหน้าที่เทคโนโลยีสารสนเทศของหน่วยงานทันที"
    """The security policy, in Thai."""
    security_en: str = "Report a weakness or an incident to your agency's IT at once."
    """The security policy, in English."""
