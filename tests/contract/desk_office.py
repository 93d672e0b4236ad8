"""What the tests of the desk stand on: the desk over a mailbox, served, and people who use it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
from anyio.from_thread import start_blocking_portal

from adapters.desk.app import create_app
from adapters.desk.site import Site
from adapters.desk.store import Store
from adapters.mailbox import Mailbox
from bus.connections import Limits
from bus.identifiers import AgencyCode
from bus.operators import DeskRole, Operator
from bus.pages.entering import cookie_name
from bus.settings.adapter import AdapterSettings
from bus.web import serving
from compose.ports import free_ports
from tests.contract.console_rig import NO_TLS, Visitor
from tests.contract.doors.door import World
from tests.unit.adapter.network import Bus, Office

CLERK = Operator("สมศรี (ตัวอย่าง)", DeskRole.CLERK, "local")
OTHER_CLERK = Operator("สมชาย (ตัวอย่าง)", DeskRole.CLERK, "local")
IT = Operator("ผู้ดูแล (ตัวอย่าง)", DeskRole.IT, "local")


@dataclass(frozen=True, slots=True)
class Desk:
    """The desk of an agency, and the bus behind its mailbox."""

    world: World
    site: Site
    address: str
    _opened: ExitStack

    @property
    def mailbox(self) -> Mailbox:
        """The agency's."""
        return self.world.mailbox

    def visited_by(self, who: Operator | None = CLERK) -> Visitor:
        """Return the browser, without scripts, of a person who is signed in; None for a stranger's."""
        client = self._opened.enter_context(httpx.Client(base_url=self.address, timeout=60, verify=NO_TLS))
        if who is None:
            return Visitor(client, "")
        token = self.site.store.begin(who)
        client.cookies.set(cookie_name(self.site), token)
        long = timedelta(hours=1)
        session = self.site.store.session(token, idle=long, longest=long)
        assert session is not None
        return Visitor(client, session.form_token)


@contextmanager
def desk_of(agency: AgencyCode, folder: Path, **options: Any) -> Iterator[Desk]:
    """Give the desk of an agency whose mailbox is empty; `options` are of the section `[desk]`."""
    with (
        Mailbox(folder / "mailbox", agency) as mailbox,
        desk_over(World(Office(mailbox, Bus(agency)), folder), **options) as desk,
    ):
        yield desk


@contextmanager
def desk_over(world: World, **options: Any) -> Iterator[Desk]:
    """Give the desk of the mailbox of a world."""
    port = free_ports(1)[0]
    address, folder = f"http://127.0.0.1:{port}", world.folder
    section = {"enabled": True, "url": address, "people": folder / "people.toml", **options}
    settings = AdapterSettings(
        agency=world.mailbox.agency, mailbox={"folder": folder / "mailbox"}, desk=section
    )
    with ExitStack() as opened:
        store = opened.enter_context(Store(folder / "mailbox"))
        site = Site(settings=settings, mailbox=world.mailbox, store=store)
        portal = opened.enter_context(start_blocking_portal())
        limits = Limits(most=200, most_body=settings.desk.largest_file + 1024 * 1024)
        served = serving(create_app(site), "127.0.0.1", port, setting="port", limits=limits)
        opened.enter_context(portal.wrap_async_context_manager(served))
        yield Desk(world, site, address, opened)
