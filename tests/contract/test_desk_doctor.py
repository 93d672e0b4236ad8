"""What the doctor says of a desk: who may sign in, and whether its address can be had."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path

from adapters.desk.checking import checks
from adapters.desk.face import ROSTER
from bus.doctor import Level, Line, examine
from bus.operators import DeskRole
from bus.people import People, Person
from bus.settings.adapter import AdapterSettings
from bus.thai import now
from compose.local import free_port
from tests.assets.factory import OCS


def lines(folder: Path, **desk: object) -> list[Line]:
    section = {"enabled": True, "people": folder / "people.toml", "listen_port": free_port(), **desk}
    settings = AdapterSettings(agency=OCS, mailbox={"folder": folder / "mailbox"}, desk=section)
    return asyncio.run(examine(checks(settings)))


def test_a_desk_that_is_off_is_not_looked_at(tmp_path: Path) -> None:
    assert lines(tmp_path, enabled=False) == []


def test_a_desk_without_anybody_is_a_warning_and_one_with_a_person_is_right(tmp_path: Path) -> None:
    people, port = lines(tmp_path)
    assert (people.level, port.level) == (Level.WARN, Level.OK)
    assert "desk user add" in (people.fix or "")
    person = Person("somsri-sample", DeskRole.CLERK, now().replace(microsecond=0))
    People.read(tmp_path / "people.toml", ROSTER).add(person).write()
    assert [line.level for line in lines(tmp_path)] == [Level.OK, Level.OK]
    provider = {
        "oidc_issuer": "http://127.0.0.1:1",
        "oidc_client_id": "desk",
        "oidc_roles": {"clerk": "clerk"},
    }
    people, _ = lines(tmp_path, people=tmp_path / "others.toml", oidc_client_secret="sample", **provider)
    assert "OpenID provider alone" in people.sentence


def test_a_people_file_that_others_can_read_and_a_port_that_is_taken_are_failures(tmp_path: Path) -> None:
    file = tmp_path / "people.toml"
    person = Person("somsri-sample", DeskRole.CLERK, now().replace(microsecond=0))
    People.read(file, ROSTER).add(person).write()
    os.chmod(file, 0o644)
    with socket.create_server(("127.0.0.1", 0)) as other:
        people, port = lines(tmp_path, listen_port=other.getsockname()[1])
    assert (people.level, port.level) == (Level.FAIL, Level.FAIL)
    assert "people.toml" in people.sentence
    assert "cannot be had" in port.sentence
