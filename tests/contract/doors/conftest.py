"""Every door of an adapter, one after the other, on a mailbox of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from adapters.mailbox import Mailbox
from tests.assets.factory import OCS
from tests.contract.desk_office import desk_over
from tests.contract.doors.desk import DeskOffice
from tests.contract.doors.door import Door, World
from tests.contract.doors.ecms import EcmsOffice
from tests.contract.doors.folder import FolderDoor
from tests.contract.doors.not_applying import NOT_APPLYING
from tests.contract.doors.rest import RestOffice
from tests.contract.doors.sql import MariaDbOffice, PostgresOffice, SqlOffice
from tests.unit.adapter.network import Bus, Office

Opener = Callable[[World, Path, pytest.FixtureRequest], Door]


def _ecms(world: World, _at: Path, _: pytest.FixtureRequest) -> Door:
    return EcmsOffice(world.mailbox, world.folder / "mailbox")


def _folder(world: World, at: Path, _: pytest.FixtureRequest) -> Door:
    return FolderDoor(world.mailbox, world.folder / "mailbox", at)


def _rest(world: World, _at: Path, _: pytest.FixtureRequest) -> Door:
    return RestOffice(world.mailbox, world.folder / "mailbox")


def _desk(world: World, _at: Path, _: pytest.FixtureRequest) -> Door:
    opened = desk_over(world)
    return DeskOffice(opened.__enter__(), opened)


def _sql(kind: type[SqlOffice]) -> Opener:
    def opened(world: World, at: Path, request: pytest.FixtureRequest) -> Door:
        return kind(world.mailbox, world.folder / "mailbox", kind.url(at, request))

    return opened


_DATABASES = (SqlOffice, PostgresOffice, MariaDbOffice)
DOORS: dict[str, Opener] = {
    "desk": _desk,
    "ecms": _ecms,
    "folder": _folder,
    "rest": _rest,
    **{each.name: _sql(each) for each in _DATABASES},
}
"""How each is opened on a mailbox; a new door is a line here."""
_KINDS = (DeskOffice, EcmsOffice, FolderDoor, RestOffice, SqlOffice)
"""Whose adapters are killed at each step; test_sql.py kills the office's server at the same ones, a real MariaDB."""
OF_ONE_KIND = (PostgresOffice.name, MariaDbOffice.name)
"""Those that do not differ from another in kind."""
STEPS_OUT = [(kind.name, step) for kind in _KINDS for step in kind.steps_out]
STEPS_IN = [(kind.name, step) for kind in _KINDS for step in kind.steps_in]


def doors_of(case: str) -> list[str]:
    """The doors that a case of the contract is run on: all, but for those that the table names for it."""
    return [name for name in sorted(DOORS) if case not in NOT_APPLYING.get(name, {})]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each case on its doors."""
    if "door" in metafunc.fixturenames:
        metafunc.parametrize("door", doors_of(metafunc.function.__name__), indirect=True)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """The mailbox of OCS, which has the directory."""
    with Mailbox(tmp_path / "mailbox", OCS) as mailbox:
        world = World(Office(mailbox, Bus(OCS)), tmp_path)
        world.hear(world.office.bus.directory())
        yield world
        for door in world.doors:
            door.close()


@pytest.fixture
def open_door(world: World, request: pytest.FixtureRequest) -> Callable[[str], Door]:
    """Opens a door of this name."""

    def opened(name: str) -> Door:
        door = DOORS[name](world, world.folder / f"door-{name}", request)
        world.doors.append(door)
        return door

    return opened


@pytest.fixture
def door(request: pytest.FixtureRequest, open_door: Callable[[str], Door]) -> Door:
    """The door of this name."""
    return open_door(request.param)
