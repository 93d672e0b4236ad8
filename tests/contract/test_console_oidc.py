"""Signing in by OpenID Connect, with a provider that is a process of its own and may answer wrongly."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from httpx import Response
from pydantic import SecretStr

from bus.ledger.store import Ledger
from bus.operators import Operator, Role
from bus.pages.entering import cookie_name
from bus.pages.oidc import Provider
from bus.pages.sign_ins import recorded
from bus.pages.store import sign_ins
from bus.people import People, Person
from bus.settings.console import Console as Section
from bus.thai import now
from compose.ports import free_ports
from tests.contract.console_rig import NO_TLS, Console, Visitor, console_over
from tests.programs.provider import CLIENT, SECRET
from tests.project import ROOT

LOCAL = "ตัวอย่าง-ในศูนย์"
STEWARD = "ตัวอย่าง-ผู้ดูแล"
ROLES = {"bus-operators": "operator", "bus-stewards": "steward", "bus-auditors": "auditor"}
WRONG = {
    "wrong nonce": "InvalidClaimError: nonce",
    "no nonce": "MissingClaimError: nonce",
    "wrong aud": "InvalidClaimError: aud",
    "several aud": "another client's",
    "another azp": "another client's",
    "expired": "ExpiredTokenError",
    "not yet": "InvalidClaimError: iat",
    "other issuer": "InvalidClaimError: iss",
    "other issuer in the answer": "not from the issuer",
    "alg none": "not allowed",
    "HS256 by the public key": "not allowed",
    "unknown key": "exactly one key",
    "another's signature": "BadSignatureError",
    "changed claims": "BadSignatureError",
    "no token": "no identity token",
}
"""What a provider may do wrongly, and what the log says of it."""


@dataclass
class Given:
    """The provider's process."""

    port: int

    @property
    def issuer(self) -> str:
        return f"http://localhost:{self.port}"

    def does(self, what: str = "") -> int:
        """Have it do something wrongly, or nothing; return how often its keys have been fetched."""
        answer = httpx.post(f"{self.issuer}/misbehave", data={"what": what}, trust_env=False, verify=NO_TLS)
        return int(answer.json()["keySets"])


