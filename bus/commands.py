"""Commands that are loaded when they are called: no process holds what only another command needs."""

from __future__ import annotations

from collections import UserDict
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup
from typer.main import get_group


def loading(places: Mapping[str, str]) -> type[TyperGroup]:
    """Return the class of a group with commands of its own and with these, each given as `module:name` by its name.

    What stands there is a function, or an application whose commands follow.
    """

    class Loading(TyperGroup):
        def __init__(self, **attributes: Any) -> None:
            super().__init__(**attributes)
            self.commands = _Commands({**self.commands, **places})

    return Loading


class _Commands(UserDict[str, Any]):
    """Commands by their names; one that is the name of a place is loaded when it is first looked at."""

    def __getitem__(self, name: str) -> Any:
        found = super().__getitem__(name)
        if isinstance(found, str):
            found = self.data[name] = _loaded(name, found)
        return found


def _loaded(name: str, place: str) -> Any:
    module, _, attribute = place.partition(":")
    value = getattr(import_module(module), attribute)
    holder = typer.Typer()
    if isinstance(value, typer.Typer):
        holder.add_typer(value, name=name)
    else:
        holder.command(name)(value)
    return get_group(holder).commands[name]
