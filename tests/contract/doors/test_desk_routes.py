"""Who may have which page of the desk: the table of route × role, asked of the application itself."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from starlette.routing import Route

from adapters.desk.app import create_app
from adapters.desk.pages import PAGES
from bus.operators import DeskRole
from tests.assets.factory import OCS
from tests.contract import desk_office
from tests.contract.console_rig import STRAY, stray_links
from tests.contract.desk_office import Desk, desk_of

CLERK, IT = DeskRole
WHO = {CLERK: desk_office.CLERK, IT: desk_office.IT}
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
    ("GET", "/write"): {CLERK},
    ("POST", "/write"): {CLERK},
    ("GET", "/write/{draft}"): {CLERK},
    ("POST", "/write/{draft}"): {CLERK},
    ("POST", "/write/{draft}/files"): {CLERK},
    ("GET", "/write/{draft}/send"): {CLERK},
    ("POST", "/write/{draft}/send"): {CLERK},
    ("GET", "/write/{draft}/delete"): {CLERK},
    ("POST", "/write/{draft}/delete"): {CLERK},
    ("GET", "/sent"): {CLERK},
    ("GET", "/sent/{letter:int}"): {CLERK},
    ("GET", "/sent/{letter:int}/files/{position:int}"): {CLERK},
    **{
        (method, f"/sent/{{letter:int}}/{verb}"): {CLERK}
        for method in ("GET", "POST")
        for verb in ("dispute", "withdraw")
    },
    ("GET", "/registers"): {CLERK},
    ("GET", "/registers/{form}/{year:int}"): {CLERK},
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
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with desk_of(OCS, tmp_path_factory.mktemp("desk")) as opened:
        opened.world.hear(opened.world.office.bus.directory())
        yield opened


def test_every_route_of_the_application_stands_in_the_table(desk: Desk) -> None:
    found = {
        (method, route.path.removesuffix(".json").removesuffix(".csv"))
        for route in create_app(desk.site).routes
        if isinstance(route, Route) and route.path not in OPEN
        for method in route.methods or ()
        if method != "HEAD"
    }
    assert found == set(WHO_MAY)


@pytest.mark.parametrize("role", [*DeskRole, None])
def test_each_page_is_for_those_who_may_have_it(desk: Desk, role: DeskRole | None) -> None:
    visitor = desk.visited_by(WHO[role] if role else None)
    for (method, path), roles in WHO_MAY.items():
        address = address_of(path)
        answer = visitor.get(address) if method == "GET" else visitor.send(address, {})
        if role is None:
            assert answer.status_code == (303 if method == "GET" else 401), (method, path)
        else:
            assert (answer.status_code != 403) == (role in roles), (method, path, answer.status_code)
            assert answer.status_code < 500, (method, path)


def test_what_a_page_is_for_holds_for_its_twins(desk: Desk) -> None:
    visitor = desk.visited_by(WHO[IT])
    for page in PAGES:
        for form in ("json", "csv"):
            if not page.act and (page.twin if form == "json" else page.csv):
                answer = visitor.get(f"{address_of(page.path)}.{form}")
                assert (answer.status_code != 403) == (IT in page.roles), (page.path, form)


def test_a_form_that_another_site_made_does_nothing(desk: Desk) -> None:
    acts = [page for page in PAGES if page.act]
    assert acts
    for page in acts:
        role = CLERK if CLERK in page.roles else IT
        answer = desk.visited_by(WHO[role]).client.post(address_of(page.path), data={"form_token": "guessed"})
        assert answer.status_code == 403, page.path


def test_every_answer_keeps_what_is_foreign_out(desk: Desk) -> None:
    for path in ("/state", "/no/such/page", "/sign-in", "/static/pages.css"):
        headers = desk.visited_by(WHO[CLERK]).get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"], path
        assert "unsafe" not in headers["content-security-policy"]


def test_no_page_for_strangers_has_a_link_to_another_site(desk: Desk) -> None:
    client = desk.visited_by(None).client
    for path in STRAY:
        answer = client.get(desk.address + path)
        assert answer.status_code == 404, path
        assert stray_links(answer) == [], path
