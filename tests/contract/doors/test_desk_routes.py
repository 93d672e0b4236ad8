"""Who may have which page of the desk: the table of route × role, asked of the application itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.routing import Route

from adapters.desk.app import create_app
from adapters.desk.pages import PAGES
from adapters.mailbox import Mailbox
from bus.operators import DeskRole
from tests.assets.factory import OCS
from tests.contract.doors.desk_rig import Served, desk_over
from tests.contract.doors.door import World
from tests.unit.adapter.network import Bus, Office

CLERK, IT = DeskRole
WHO_MAY: dict[tuple[str, str], set[DeskRole]] = {
    ("GET", "/"): {CLERK, IT},
    ("GET", "/inbox"): {CLERK},
    ("GET", "/inbox/{letter:int}"): {CLERK},
    ("GET", "/inbox/{letter:int}/document"): {CLERK},
    ("GET", "/inbox/{letter:int}/files/{position:int}"): {CLERK},
    ("GET", "/inbox/{letter:int}/files/{position:int}/view"): {CLERK},
    ("POST", "/inbox/{letter:int}/notes"): {CLERK},
    ("GET", "/inbox/{letter:int}/{verb}"): {CLERK},
    ("POST", "/inbox/{letter:int}/{verb}"): {CLERK},
    ("GET", "/state"): {CLERK, IT},
    ("GET", "/sign-ins"): {IT},
    ("GET", "/sign-ins/end"): {IT},
    ("POST", "/sign-ins/end"): {IT},
}
"""Each page and act, and the roles that have it; a page that is missing here fails the test."""
OPEN = {"/logo", "/sign-in", "/sign-in/link", "/sign-out"}
"""What a stranger may ask for."""
_NUMBER, _TEXT = re.compile(r"\{\w+:int\}"), re.compile(r"\{\w+\}")


def address_of(path: str) -> str:
    """An address of a path with variable places: of something that need not be there, for a role is asked first."""
    return _TEXT.sub("register", _NUMBER.sub("1", path))


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder: Path = tmp_path_factory.mktemp("desk")
    with Mailbox(folder / "mailbox", OCS) as mailbox:
        world = World(Office(mailbox, Bus(OCS)), folder)
        world.hear(world.office.bus.directory())
        with desk_over(world) as served:
            yield served


def test_every_route_of_the_application_stands_in_the_table(desk: Served) -> None:
    found = {
        (method, route.path.removesuffix(".json").removesuffix(".csv"))
        for route in create_app(desk.site).routes
        if isinstance(route, Route) and route.path not in OPEN
        for method in route.methods or ()
        if method != "HEAD"
    }
    assert found == set(WHO_MAY)


@pytest.mark.parametrize("role", [*DeskRole, None])
def test_each_page_is_for_those_who_may_have_it(desk: Served, role: DeskRole | None) -> None:
    visitor = desk.visited_by(role)
    for (method, path), roles in WHO_MAY.items():
        address = address_of(path)
        answer = visitor.get(address) if method == "GET" else visitor.send(address, {})
        if role is None:
            assert answer.status_code == (303 if method == "GET" else 401), (method, path)
        else:
            assert (answer.status_code != 403) == (role in roles), (method, path, answer.status_code)
            assert answer.status_code < 500, (method, path)


def test_what_a_page_is_for_holds_for_its_twins(desk: Served) -> None:
    visitor = desk.visited_by(IT)
    for page in PAGES:
        for form in ("json", "csv"):
            if not page.act and (page.twin if form == "json" else page.csv):
                answer = visitor.get(f"{address_of(page.path)}.{form}")
                assert (answer.status_code != 403) == (IT in page.roles), (page.path, form)


def test_a_form_that_another_site_made_does_nothing(desk: Served) -> None:
    acts = [page for page in PAGES if page.act]
    assert acts
    for page in acts:
        role = CLERK if CLERK in page.roles else IT
        answer = desk.visited_by(role).client.post(address_of(page.path), data={"form_token": "guessed"})
        assert answer.status_code == 403, page.path


def test_every_answer_keeps_what_is_foreign_out(desk: Served) -> None:
    for path in ("/state", "/no/such/page", "/sign-in", "/static/pages.css"):
        headers = desk.visited_by(CLERK).get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"], path
        assert "unsafe" not in headers["content-security-policy"]
