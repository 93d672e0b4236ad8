"""requirements.lock holds what pyproject.toml asks for, by hash, from nowhere in particular."""

from __future__ import annotations

import re
import tomllib
from importlib import metadata

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.project import ROOT

LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def locked() -> dict[str, tuple[Requirement, list[str]]]:
    """Name → (requirement, hashes); a line that is neither makes the test fail."""
    found: dict[str, tuple[Requirement, list[str]]] = {}
    for line in LOCK.replace("\\\n", " ").splitlines():
        head, *options = re.split(r"\s+(?=--)", line.strip())
        requirement = Requirement(head)
        assert all(re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", option) for option in options), line
        found[canonicalize_name(requirement.name)] = (requirement, options)
    return found


def asked() -> list[Requirement]:
    extras = PROJECT["project"]["optional-dependencies"].values()
    lists = [PROJECT["project"]["dependencies"], PROJECT["build-system"]["requires"], *extras]
    return [Requirement(text) for texts in lists for text in texts]


@pytest.mark.parametrize("requirement", asked(), ids=str)
def test_each_dependency_is_locked_at_a_version_that_it_allows(requirement: Requirement) -> None:
    pinned, _ = locked()[canonicalize_name(requirement.name)]
    (pin,) = pinned.specifier
    assert pin.operator == "=="
    assert requirement.specifier.contains(pin.version)


def test_each_package_is_known_by_the_hashes_of_its_files() -> None:
    assert len(locked()) > 40
    assert [name for name, (_, hashes) in locked().items() if not hashes] == []


@pytest.mark.parametrize("name", ["cffi", "cryptography", "lxml", "psycopg-binary", "pydantic-core", "ruff"])
def test_compiled_packages_are_locked_for_other_machines_too(name: str) -> None:
    assert len(locked()[name][1]) > 12


def test_the_lock_names_no_place_to_download_from() -> None:
    assert "://" not in LOCK
    assert " @ " not in LOCK
    assert set(re.findall(r"--[a-z-]+", LOCK)) == {"--hash"}


def test_the_tests_run_on_the_locked_versions() -> None:
    wanted = {
        name: next(iter(pinned.specifier)).version
        for name, (pinned, _) in locked().items()
        if pinned.marker is None or pinned.marker.evaluate()
    }
    assert {name: metadata.version(name) for name in wanted} == wanted
