"""The people who act: their file, their passwords and keys, and who acts by a command line."""

from __future__ import annotations

import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher, extract_parameters
from pydantic import SecretStr

from bus.errors import Misconfigured
from bus.operators import Operator, Role
from bus.people import People, Person, acting, hashing, keys, reading
from bus.settings.bus import BusSettings
from bus.settings.console import Console, OperatorKey
from bus.thai import now
from tests.assets.operators import SOMYING

PASSWORD = "รหัสผ่านที่ยาวพอสมควร"


def _person(name: str = "somying-sample", role: Role = Role.STEWARD, **more: Any) -> Person:
    return Person(name, role, now().replace(microsecond=0), **more)


@pytest.fixture
def none(tmp_path: Path) -> People:
    return People.read(tmp_path / "people.toml")


def _settings(people: People, key: str | None) -> BusSettings:
    operator = OperatorKey(key=SecretStr(key) if key else None)
    return BusSettings(console=Console(people=people.file), operator=operator)


def test_what_is_written_is_read_again_and_only_its_owner_can(none: People) -> None:
    key = keys.new_key()
    somying = _person(display_name=SOMYING, password=hashing.hash_of(PASSWORD), key=keys.digest_of(key))
    somchai = _person("somchai-sample", Role.AUDITOR)
    both = none.add(somying).add(somchai)
    both.write()
    both.write()
    assert stat.S_IMODE(none.file.stat().st_mode) == 0o600
    assert People.read(none.file) == both
    assert both.by_name("somying-sample") == somying
    assert both.by_key(key) == somying
    text = none.file.read_text(encoding="utf-8")
    assert key not in text
    assert PASSWORD not in text
    assert str(somying.password) not in repr(somying)


def test_a_person_is_added_once_changed_and_removed(none: People) -> None:
    people = none.add(_person())
    with pytest.raises(Misconfigured, match="is there already"):
        people.add(_person(" somying-sample "))
    people = people.replace(replace(people.must("somying-sample"), role=Role.AUDITOR))
    assert [one.role for one in people.persons] == [Role.AUDITOR]
    assert people.remove("somying-sample").persons == ()
    with pytest.raises(Misconfigured, match="is nobody here"):
        people.remove("somebody")


@pytest.mark.parametrize("name", ["", "a, b", "a\x00b", "a\nb", "x" * 81])
def test_a_name_that_could_not_be_shown_or_told_apart_is_none(none: People, name: str) -> None:
    with pytest.raises(Misconfigured, match="name"):
        none.add(_person(name))


def test_a_name_may_be_thai_and_have_blanks(none: People) -> None:
    none.add(_person(SOMYING)).write()
    assert People.read(none.file).by_name(SOMYING) is not None


def test_only_the_right_password_of_a_known_name_signs_in(none: People) -> None:
    people = none.add(_person(password=hashing.hash_of(PASSWORD))).add(_person("somchai-sample"))
    assert people.verified("somying-sample", PASSWORD) == people.persons[0]
    assert people.verified("somying-sample", PASSWORD + "x") is None
    assert people.verified("somying-sample", "") is None
    assert people.verified("somchai-sample", PASSWORD) is None
    assert people.verified("nobody", PASSWORD) is None


@pytest.mark.parametrize("name", ["nobody", "somchai-sample"])
def test_a_name_without_password_costs_the_same_effort(
    none: People, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str] = []
    verify = PasswordHasher.verify

    def counted(self: PasswordHasher, hashed: str, password: str) -> bool:
        tried.append(hashed)
        return bool(verify(self, hashed, password))

    monkeypatch.setattr(PasswordHasher, "verify", counted)
    assert none.add(_person("somchai-sample")).verified(name, PASSWORD) is None
    assert tried == [hashing.NOBODY]
    assert extract_parameters(hashing.NOBODY) == extract_parameters(hashing.hash_of(PASSWORD))


def test_one_password_typed_in_two_forms_is_one() -> None:
    assert hashing.matches(hashing.hash_of("cafe\u0301 ของเรา"), "caf\u00e9 ของเรา")
    assert not hashing.matches("no hash", "x")


def test_a_short_or_endless_password_is_not_taken() -> None:
    assert "fewer than 12" in str(hashing.unfit("x" * 11))
    assert "more than 256" in str(hashing.unfit("x" * 257))
    assert hashing.unfit(PASSWORD) is None


def test_every_key_is_another_and_what_is_no_key_is_nobodys(none: People) -> None:
    assert len({keys.new_key() for _ in range(100)}) == 100
    assert keys.digest_of("sbk_short") is None
    assert none.add(_person()).by_key("sbk_short") is None
    assert none.add(_person()).by_key(keys.new_key()) is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[person]]\nname = 'a'\nrole = 'king'\n", "role"),
        ("[[person]]\nname = 'a'\nrole = 'auditor'\npassword = 'my secret'\n", "is no hash"),
        ("[[person]]\nname = 'a'\nrole = 'auditor'\nkey = 1\n", "is no hash"),
        ("[[person]]\nname = 'a'\nrole = 'auditor'\ncolour = 'red'\n", "not a known key"),
        ("[[person]]\nname = 'a'\nrole = 'auditor'\n" * 2, "two have the same name"),
        ("persons = 1\n", "not a known key"),
    ],
)
def test_a_file_that_is_wrong_lets_nobody_in(none: People, text: str, said: str) -> None:
    none.file.write_text(text)
    none.file.chmod(0o600)
    with pytest.raises(Misconfigured, match=said) as caught:
        People.read(none.file)
    assert "my secret" not in str(caught.value)


def test_a_file_that_others_can_read_lets_nobody_in(none: People) -> None:
    none.add(_person()).write()
    none.file.chmod(0o644)
    with pytest.raises(Misconfigured, match="can be read by others"):
        People.read(none.file)


def test_who_acts_is_whose_key_it_is_in_a_role_that_fits(none: People) -> None:
    steward, auditor = keys.new_key(), keys.new_key()
    none.add(_person(key=keys.digest_of(steward))).add(
        _person("somchai-sample", Role.AUDITOR, key=keys.digest_of(auditor))
    ).write()
    assert acting(_settings(none, steward), Role.STEWARD) == Operator("somying-sample", Role.STEWARD, "key")
    assert acting(_settings(none, steward), Role.OPERATOR).name == "somying-sample"
    assert acting(_settings(none, auditor), Role.AUDITOR, Role.STEWARD).name == "somchai-sample"
    with pytest.raises(Misconfigured, match="somchai-sample is auditor, and this takes steward"):
        acting(_settings(none, auditor), Role.STEWARD)
    with pytest.raises(Misconfigured, match="this takes auditor"):
        acting(_settings(none, steward), Role.AUDITOR)


def test_nobody_acts_without_a_key_or_by_one_that_is_nobodys(none: People) -> None:
    with pytest.raises(Misconfigured, match="saraban-bus console user key NAME"):
        acting(_settings(none, None), Role.STEWARD)
    assert reading(_settings(none, None)) is None
    for key in (keys.new_key(), "sbk_short"):
        with pytest.raises(Misconfigured, match="is nobody's key here") as caught:
            reading(_settings(none, key))
        assert key not in str(caught.value)
