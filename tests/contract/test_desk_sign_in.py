"""Who is who at the desk, how each session ended, and what an error means: the same rules as at the console."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
import tomli_w

from adapters.cli import main
from adapters.desk.face import ROSTER
from adapters.desk.sentences import sentence_of
from adapters.mailbox.mistakes import Mistake, Mistaken
from bus.codes import load_codes
from bus.errors import BusError, RefusalCode, Refused
from bus.operators import DeskRole, Operator
from bus.pages.sign_ins import recorded
from bus.people import People
from bus.thai import now
from tests.assets.factory import OCS
from tests.contract.desk_office import CLERK, IT, Desk, desk_of

NAME = "somsri-sample"
ISSUER = "https://id.example.go.th"
Say = Callable[..., tuple[int, str]]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with desk_of(OCS, tmp_path_factory.mktemp("desk")) as opened:
        yield opened


@pytest.fixture
def say(desk: Desk, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Say]:
    """Type a command about the people of the desk, of whom there is one; gives exit status and what was said."""
    people = desk.site.section.people
    provider = {"oidc_issuer": ISSUER, "oidc_client_id": "x", "oidc_roles": {"a": "clerk"}}
    section = {"people": str(people), **provider}
    told = {
        "agency": str(OCS),
        "mailbox": {"folder": str(desk.site.settings.mailbox.folder)},
        "desk": section,
    }
    settings = desk.world.folder / "adapter.toml"
    settings.write_text(tomli_w.dumps(told), encoding="utf-8")

    def run(*words: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["saraban-adapter", "--config", str(settings), "desk", *words])
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main()
        printed = capsys.readouterr()
        return int(end.value.code or 0), printed.out + printed.err

    assert run("user", "add", NAME, "--role", "clerk", "--no-password")[0] == 0
    yield run
    people.unlink()


def ends(desk: Desk) -> list[tuple[str, str, str | None]]:
    """What is recorded of the person, the oldest first."""
    rows = reversed(recorded(desk.site.store, 100, before=None, name=NAME, what=None))
    return [(row["what"], row["name"], row["role"]) for row in rows]


def test_another_role_ends_the_sessions_of_that_person_and_each_end_is_recorded_with_its_cause(
    desk: Desk, say: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, client = desk.site.store, desk.visited_by(None).client
    found = desk.site.users.admitted(Operator(NAME, DeskRole.CLERK, "local"))
    assert found is not None
    client.cookies.set("saraban-desk-session", store.begin(found.person, found.account, found.shown))
    assert client.get("/state").status_code == 200
    assert say("user", "role", NAME, "it")[0] == 0
    assert client.get("/state").headers["location"].startswith("/sign-in?to=")
    token = store.begin(Operator(NAME, DeskRole.IT, "local"))
    store.end(token, "out")
    store.begin(Operator(NAME, DeskRole.IT, "local"))
    idle, longest = desk.site.section.lasting
    with monkeypatch.context() as later:
        later.setattr("bus.pages.store.now", lambda: now() + timedelta(minutes=16))
        assert store.end_expired(idle=idle, longest=longest) == 1
        assert store.end_expired(idle=idle, longest=longest) == 0
    store.begin(Operator(NAME, DeskRole.IT, "local"))
    it = desk.visited_by(IT)
    assert it.send("/sign-ins/end", {"name": NAME, "reason": "ทดสอบ"}).status_code == 303
    assert ends(desk) == [
        ("changed", NAME, "clerk"),
        ("out", NAME, "it"),
        ("expired", NAME, "it"),
        ("ended", NAME, "it"),
    ]
    for words in ("บัญชีผู้ใช้เปลี่ยน", "หมดเวลา", "ถูกสั่งให้สิ้นสุด"):
        assert words in it.get("/sign-ins").text


def test_who_is_called_as_a_local_user_is_nobody_here_until_both_are_said_to_be_one(
    desk: Desk, say: Say
) -> None:
    users, subject = desk.site.users, f"{ISSUER} sample-1"
    assert users.of_provider(subject, NAME, DeskRole.CLERK) is None
    assert say("user", "oidc", NAME, "sample-1")[0] == 0
    found = users.of_provider(subject, "another name", DeskRole.CLERK)
    assert found is not None
    assert found.person == Operator(NAME, DeskRole.CLERK, "oidc")
    assert users.is_still(found.person, found.account)
    assert say("user", "add", "other-sample", "--role", "it", "--no-password")[0] == 0
    status, said = say("user", "oidc", "other-sample", "sample-1")
    assert status == 2
    assert f"saraban-adapter desk user oidc {NAME}" in said
    assert "yes" in say("user", "list")[1]
    assert say("user", "oidc", NAME)[0] == 0
    assert not users.is_still(found.person, found.account)
    assert People.read(desk.site.section.people, ROSTER).must(NAME).oidc is None


def test_the_header_has_the_name_for_pages(desk: Desk) -> None:
    client = desk.visited_by(None).client
    client.cookies.set("saraban-desk-session", desk.site.store.begin(CLERK, None, "สมศรี <b> (ตัวอย่าง)"))
    assert "<bdi>สมศรี &lt;b&gt; (ตัวอย่าง)</bdi> · เจ้าหน้าที่สารบรรณ" in client.get("/state").text


def test_what_is_wrong_is_said_in_both_languages_wherever_there_are_words_for_it() -> None:
    refusal = load_codes().refusal(RefusalCode.FILE_MISSING)
    assert sentence_of(Refused(RefusalCode.FILE_MISSING)) == (
        f"{refusal.th} {refusal.advice_th}",
        f"{refusal.en} {refusal.advice_en}",
    )
    mistaken = Mistaken(Mistake("a", "หนึ่ง", "one"), Mistake("b", "สอง", "two"))
    assert sentence_of(mistaken) == ("หนึ่ง; สอง", "one; two")
    assert sentence_of(BusError("no code")) is None
