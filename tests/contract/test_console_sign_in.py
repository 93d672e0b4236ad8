"""Signing in by name and password: what lets in, what is counted, what is recorded, and what ends a session."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from argon2 import PasswordHasher
from httpx import Response

from bus.ledger.store import Ledger
from bus.operators import Operator, Role
from bus.pages.entering import cookie_name, inside
from bus.pages.sign_ins import recorded
from bus.people import People, Person
from bus.thai import now
from tests.contract.console_rig import NO_TLS, Console, console_over

NAME, PASSWORD = "ตัวอย่าง-ก", "sample password 1"
OTHER = "ตัวอย่าง-ข"
ATTEMPTS = 3
_TOKEN = re.compile(r'name="form_token" value="([0-9a-f]+)"')


@pytest.fixture(scope="module")
def persons() -> tuple[Person, ...]:
    at = datetime(2026, 11, 1, tzinfo=UTC)
    password = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1).hash(PASSWORD)  # spares processors
    return (
        Person(NAME, Role.STEWARD, at, password=password),
        Person(OTHER, Role.OPERATOR, at, password=password),
        Person("ตัวอย่าง-ค", Role.OPERATOR, at),
    )


@dataclass
class Clock:
    """A clock that the test moves."""

    by: timedelta = timedelta()

    def now(self) -> datetime:
        return now() + self.by


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    for module in ("pages.store", "pages.signing_in", "pages.sign_ins"):
        monkeypatch.setattr(f"bus.{module}.now", made.now)
    return made


@pytest.fixture
def people(tmp_path: Path, persons: tuple[Person, ...]) -> People:
    made = People(tmp_path / "people.toml", persons)
    made.write()
    return made


@pytest.fixture
def console(sqlite_template: Path, tmp_path: Path, people: People) -> Iterator[Console]:
    shutil.copy(sqlite_template, tmp_path / "ledger.db")
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    with console_over(
        ledger, tmp_path, console={"people": people.file, "sign_in_attempts": ATTEMPTS}
    ) as opened:
        yield opened
    ledger.close()


def signed_in(
    client: httpx.Client, name: str = NAME, password: str = PASSWORD, to: str = "/sign-ins", **headers: str
) -> Response:
    """Open the page of sign-in and send its form, as a browser does."""
    (token,) = _TOKEN.findall(client.get("/sign-in").text)
    form = {"form_token": token, "name": name, "password": password, "to": to}
    return client.post(
        "/sign-in", data=form, headers={key.replace("_", "-"): v for key, v in headers.items()}
    )


def records(console: Console) -> list[tuple[str, str, str | None]]:
    rows = recorded(console.site.store, 100, before=None, name=None, what=None)
    return [(row["what"], row["name"], row["role"]) for row in reversed(rows)]


def test_a_name_and_its_password_let_in_and_it_is_recorded(console: Console) -> None:
    client = console.visited_by(None).client
    response = signed_in(client)
    assert (response.status_code, response.headers["location"]) == (303, "/sign-ins")
    cookie = response.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "samesite=strict" in cookie.lower()
    page = client.get("/sign-ins")
    assert page.status_code == 200
    assert NAME in page.text
    assert records(console) == [("in", NAME, "steward")]


def test_a_failure_says_the_same_whatever_was_wrong_and_records_no_stranger_by_name(console: Console) -> None:
    client = console.visited_by(None).client
    answers = []
    for name, password in ((NAME, "wrong"), ("nobody\0here", PASSWORD), ("ตัวอย่าง-ค", "")):
        response = signed_in(client, name, password)
        assert response.status_code == 403
        assert cookie_name(console.site) not in client.cookies
        assert 'role="alert"' in response.text
        assert "autofocus" in response.text
        answers.append(re.sub(r'value="[^"]*"', "", response.text))
    assert len(set(answers)) == 1
    whats, names, _ = zip(*records(console), strict=True)
    assert whats == ("failed",) * 3
    assert names[0] == NAME
    assert names[2] == "ตัวอย่าง-ค"
    assert re.fullmatch(r"unknown, [0-9a-f]{16}", names[1])


def test_after_so_many_failures_a_name_waits_wherever_it_comes_from(
    sqlite_template: Path, tmp_path: Path, people: People, clock: Clock
) -> None:
    shutil.copy(sqlite_template, tmp_path / "ledger.db")
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    section = {"people": people.file, "sign_in_attempts": ATTEMPTS, "url": "https://console.example.go.th"}
    with console_over(ledger, tmp_path, console=section) as console:
        for turn in range(ATTEMPTS):
            assert _proxied(console, f"192.0.2.{turn}", NAME, "wrong").status_code == 403
        barred = _proxied(console, "192.0.2.99", f" {NAME} ", PASSWORD)
        assert barred.status_code == 429
        assert 0 < int(barred.headers["retry-after"]) <= 15 * 60
        assert "<time" in barred.text
        assert _proxied(console, "192.0.2.99", OTHER, PASSWORD).status_code == 303
        clock.by = timedelta(minutes=15, seconds=1)
        assert _proxied(console, "192.0.2.99", NAME, PASSWORD).status_code == 303
        rows = recorded(console.site.store, 100, before=None, name=None, what=None)
        assert {row["address"] for row in rows} == {*(f"192.0.2.{n}" for n in range(ATTEMPTS)), "192.0.2.99"}
    ledger.close()


def _proxied(console: Console, address: str, name: str, password: str) -> Response:
    """What a proxy on this machine passes on: a browser over https keeps Secure cookies, this client is given them."""
    with httpx.Client(base_url=console.address, verify=NO_TLS) as client:
        page = client.get("/sign-in")
        (token,) = _TOKEN.findall(page.text)
        cookie = page.headers["set-cookie"].partition(";")[0]
        assert cookie.startswith("__Host-")
        assert "Secure" in page.headers["set-cookie"]
        headers = {"Cookie": cookie, "X-Forwarded-For": f"203.0.113.77, {address}"}
        form = {"form_token": token, "name": name, "password": password, "to": "/"}
        return client.post("/sign-in", data=form, headers=headers)


def test_after_so_many_failures_an_address_waits_whatever_name_it_gives(
    console: Console, clock: Clock
) -> None:
    client = console.visited_by(None).client
    for turn in range(ATTEMPTS):
        # What a client says of itself is not believed where no proxy is known.
        answer = signed_in(client, f"nobody-{turn}", "wrong", X_Forwarded_For=f"192.0.2.{turn}")
        assert answer.status_code == 403
    assert signed_in(client).status_code == 429
    assert signed_in(client, OTHER).status_code == 429
    assert records(console)[-2:] == [("refused", NAME, None), ("refused", OTHER, None)]
    clock.by = timedelta(minutes=15, seconds=1)
    assert signed_in(client).status_code == 303


def test_a_refused_attempt_does_not_lengthen_the_wait(console: Console, clock: Clock) -> None:
    client = console.visited_by(None).client
    for _ in range(ATTEMPTS):
        signed_in(client, NAME, "wrong")
    clock.by = timedelta(minutes=14)
    assert signed_in(client).status_code == 429
    clock.by = timedelta(minutes=15, seconds=1)
    assert signed_in(client).status_code == 303


def test_each_sign_in_gives_another_session_and_ends_the_one_of_before(console: Console) -> None:
    client = console.visited_by(None).client
    client.cookies.set(cookie_name(console.site), "chosen-by-somebody-else", domain="127.0.0.1")
    signed_in(client)
    first = client.cookies[cookie_name(console.site)]
    assert first != "chosen-by-somebody-else"
    signed_in(client)
    second = client.cookies[cookie_name(console.site)]
    assert second != first
    assert _with(console, first).status_code == 303
    assert _with(console, second).status_code == 200


def _with(console: Console, token: str, path: str = "/sign-ins") -> Response:
    client = console.visited_by(None).client
    client.cookies.set(cookie_name(console.site), token)
    return client.get(path)


def _form_token(page: str) -> str:
    found = re.search(r'name="form_token" value="([^"]+)"', page)
    assert found is not None
    return found[1]


def test_signing_out_ends_the_session_at_the_server(console: Console) -> None:
    client = console.visited_by(None).client
    signed_in(client)
    token = client.cookies[cookie_name(console.site)]
    assert client.post("/sign-out", data={"form_token": "guessed"}).status_code == 403
    assert _with(console, token).status_code == 200
    page = client.get("/sign-ins").text
    response = client.post("/sign-out", data={"form_token": _form_token(page)})
    assert (response.status_code, response.headers["location"]) == (303, "/sign-in?left=local")
    assert cookie_name(console.site) not in client.cookies
    assert _with(console, token).headers["location"].startswith("/sign-in?to=")
    assert records(console)[-1] == ("out", NAME, "steward")
    assert "ออกจากระบบแล้ว" in client.get("/sign-in?left=local").text
    assert client.post("/sign-out").headers["location"] == "/sign-in"


@pytest.mark.parametrize(("after", "over"), [(timedelta(minutes=14), False), (timedelta(minutes=16), True)])
def test_a_session_that_is_not_used_ends(
    console: Console, clock: Clock, after: timedelta, over: bool
) -> None:
    client = console.visited_by(None).client
    signed_in(client)
    clock.by = after
    response = client.get("/sign-ins?what=in")
    assert (response.status_code == 303) == over
    if over:
        assert response.headers["location"] == "/sign-in?to=%2Fsign-ins%3Fwhat%3Din&ended=1"
        page = client.get(response.headers["location"])
        assert "การใช้งานครั้งก่อนสิ้นสุดแล้ว" in page.text
        assert 'name="to" value="/sign-ins?what=in"' in page.text


def test_a_session_that_is_used_all_the_time_ends_after_twelve_hours(console: Console, clock: Clock) -> None:
    client = console.visited_by(None).client
    signed_in(client)
    for turn in range(1, 72):
        clock.by = timedelta(minutes=10 * turn)
        assert client.get("/sign-ins.json").status_code == 200, clock.by
    clock.by += timedelta(minutes=11)
    assert client.get("/sign-ins.json").status_code == 401


def test_a_form_whose_session_has_ended_does_nothing_and_says_so(console: Console, clock: Clock) -> None:
    client = console.visited_by(None).client
    signed_in(client)
    token = _form_token(client.get("/sign-ins").text)
    clock.by = timedelta(hours=1)
    response = client.post("/sign-ins/end", data={"form_token": token, "name": OTHER, "reason": "ทดสอบ"})
    assert response.status_code == 401
    assert "จึงไม่มีอะไรเปลี่ยนแปลง" in response.text


def test_who_is_removed_or_changed_has_no_session_any_more(console: Console, people: People) -> None:
    changed = people.must(NAME)
    for after in (
        people.remove(NAME),
        people.replace(replace(changed, role=Role.AUDITOR)),
        people.replace(replace(changed, password=PasswordHasher().hash("another"))),
    ):
        client = console.visited_by(None).client
        assert signed_in(client).status_code == 303
        assert client.get("/sign-ins").status_code == 200
        after.write()
        assert client.get("/sign-ins").headers["location"].startswith("/sign-in?to=")
        people.write()
        # The account is as before, and the session is gone for good.
        assert client.get("/sign-ins").status_code == 303


def test_another_change_of_the_file_ends_nobodys_session(console: Console, people: People) -> None:
    client = console.visited_by(None).client
    signed_in(client)
    people.remove(OTHER).write()
    assert client.get("/sign-ins").status_code == 200


def test_a_file_that_cannot_be_used_lets_nobody_in(console: Console, people: People) -> None:
    client = console.visited_by(None).client
    signed_in(client)
    people.file.chmod(0o644)
    assert client.get("/sign-ins").status_code == 303
    response = signed_in(client)
    assert response.status_code == 503
    assert str(people.file) not in response.text
    people.file.chmod(0o600)
    assert signed_in(client).status_code == 303


@pytest.mark.parametrize("case", ["no-token", "no-cookie", "others-token", "cross-site"])
def test_another_site_signs_nobody_in(console: Console, case: str) -> None:
    client, other = console.visited_by(None).client, console.visited_by(None).client
    (token,) = _TOKEN.findall((other if case == "others-token" else client).get("/sign-in").text)
    if case == "others-token":
        client.get("/sign-in")
    if case == "no-cookie":
        client.cookies.clear()
    form = {"name": NAME, "password": PASSWORD, "to": "/", "form_token": token}
    if case == "no-token":
        del form["form_token"]
    headers = {"Sec-Fetch-Site": "cross-site"} if case == "cross-site" else {}
    response = client.post("/sign-in", data=form, headers=headers)
    assert response.status_code == 403
    assert cookie_name(console.site) not in client.cookies
    assert records(console) == []


def test_nobody_is_led_to_another_site(console: Console) -> None:
    for to in (
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "/\t/evil.example",
        "/x\r\nSet-Cookie: a=b",
        "/sign-out",
        "/sign-in?to=/",
        "",
    ):
        assert inside(to) == "/", to
    assert inside("/letters/1?เลข=๑") == "/letters/1?%E0%B9%80%E0%B8%A5%E0%B8%82=%E0%B9%91"
    client = console.visited_by(None).client
    assert signed_in(client, to="//evil.example").headers["location"] == "/"


def test_a_link_lets_a_local_person_in_once(console: Console, people: People) -> None:
    def used(name: str, role: Role) -> Response:
        link = console.site.store.make_link(Operator(name, role, "local"), timedelta(minutes=5))
        (token,) = _TOKEN.findall(client.get(f"/sign-in?link={link}").text)
        form.update({"form_token": token, "link": link, "to": "/sign-ins"})
        return client.post("/sign-in/link", data=form)

    client = console.visited_by(None).client
    form: dict[str, Any] = {}
    assert used(NAME, Role.STEWARD).status_code == 303
    assert client.get("/sign-ins").status_code == 200
    assert client.post("/sign-in/link", data=form).status_code == 403, "once"
    assert used(NAME, Role.AUDITOR).status_code == 403, "another role by now"
    assert used("nobody", Role.AUDITOR).status_code == 403
    assert records(console) == [("in", NAME, "steward"), *[("refused", "", None)] * 3]
    people.remove(NAME).write()
    assert client.get("/sign-ins").status_code == 303, "as any session of a local person"


def test_a_link_is_over_in_time(console: Console, clock: Clock) -> None:
    link = console.site.store.make_link(Operator(NAME, Role.STEWARD, "local"), timedelta(minutes=5))
    client = console.visited_by(None).client
    (token,) = _TOKEN.findall(client.get("/sign-in").text)
    clock.by = timedelta(minutes=6)
    assert client.post("/sign-in/link", data={"form_token": token, "link": link}).status_code == 403


def test_a_link_from_elsewhere_to_a_page_finds_the_session(console: Console) -> None:
    client = console.visited_by(None).client
    response = client.get("/sign-ins?what=in", headers={"Sec-Fetch-Site": "cross-site"})
    assert (response.status_code, response.headers["refresh"]) == (200, "0; url=/sign-ins?what=in")
    assert 'href="/sign-ins?what=in"' in response.text
    response = client.get("/sign-ins?what=in", headers={"Sec-Fetch-Site": "same-origin"})
    assert response.status_code == 303


def test_the_page_is_in_both_languages_and_its_fields_are_labelled(console: Console) -> None:
    client = console.visited_by(None).client
    thai, english = client.get("/sign-in").text, client.get("/sign-in?lang=en").text
    assert "ชื่อผู้ใช้" in thai
    assert '<html lang="en">' in english
    assert "Password</label>" in english
    for page in (thai, english):
        assert 'autocomplete="username"' in page
        assert 'autocomplete="current-password"' in page
        assert '<label for="name">' in page
        assert '<label for="password">' in page
    assert "/sign-in/oidc" not in thai
    assert "The name or the password" in signed_in(client, NAME, "wrong").text, "the language is kept"