@contextmanager
def provider_process() -> Iterator[Given]:
    """Run a provider until the end of the block."""
    (port,) = free_ports(1)
    command = [sys.executable, "-m", "tests.programs.provider", str(port)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin
        assert process.stdout
        try:
            assert process.stdout.readline() == b"ready\n"
            yield Given(port)
        finally:
            process.stdin.close()


def settings_for(issuer: str, folder: Path) -> dict[str, object]:
    """The settings of a console whose people sign in there."""
    return {
        "people": folder / "people.toml",
        "oidc_issuer": issuer,
        "oidc_client_id": CLIENT,
        "oidc_client_secret": SecretStr(SECRET),
        "oidc_roles": ROLES,
    }


@pytest.fixture(scope="module")
def provider() -> Iterator[Given]:
    with provider_process() as given:
        yield given


@pytest.fixture
def people(shared: Console) -> Iterator[People]:
    """The local users: one by another name than at the provider, and one whom nobody there is; none after the test."""
    file, at = shared.site.settings.console.people, now().replace(microsecond=0)
    made = People(file, tuple(Person(name, Role.STEWARD, at) for name in (LOCAL, "ตัวอย่าง-อีกคน")))
    made.write()
    yield made
    file.unlink()


@contextmanager
def served(template: Path, folder: Path, issuer: str) -> Iterator[Console]:
    shutil.copy(template, folder / "ledger.db")
    ledger = Ledger(f"sqlite:///{folder / 'ledger.db'}")
    with console_over(ledger, folder, console=settings_for(issuer, folder)) as opened:
        yield opened
    ledger.close()


@pytest.fixture(scope="module")
def shared(
    sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory, provider: Given
) -> Iterator[Console]:
    with served(sqlite_template, tmp_path_factory.mktemp("oidc"), provider.issuer) as opened:
        yield opened


@pytest.fixture
def console(shared: Console, provider: Given) -> Console:
    """The console of this module, with nothing recorded, and a provider that does nothing wrongly."""
    provider.does()
    with shared.site.store.transaction() as connection:
        connection.execute(sign_ins.delete())
    return shared


def sent_there(client: httpx.Client, to: str = "/sign-ins") -> str:
    """Begin, and return the address at the provider to which the browser is sent."""
    response = client.get("/sign-in/oidc", params={"to": to})
    assert response.status_code == 303
    cookie = response.headers["set-cookie"].lower()
    assert "samesite=lax" in cookie
    assert "httponly" in cookie
    assert "max-age=600" in cookie
    return str(response.headers["location"])


def sent_back(address: str, user: str) -> str:
    """Be somebody at the provider, and return the address to which it sends the browser back."""
    with httpx.Client(trust_env=False, verify=NO_TLS) as browser:
        assert user in browser.get(address).text
        response = browser.post(address, data={"user": user})
        assert response.status_code == 303, response.text
        return str(response.headers["location"])


def round_trip(client: httpx.Client, user: str, to: str = "/sign-ins") -> Response:
    return client.get(sent_back(sent_there(client, to), user))


def records(console: Console) -> list[tuple[str, str, str | None, str]]:
    rows = recorded(console.site.store, 100, before=None, name=None, what=None)
    return [(row["what"], row["name"], row["role"], row["method"]) for row in reversed(rows)]


def test_a_person_of_the_provider_is_let_in_with_the_role_that_it_gives(console: Console) -> None:
    client = console.visited_by(None).client
    assert "/sign-in/oidc?to=%2F" in client.get("/sign-in").text
    response = round_trip(client, "steward", "/sign-ins?what=in")
    assert (response.status_code, response.headers["refresh"]) == (200, "0; url=/sign-ins?what=in")
    assert "saraban-oidc" not in client.cookies
    assert 'href="/sign-ins?what=in"' in response.text
    page = client.get("/sign-ins")
    assert page.status_code == 200
    assert "ตัวอย่าง-ผู้ดูแล" in page.text
    assert records(console) == [("in", "ตัวอย่าง-ผู้ดูแล", "steward", "oidc")]


def test_what_is_asked_of_the_provider_binds_the_answer_to_this_browser(console: Console) -> None:
    first, second = (parse_qs(urlsplit(sent_there(console.visited_by(None).client)).query) for _ in range(2))
    assert first["code_challenge_method"] == ["S256"]
    assert first["response_type"] == ["code"]
    assert first["redirect_uri"] == [f"{console.address}/sign-in/oidc/callback"]
    for name in ("state", "nonce", "code_challenge"):
        assert len(first[name][0]) == 43
        assert first[name] != second[name]
    assert len({first[name][0] for name in ("state", "nonce", "code_challenge")}) == 3


@pytest.mark.parametrize("what", sorted(WRONG))
def test_an_answer_that_proves_nothing_lets_nobody_in(
    console: Console, provider: Given, what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    client = console.visited_by(None).client
    provider.does(what)
    response = round_trip(client, "steward")
    assert response.status_code == 403
    assert "เชื่อถือไม่ได้" in response.text
    assert cookie_name(console.site) not in client.cookies
    assert records(console) == [("failed", "", None, "oidc")]
    assert WRONG[what] in capsys.readouterr().out
    provider.does()
    assert round_trip(client, "steward").status_code == 200, "the next one is as good as ever"


@pytest.mark.parametrize("what", ["ES256", "no kid"])
def test_other_ways_to_sign_are_as_good(console: Console, provider: Given, what: str) -> None:
    provider.does(what)
    assert round_trip(console.visited_by(None).client, "steward").status_code == 200


def test_keys_are_fetched_anew_once_for_one_that_is_not_known(console: Console, provider: Given) -> None:
    client = console.visited_by(None).client
    before = provider.does("new keys")
    for _ in range(2):
        assert round_trip(client, "steward").status_code == 200
    assert provider.does() - before == 1
    provider.does("new keys")
    assert round_trip(client, "steward").status_code == 200
    assert provider.does("unknown key") - before == 2
    assert round_trip(client, "steward").status_code == 403
    assert provider.does() - before == 3


def test_an_answer_is_good_once_and_in_the_browser_that_began(console: Console) -> None:
    client, other = console.visited_by(None).client, console.visited_by(None).client
    sent_there(other)
    back = sent_back(sent_there(client), "steward")
    assert other.get(back).status_code == 403
    assert console.visited_by(None).client.get(back).status_code == 403
    cookie = client.cookies["saraban-oidc"]
    assert client.get(back).status_code == 200
    assert client.get(back).status_code == 403, "the browser has forgotten"
    client.cookies.set("saraban-oidc", cookie, domain="127.0.0.1")
    response = client.get(back)
    assert response.status_code == 403, "the provider has forgotten"
    assert [what for what, *_ in records(console)] == ["failed", "failed", "in", "failed", "failed"]


def test_another_sites_code_is_not_taken(console: Console) -> None:
    client = console.visited_by(None).client
    mine, others = sent_there(client), sent_there(console.visited_by(None).client)
    code = parse_qs(urlsplit(sent_back(others, "steward")).query)["code"][0]
    state = parse_qs(urlsplit(mine).query)["state"][0]
    issuer = console.site.settings.console.oidc_issuer
    query = {"code": code, "state": state, "iss": str(issuer)}
    assert client.get("/sign-in/oidc/callback", params=query).status_code == 403, "PKCE: another's verifier"


@pytest.mark.parametrize("query", ["", "?state=", "?code=a", "?state=a&code=b", "?state=%00&code=%ff"])
def test_what_nobody_began_is_refused(console: Console, query: str) -> None:
    client = console.visited_by(None).client
    assert client.get(f"/sign-in/oidc/callback{query}").status_code == 403
    sent_there(client)
    assert client.get(f"/sign-in/oidc/callback{query}").status_code == 403


def test_who_is_turned_away_at_the_provider_is_told_so(console: Console, provider: Given) -> None:
    provider.does("denied")
    response = round_trip(console.visited_by(None).client, "steward")
    assert response.status_code == 403
    assert "ไม่ได้ให้เข้าสู่ระบบ" in response.text


def test_who_has_no_role_here_is_refused_and_told_so(console: Console) -> None:
    client = console.visited_by(None).client
    response = round_trip(client, "nobody")
    assert response.status_code == 403
    assert "ไม่มีบทบาทในระบบนี้" in response.text
    assert records(console) == [("refused", "ตัวอย่าง-ไม่มีบทบาท", None, "oidc")]
    assert client.get("/sign-ins").status_code == 303


def test_who_has_several_roles_chooses_one(console: Console) -> None:
    client = console.visited_by(None).client
    page = round_trip(client, "several")
    assert page.status_code == 200
    assert cookie_name(console.site) not in client.cookies
    choices = re.findall(r'name="link" value="([^"]+)" required> (\S+)</label>', page.text)
    assert [words for _, words in choices] == ["ผู้ตรวจสอบ", "ผู้ปฏิบัติงาน"]
    assert records(console) == []
    token = re.search(r'name="form_token" value="([^"]+)"', page.text)
    assert token is not None
    form = {"form_token": token[1], "to": "/sign-ins", "link": choices[0][0]}
    assert client.post("/sign-in/link", data=form).headers["location"] == "/sign-ins"
    assert client.get("/sign-ins").status_code == 200
    assert records(console) == [("in", "ตัวอย่าง-หลายบทบาท", "auditor", "oidc")]


def test_without_a_preferred_name_it_is_the_subject_and_no_hidden_characters(console: Console) -> None:
    client = console.visited_by(None).client
    assert round_trip(client, "bare").status_code == 200
    assert records(console) == [("in", "sample-bare", "operator", "oidc")]
    assert round_trip(client, "unseen").status_code == 403


def test_while_the_provider_is_away_passwords_still_work(
    sqlite_template: Path, tmp_path: Path, provider: Given
) -> None:
    provider.does()
    with served(sqlite_template, tmp_path, f"http://localhost:{free_ports(1)[0]}") as console:
        response = console.visited_by(None).client.get("/sign-in/oidc")
        assert response.status_code == 503
        assert "ไม่ตอบในขณะนี้" in response.text
        assert 'autocomplete="current-password"' in response.text


def test_a_provider_that_goes_away_meanwhile_is_no_failure_of_the_person(
    console: Console, provider: Given
) -> None:
    provider.does("away")
    response = round_trip(console.visited_by(None).client, "steward")
    assert response.status_code == 503
    assert records(console) == []


def test_a_provider_that_calls_itself_otherwise_is_not_asked(
    sqlite_template: Path, tmp_path: Path, provider: Given
) -> None:
    provider.does("other discovery")
    with served(sqlite_template, tmp_path, provider.issuer) as console:
        assert console.visited_by(None).client.get("/sign-in/oidc").status_code == 503


def test_after_signing_out_one_may_sign_out_at_the_provider_too(console: Console, provider: Given) -> None:
    client = console.visited_by(None).client
    round_trip(client, "steward")
    token = re.search(r'name="form_token" value="([^"]+)"', client.get("/sign-ins").text)
    assert token is not None
    left = client.post("/sign-out", data={"form_token": token[1]}).headers["location"]
    assert left == "/sign-in?left=oidc"
    page = client.get(left).text
    assert f'href="{provider.issuer}/leave?client_id={CLIENT}&amp;post_logout_redirect_uri=' in page
    assert "/leave?" not in client.get("/sign-in?left=local").text


def test_a_way_into_a_claim_may_be_named(sqlite_template: Path, tmp_path: Path, provider: Given) -> None:
    section = Section(**{**settings_for(provider.issuer, tmp_path), "oidc_role_claim": "realm_access.roles"})
    provider_of_it = Provider(section, provider.issuer)
    assert provider_of_it.roles({"realm_access": {"roles": ["bus-auditors"]}}) == ("auditor",)
    assert provider_of_it.roles({"realm_access": ["bus-auditors"], "roles": ["bus-auditors"]}) == ()
    assert provider_of_it.roles({"realm_access.roles": "bus-operators"}) == ("operator",)


# ---- who is who ----------------------------------------------------------------------------------------------------


def bound(people: People, user: str, issuer: str, name: str = LOCAL) -> None:
    """Say that a local user and somebody at the provider are one human."""
    people.replace(replace(people.must(name), oidc=f"{issuer} sample-{user}")).write()


def by_provider(console: Console, user: str) -> Visitor:
    """The browser of who has signed in by the provider."""
    client = console.visited_by(None).client
    assert round_trip(client, user).status_code == 200
    token = re.search(r'name="form_token" value="([^"]+)"', client.get("/halt").text)
    assert token is not None
    return Visitor(client, token[1])


def test_one_human_with_both_accounts_is_not_two_persons(
    console: Console, provider: Given, people: People
) -> None:
    bound(people, "steward", provider.issuer)
    local = console.visited_by(Operator(LOCAL, Role.STEWARD, "local"))
    other = by_provider(console, "steward")
    for wanted, halted in (("yes", True), ("no", False)):
        form = {"halted": wanted, "reason": "ทดสอบ"}
        local.send("/halt", form)
        other.send("/halt", form)
        value = other.json("/halt")
        assert value["halted"] is not halted
        assert {one["person"] for one in value["wishes"]} == {LOCAL}
        assert "ให้ผู้ดูแลระบบอีกคนเปิดหน้านี้และยืนยัน" in other.get("/halt").text
        console.visited_by(Operator("ตัวอย่าง-อีกคน", Role.STEWARD, "local")).send("/halt", form)
        assert local.json("/halt")["halted"] is halted


def test_two_of_the_provider_are_two_whatever_they_are_called(console: Console) -> None:
    one, another = by_provider(console, "steward"), by_provider(console, "namesake")
    for wanted, halted in (("yes", True), ("no", False)):
        form = {"halted": wanted, "reason": "ทดสอบ"}
        one.send("/halt", form)
        one.send("/halt", form)
        assert {each["person"] for each in another.json("/halt")["wishes"]} == {STEWARD}
        assert one.json("/halt")["halted"] is not halted
        another.send("/halt", form)
        assert one.json("/halt")["halted"] is halted


def test_who_is_called_as_a_local_user_is_refused_until_both_are_said_to_be_one(
    console: Console, provider: Given, people: People
) -> None:
    people = people.add(
        Person(STEWARD, Role.OPERATOR, now().replace(microsecond=0), display_name="มานี (ตัวอย่าง)")
    )
    people.write()
    client = console.visited_by(None).client
    response = round_trip(client, "steward")
    assert response.status_code == 403
    assert "ผูกบัญชีทั้งสองเข้าด้วยกัน" in response.text
    assert records(console) == [("refused", STEWARD, None, "oidc")]
    bound(people, "steward", provider.issuer, STEWARD)
    assert round_trip(client, "steward").status_code == 200
    assert "<bdi>มานี (ตัวอย่าง)</bdi>" in client.get("/sign-ins").text
    assert records(console)[-1] == ("in", STEWARD, "steward", "oidc")
    assert round_trip(console.visited_by(None).client, "namesake").status_code == 403


def test_who_becomes_somebody_here_is_signed_out(console: Console, provider: Given, people: People) -> None:
    visitor = by_provider(console, "steward")
    assert visitor.get("/sign-ins").status_code == 200
    bound(people, "steward", provider.issuer)
    assert visitor.get("/sign-ins").status_code == 303
    assert records(console)[-1] == ("changed", STEWARD, "steward", "oidc")
    visitor = by_provider(console, "steward")
    assert records(console)[-1] == ("in", LOCAL, "steward", "oidc")
    people.write()
    assert visitor.get("/sign-ins").status_code == 303
    people.file.chmod(0o644)
    assert round_trip(console.visited_by(None).client, "steward").status_code == 503
    people.file.chmod(0o600)


def test_the_header_has_the_name_that_the_provider_gives_for_pages(console: Console) -> None:
    assert "<bdi>\u05e9 (ตัวอย่าง)</bdi> · " in by_provider(console, "namesake").get("/sign-ins").text
