"""What tells the desk's pages from those of another program, and how its people are kept."""

from __future__ import annotations

from pathlib import Path

from adapters.desk.roles import CLERKS, EVERYBODY, IT
from bus.operators import DeskRole
from bus.pages.site import Face
from bus.people import Roster

NAVIGATION = (
    ("/inbox", "nav.inbox", CLERKS),
    ("/write", "nav.write", CLERKS),
    ("/sent", "nav.sent", CLERKS),
    ("/registers", "nav.registers", CLERKS),
    ("/state", "nav.state", EVERYBODY),
    ("/sign-ins", "nav.sign-ins", IT),
)
"""The pages that stand above each page, with their words and who has them."""
FACE = Face(cookie="saraban-desk", folder=Path(__file__).parent, navigation=NAVIGATION)
ROSTER = Roster(DeskRole, "desk.people", "saraban-adapter desk user", "ผู้ใช้โต๊ะสารบรรณของหน่วยงาน")
