"""What an adapter imports of this project is for Windows too: what POSIX alone has is named in `bus/platform` only.

The modules themselves, such as `fcntl`, are the affair of a contract in pyproject.toml.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import grimp
import pytest

from tests.project import ROOT
from tests.unit.adapter.windows import ATTRIBUTES

OF_POSIX = {f"{module.__name__}.{name}" for module, names in ATTRIBUTES.items() for name in names}
ONLY_THERE = {"add_signal_handler", "remove_signal_handler", "add_child_handler"}
"""Methods of event loops that those of Windows do not have."""


def named(source: str) -> Iterator[str]:
    """What a module names of POSIX: as an attribute, or imported."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute):
            name = f"{node.value.id}.{node.attr}" if isinstance(node.value, ast.Name) else ""
            if name in OF_POSIX or node.attr in ONLY_THERE:
                yield f"{node.lineno}: {name or node.attr}"
        elif isinstance(node, ast.ImportFrom):
            for each in node.names:
                if f"{node.module}.{each.name}" in OF_POSIX:
                    yield f"{node.lineno}: {node.module}.{each.name}"
        elif isinstance(node, ast.keyword) and (node.arg or "").endswith("dir_fd"):
            yield f"{node.value.lineno}: {node.arg}"


def modules_of_an_adapter() -> set[str]:
    graph = grimp.build_graph("adapters", "bus", cache_dir=str(ROOT / "build" / "cache" / "import-linter"))
    return graph.find_upstream_modules("adapters", as_package=True) | graph.find_descendants("adapters")


def file_of(module: str) -> Path:
    place = ROOT.joinpath(*module.split("."))
    return place / "__init__.py" if place.is_dir() else place.with_suffix(".py")


def test_nothing_of_posix_is_named_outside_of_its_owner() -> None:
    modules = modules_of_an_adapter()
    assert len(modules) > 100
    assert {"bus.failpoints", "bus.web", "bus.settings.sections", "adapters.depot"} <= modules
    found = {
        module: names
        for module in modules
        if not module.startswith("bus.platform")
        and (names := list(named(file_of(module).read_text(encoding="utf-8"))))
    }
    assert found == {}


@pytest.mark.parametrize(
    "line",
    [
        "import os\nos.O_DIRECTORY",
        "from os import fchmod",
        "import signal\nprint(signal.SIGHUP)",
        "loop.add_signal_handler(15, stop)",
        "os.stat(name, dir_fd=folder)",
        "os.rename(a, b, src_dir_fd=c)",
    ],
)
def test_what_posix_alone_has_is_noticed(line: str) -> None:
    assert len(list(named(line))) == 1
