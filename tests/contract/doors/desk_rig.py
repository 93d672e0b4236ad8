"""What the tests of the desk stand on: its pages over a mailbox in which the bus and its office have spoken."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx
from anyio.from_thread import start_blocking_portal
from httpx import Response

from adapters.desk.app import create_app
from adapters.desk.site import Site
from adapters.desk.store import Store
from bus.connections import Limits
from bus.operators import DeskRole, Operator
from bus.pages.entering import cookie_name
from bus.settings import AdapterSettings
from bus.web import serving
from compose.node import free_ports
from tests.contract.doors.door import World

NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""For clients that speak plain HTTP on this machine: without it each reads the platform's authorities."""
PEOPLE = {
    DeskRole.CLERK: Operator("สายใจ (ตัวอย่าง)", DeskRole.CLERK, "local"),
    DeskRole.IT: Operator("ไอที (ตัวอย่าง)", DeskRole.IT, "local"),
}
"""A sample person of each role."""


@dataclass(frozen=True, slots=True)
class Visitor:
    """A browser without scripts, of one person or of a stranger."""

    client: httpx.Client
    token: str

    def get(self, path: str) -> Response:
        """Look at a page; another address is not followed."""
        return self.client.get(path)

    def json(self, path: str) -> Any:
        """Return the JSON twin of a page."""
        bare, _, query = path.partition("?")
        response = self.get(f"{bare}.json?{query}" if query else f"{bare}.json")
        assert response.status_code == 200, response.text
        return response.json()

    def send(self, path: str, form: Mapping[str, str], *, files: Any = None) -> Response:
        """Send a form as a page of this session would."""
        return self.client.post(path, data={"form_token": self.token, **form}, files=files)


@dataclass(frozen=True, slots=True)
class Served:
    """The desk of a mailbox, served on this machine."""

    site: Site
    address: str
    _opened: ExitStack

    def visited_by(self, who: DeskRole | None) -> Visitor:
        """Return the browser of a person who is signed in; None for a stranger's."""
        client = self._opened.enter_context(httpx.Client(base_url=self.address, timeout=60, verify=NO_TLS))
        if who is None:
            return Visitor(client, "")
        token, long = self.site.store.begin(PEOPLE[who]), timedelta(hours=1)
        client.cookies.set(cookie_name(self.site), token)
        session = self.site.store.session(token, idle=long, longest=long)
        assert session is not None
        return Visitor(client, session.form_token)


@contextmanager
def desk_over(world: World) -> Iterator[Served]:
    """Give the desk over the mailbox of a world."""
    port = free_ports(1)[0]
    address = f"http://127.0.0.1:{port}"
    settings = AdapterSettings(
        agency=world.mailbox.agency,
        mailbox={"folder": world.folder / "mailbox"},
        desk={"enabled": True, "url": address, "people": world.folder / "people.toml"},
    )
    with ExitStack() as opened:
        store = opened.enter_context(Store(settings.mailbox.folder))
        site = Site(settings=settings, mailbox=world.mailbox, store=store)
        portal = opened.enter_context(start_blocking_portal())
        limits = Limits(most=500, most_body=64 * 1024 * 1024)
        served = serving(create_app(site), "127.0.0.1", port, setting="port", limits=limits)
        opened.enter_context(portal.wrap_async_context_manager(served))
        yield Served(site, address, opened)
