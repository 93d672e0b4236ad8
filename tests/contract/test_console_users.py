"""`saraban-bus console user`: who may act and sign in, as commands write it."""

from __future__ import annotations

import stat

import pytest

from bus.operators import Operator, Role
from bus.people import People
from tests.contract.console_rig import console_over
from tests.contract.test_bus_cli import PERSONS, Shell, bare, shell
from tests.contract.test_console_sign_in import signed_in

__all__ = ["bare", "shell"]
PASSWORD = "ยาวพอสำหรับรหัสผ่าน"


def people(shell: Shell) -> People:
    return People.read(shell.folder / "people.toml")


def secret_file(shell: Shell, text: str) -> str:
    file = shell.folder / "password"
    file.touch(mode=0o600)
    file.write_text(text, encoding="utf-8")
    return str(file)


def test_who_is_added_signs_in_by_password_and_acts_by_a_key_that_is_shown_once(
    bare: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("console", "user", "add", "manee-sample", "--role", "steward", "--display-name", "มานี (ตัวอย่าง)")
    bare(*words, "--password-file", secret_file(bare, PASSWORD))
    found = people(bare).verified("manee-sample", PASSWORD)
    assert found is not None
    assert (found.role, found.shown, found.key) == (Role.STEWARD, "มานี (ตัวอย่าง)", None)
    key = bare("console", "user", "key", "manee-sample").strip()
    assert key not in (bare.folder / "people.toml").read_text(encoding="utf-8")
    monkeypatch.setenv("SARABAN_BUS__OPERATOR__KEY", key)
    bare("ledger", "init")
    bare("directory", "apply")
    ledger = bare.ledger()
    with ledger.read() as reader:
        body = next(iter(reader.entries())).body
    ledger.close()
    acts = Operator("manee-sample", Role.STEWARD, "key").fields()
    assert {name: body[name] for name in acts} == acts


def test_a_new_key_and_a_removal_end_what_the_key_before_opened(bare: Shell) -> None:
    bare("ledger", "init")
    bare("console", "user", "key", "somchai", "-o", "new.key")
    assert stat.S_IMODE((bare.folder / "new.key").stat().st_mode) == 0o600
    bare.by("somchai")("directory", "apply", code=2)
    assert "is nobody's key here" in bare.err
    bare.monkeypatch.delenv("SARABAN_BUS__OPERATOR__KEY")
    bare.monkeypatch.setenv("SARABAN_BUS__OPERATOR__KEY_FILE", "new.key")
    bare("directory", "apply")
    bare("console", "user", "remove", "somchai")
    bare("calendar", "apply", code=2)


def test_people_are_listed_without_anything_secret(bare: Shell) -> None:
    listed = bare.json("console", "user", "list")["people"]
    assert {one["name"]: one["role"] for one in listed} == PERSONS
    assert all(one["key"] is True and one["password"] is False for one in listed)
    assert "somying: steward, an operator's key" in bare("console", "user", "list")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ((), "cannot be asked for without a terminal"),
        (("--no-password", "--password-file", "x"), "one thing or the other"),
        (("--password-file", "short"), "has fewer than 12 characters"),
    ],
)
def test_nobody_is_added_without_a_password_that_serves_or_the_word_that_none_is_wanted(
    bare: Shell, more: tuple[str, ...], said: str
) -> None:
    (bare.folder / "short").touch(mode=0o600)
    (bare.folder / "short").write_text("short")
    bare("console", "user", "add", "new", "--role", "auditor", *more, code=2)
    assert said in bare.err
    assert people(bare).by_name("new") is None
    bare("console", "user", "add", "somying", "--role", "auditor", "--no-password", code=2)
    assert "is there already" in bare.err


@pytest.mark.parametrize(
    "words", [("password", "manee-sample", "--password-file", "other"), ("role", "manee-sample", "auditor")]
)
def test_another_password_or_role_ends_the_sessions_of_that_person_with_the_next_request(
    shell: Shell, words: tuple[str, ...]
) -> None:
    file = secret_file(shell, PASSWORD)
    for name in ("manee-sample", "piti-sample"):
        shell("console", "user", "add", name, "--role", "steward", "--password-file", file)
    (shell.folder / "other").touch(mode=0o600)
    (shell.folder / "other").write_text(PASSWORD[::-1], encoding="utf-8")
    ledger = shell.ledger()
    with console_over(ledger, shell.folder, console={"people": shell.folder / "people.toml"}) as console:
        client, another = console.visited_by(None).client, console.visited_by(None).client
        for browser, name in ((client, "manee-sample"), (another, "piti-sample")):
            assert signed_in(browser, name, PASSWORD).status_code == 303
            assert browser.get("/sign-ins").status_code == 200
        shell("console", "user", *words)
        assert client.get("/sign-ins").headers["location"].startswith("/sign-in?to=")
        assert another.get("/sign-ins.json").json()["rows"][0]["what"] == "changed"
        kept = PASSWORD if words[0] == "role" else PASSWORD[::-1]
        assert signed_in(client, "manee-sample", kept).status_code == 303
    ledger.close()


def test_a_password_is_taken_away_and_a_role_is_the_keys_too(bare: Shell) -> None:
    bare("ledger", "init")
    file = secret_file(bare, PASSWORD)
    assert "somying has another password" in bare(
        "console", "user", "password", "somying", "--password-file", file
    )
    assert people(bare).verified("somying", PASSWORD)
    assert bare.json("console", "user", "password", "somying", "--none") == {
        "name": "somying",
        "password": False,
    }
    assert people(bare).verified("somying", PASSWORD) is None
    assert "is steward already" in bare("console", "user", "role", "somying", "steward")
    bare("console", "user", "role", "somying", "auditor")
    bare("directory", "apply", code=2)
    assert "somying is auditor, and this takes steward" in bare.err
    for words in (("password", "nobody", "--none"), ("role", "nobody", "steward"), ("oidc", "nobody", "sub")):
        bare("console", "user", *words, code=2)
        assert "is nobody here" in bare.err
    bare("console", "user", "password", "somying", "--none", "--password-file", file, code=2)


def test_a_person_is_bound_to_one_account_at_the_provider_which_is_nobody_elses(bare: Shell) -> None:
    bare("console", "user", "oidc", "somying", "sample-1", code=2)
    assert "console.oidc_issuer" in bare.err
    with (bare.folder / "bus.toml").open("a", encoding="utf-8") as settings:
        settings.write(
            '[console]\noidc_issuer = "https://id.example.go.th"\noidc_client_id = "x"\n'
            'oidc_roles = { a = "auditor" }\n'
        )
    bare("console", "user", "oidc", "somying", "sample-1")
    assert people(bare).must("somying").oidc == "https://id.example.go.th sample-1"
    assert "an account at the provider" in bare("console", "user", "list")
    bare("console", "user", "oidc", "somchai", "sample-1", code=2)
    assert "console user oidc somying" in bare.err
    bare("console", "user", "oidc", "somchai", " ", code=2)
    bare("console", "user", "oidc", "somying")
    bare("console", "user", "oidc", "somchai", "sample-1")
