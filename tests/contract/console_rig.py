"""What the tests of the console's pages stand on: the application over a ledger in which something has happened."""

from __future__ import annotations

import html
import re
import ssl
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import httpx
from anyio.from_thread import start_blocking_portal
from httpx import Response
from starlette.applications import Starlette

from bus.connections import Limits
from bus.console.app import build_app
from bus.console.process import MOST_BODY
from bus.console.readings import Readings
from bus.console.site import Site
from bus.console.store import Store
from bus.ledger.store import Ledger
from bus.operators import Operator, Role
from bus.pages.entering import cookie_name
from bus.settings.bus import BusSettings
from bus.web import serving
from compose.ports import free_ports

NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""For clients that speak plain HTTP on this machine: without it each reads the platform's authorities."""
PEOPLE = {
    Role.OPERATOR: Operator("สมชาย (ตัวอย่าง)", Role.OPERATOR, "local"),
    Role.STEWARD: Operator("สมหญิง (ตัวอย่าง)", Role.STEWARD, "local"),
    Role.AUDITOR: Operator("ผู้ตรวจ (ตัวอย่าง)", Role.AUDITOR, "local"),
}
"""A sample person of each role."""
STRAY = (
    "//evil.example/x",
    "//evil.example/x?lang=en&a=1",
    "///evil.example",
    "/\\evil.example/x",
    "/%5Cevil.example/x",
    "/%09/evil.example",
)
"""Paths of no page, which as links on a page would lead to another site."""
_LINK = re.compile(r'(?:href|src|action)="([^"]*)"')


def stray_links(answer: Response) -> list[str]:
    """The links of a page that lead a browser to another site than its own."""
    base, links = str(answer.url.join("/")), [html.unescape(each) for each in _LINK.findall(answer.text)]
    assert links
    # Browsers take a backslash for a stroke, and leave out tabs and line ends.
    read = {each: re.sub(r"[\t\r\n]", "", each.replace("\\", "/")) for each in links}
    return [each for each, as_read in read.items() if not urljoin(base, as_read).startswith(base)]


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
class Console:
    """The console over a ledger, served on this machine."""

    site: Site
    app: Starlette
    address: str
    _opened: ExitStack

    def visited_by(self, who: Role | Operator | None) -> Visitor:
        """Return the browser of a person who is signed in; None for a stranger's."""
        client = self._opened.enter_context(httpx.Client(base_url=self.address, timeout=60, verify=NO_TLS))
        if who is None:
            return Visitor(client, "")
        person = PEOPLE[who] if isinstance(who, Role) else who
        client.cookies.set(cookie_name(self.site), self.site.store.begin(person))
        return Visitor(client, self._form_token(client))

    def _form_token(self, client: httpx.Client) -> str:
        cookie, long = client.cookies[cookie_name(self.site)], timedelta(hours=1)
        session = self.site.store.session(cookie, idle=long, longest=long)
        assert session is not None
        return session.form_token


@contextmanager
def console_over(over: Ledger, folder: Path, **settings: Any) -> Iterator[Console]:
    """Give the console over a ledger; `settings` are sections of the bus's settings."""
    port = free_ports(1)[0]
    address = f"http://127.0.0.1:{port}"
    given = BusSettings(**{**settings, "console": {"url": address, **settings.get("console", {})}})
    with ExitStack() as opened:
        store = opened.enter_context(Store(f"sqlite:///{folder / 'console.db'}"))
        site = Site(settings=given, ledger=over, store=store, readings=Readings(over, given))
        app = build_app(site)
        portal = opened.enter_context(start_blocking_portal())
        served = serving(app, "127.0.0.1", port, setting="port", limits=Limits(most=500, most_body=MOST_BODY))
        opened.enter_context(portal.wrap_async_context_manager(served))
        yield Console(site, app, address, opened)
