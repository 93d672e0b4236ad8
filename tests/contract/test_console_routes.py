"""Who may have which page of the console: the table of route × role, asked of the application itself."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.routing import Route

from bus.console.pages import PAGES
from bus.ledger.store import Ledger
from bus.operators import Role
from tests.contract.console_rig import STRAY, Console, console_over, stray_links
from tests.contract.lived import live

OPERATOR, STEWARD, AUDITOR = Role
WHO_MAY: dict[tuple[str, str], set[Role]] = {
    ("GET", "/"): {OPERATOR, STEWARD, AUDITOR},
    ("GET", "/parked/replay"): {STEWARD},
    ("POST", "/parked/replay"): {STEWARD},
    ("GET", "/parked/{entry:int}/replay"): {STEWARD},
    ("POST", "/parked/{entry:int}/replay"): {STEWARD},
    ("GET", "/enrolments"): {STEWARD},
    ("GET", "/enrolments/{request}"): {STEWARD},
    ("POST", "/enrolments/{request}/approve"): {STEWARD},
    ("POST", "/enrolments/{request}/decline"): {STEWARD},
    ("GET", "/agencies/{code}/suspend"): {STEWARD},
    ("POST", "/agencies/{code}/suspend"): {STEWARD},
    ("GET", "/agencies/{code}/resume"): {STEWARD},
    ("POST", "/agencies/{code}/resume"): {STEWARD},
    ("GET", "/orders"): {OPERATOR, STEWARD},
    ("GET", "/orders/{number:int}"): {OPERATOR, STEWARD},
    ("GET", "/halt"): {STEWARD},
    ("POST", "/halt"): {STEWARD},
    ("GET", "/grants"): {STEWARD, AUDITOR},
    ("GET", "/grants/new"): {STEWARD},
    ("POST", "/grants/new"): {STEWARD},
    ("GET", "/overview"): {OPERATOR, STEWARD},
    ("GET", "/agencies/{code}"): {OPERATOR, STEWARD},
    ("GET", "/timelines/{letter:int}"): {OPERATOR, STEWARD},
    ("GET", "/parked"): {OPERATOR, STEWARD},
    ("GET", "/parked/{entry:int}"): {OPERATOR, STEWARD},
    ("GET", "/overdue"): {OPERATOR, STEWARD},
    ("GET", "/system"): {OPERATOR, STEWARD},
    ("GET", "/jobs"): {OPERATOR, STEWARD, AUDITOR},
    ("GET", "/jobs/new"): {AUDITOR},
    ("POST", "/jobs/new"): {AUDITOR},
    ("GET", "/jobs/{number:int}"): {OPERATOR, STEWARD, AUDITOR},
    ("POST", "/jobs/{number:int}/stop"): {STEWARD, AUDITOR},
    ("GET", "/jobs/{number:int}/result"): {AUDITOR},
    ("GET", "/sign-ins"): {STEWARD, AUDITOR},
    ("GET", "/sign-ins/end"): {STEWARD},
    ("POST", "/sign-ins/end"): {STEWARD},
    ("GET", "/search"): {AUDITOR},
    ("GET", "/letters/{letter:int}"): {AUDITOR},
    ("GET", "/letters/{letter:int}/pack"): {AUDITOR},
    ("GET", "/letters/{letter:int}/certificate"): {AUDITOR},
    ("GET", "/letters/{letter:int}/certificate-pdf"): {AUDITOR},
    ("GET", "/letters/{letter:int}/content"): {AUDITOR},
    ("GET", "/letters/{letter:int}/files/{sha256}"): {AUDITOR},
    ("GET", "/entries"): {AUDITOR},
    ("GET", "/entries/{entry:int}"): {AUDITOR},
    ("GET", "/checkpoints"): {AUDITOR},
    ("GET", "/checkpoints/{size:int}"): {AUDITOR},
    ("GET", "/reports"): {AUDITOR},
    ("GET", "/reports/{name}"): {AUDITOR},
    ("GET", "/verify"): {AUDITOR},
    ("POST", "/verify"): {AUDITOR},
}
"""Each page and act, and the roles that have it; a page that is missing here fails the test."""
OPEN = {"/healthz", "/readyz", "/metrics", "/logo", "/sign-in", "/sign-in/link", "/sign-out"}
"""What a stranger may ask for."""
_NUMBER, _TEXT = re.compile(r"\{\w+:int\}"), re.compile(r"\{\w+\}")


def address_of(path: str) -> str:
    """An address of a path with variable places: of something that need not be there, for a role is asked first."""
    return _TEXT.sub("0" * 10, _NUMBER.sub("3", path))


@pytest.fixture(scope="module")
def console(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    folder = tmp_path_factory.mktemp("console")
    shutil.copy(sqlite_template, folder / "ledger.db")
    ledger = Ledger(f"sqlite:///{folder / 'ledger.db'}")
    live(ledger, folder)
    with console_over(ledger, folder) as opened:
        yield opened
    ledger.close()


def test_the_table_names_every_page_and_nothing_else() -> None:
    assert {("POST" if page.act else "GET", page.path) for page in PAGES} == set(WHO_MAY)


def test_each_page_says_the_roles_of_the_table() -> None:
    assert {("POST" if page.act else "GET", page.path): set(page.roles) for page in PAGES} == WHO_MAY


def test_every_route_of_the_application_is_a_page_or_open_to_all(console: Console) -> None:
    pages = {page.path for page in PAGES}
    pages |= {f"{page.path}.json" for page in PAGES if page.twin and not page.act}
    pages |= {f"{page.path}.csv" for page in PAGES if page.csv}
    routes = {route.path for route in console.app.routes if isinstance(route, Route)}
    assert routes - pages - OPEN == set()


@pytest.mark.parametrize(("method", "path"), sorted(WHO_MAY))
@pytest.mark.parametrize("role", [None, *Role])
def test_the_server_itself_keeps_a_page_and_its_twins_from_others(
    console: Console, method: str, path: str, role: Role | None
) -> None:
    visitor = console.visited_by(role)
    address = address_of(path)
    if method == "POST":
        response = visitor.send(address, {})
        refused = {401} if role is None else {403}
        assert (response.status_code in refused) == (role not in WHO_MAY[method, path])
        return
    (page,) = (one for one in PAGES if one.path == path and not one.act)
    for twin in [".json"] * page.twin + [".csv"] * page.csv:
        status = visitor.get(address + twin).status_code
        assert (status == 401) == (role is None), twin
        assert (status == 403) == (role is not None and role not in page.roles), twin
        assert status < 500, twin
    response = visitor.get(address)
    if role is None:
        assert response.status_code == 303
        assert response.headers["location"].startswith("/sign-in?to=")
    else:
        assert (response.status_code != 403) == (role in page.roles)
        assert response.status_code < 500


def test_a_form_that_another_site_made_does_nothing(console: Console) -> None:
    acts = [page for page in PAGES if page.act]
    for page in acts:
        visitor = console.visited_by(Role(sorted(page.roles)[0]))
        response = visitor.client.post(address_of(page.path), data={"form_token": "guessed"})
        assert response.status_code == 403, page.path


def test_every_answer_keeps_what_is_foreign_out(console: Console) -> None:
    for path in ("/", "/no/such/page", "/sign-in", "/static/pages.css"):
        headers = console.visited_by(Role.OPERATOR).get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"], path
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["x-content-type-options"] == "nosniff"


def test_no_page_for_strangers_has_a_link_to_another_site(console: Console) -> None:
    client = console.visited_by(None).client
    for path in STRAY:
        answer = client.get(console.address + path)
        assert answer.status_code == 404, path
        assert stray_links(answer) == [], path
