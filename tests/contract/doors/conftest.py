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
from tests.contract.doors.folder import FolderDoor
from tests.contract.doors.rest import RestOffice
from tests.unit.adapter.network import Bus, Office

Opener = Callable[[World, Path], Door]


def _folder(world: World, at: Path) -> Door:
    return FolderDoor(world.mailbox, world.folder / "mailbox", at)


def _rest(world: World, _at: Path) -> Door:
    return RestOffice(world.mailbox, world.folder / "mailbox")


def _desk(world: World, _at: Path) -> Door:
    opened = desk_over(world)
    return DeskOffice(opened.__enter__(), opened)


DOORS: dict[str, Opener] = {"folder": _folder, "rest": _rest, "desk": _desk}
"""How each is opened on a mailbox; a new door is a line here."""
NOT_AT: dict[str, dict[str, str]] = {
    "desk": {
        "test_every_mistake_is_told_at_once_in_both_languages": "no field is misspelt in a form, and speeds are chosen",
        "test_the_offices_own_key_comes_back_with_every_event": "a person has pages in place of a feed of events",
        "test_the_sender_disputes_withdraws_and_settles": "the desk settles nothing; tests/contract/test_desk_sent.py",
        "test_a_clerk_registers_and_corrects": "a person has no key of an act of its own; test_desk.py",
    }
}
"""Which parts of the contract do not apply at a door, and why, or where the same is shown."""
_KINDS = (FolderDoor, RestOffice, DeskOffice)
STEPS_OUT = [(kind.name, step) for kind in _KINDS for step in kind.steps_out]
STEPS_IN = [(kind.name, step) for kind in _KINDS for step in kind.steps_in]


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
def open_door(world: World) -> Callable[[str], Door]:
    """Opens a door of this name."""

    def opened(name: str) -> Door:
        door = DOORS[name](world, world.folder / f"door-{name}")
        world.doors.append(door)
        return door

    return opened


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Have a test of the contract made at each door where it applies."""
    if "door" in metafunc.fixturenames:
        name = metafunc.function.__name__
        doors = [each for each in sorted(DOORS) if name not in NOT_AT.get(each, {})]
        metafunc.parametrize("door", doors, indirect=True)


@pytest.fixture
def door(request: pytest.FixtureRequest, open_door: Callable[[str], Door]) -> Door:
    """The door of this name."""
    return open_door(request.param)
