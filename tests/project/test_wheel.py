"""The wheel carries everything that runs, data included, and works away from the checkout."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.project import ROOT, files_of_the_project


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


def test_the_wheel_carries_schemas_examples_documents_and_code_but_no_tests(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    sources = {path.relative_to(ROOT) for path in files_of_the_project()}
    data = {f"bus/_assets/{path}" for path in sources if path.parts[0] in ("xsd", "config", "docs")}
    code = {str(path) for path in sources if path.parts[0] in ("bus", "adapters", "compose")}
    assert data
    assert data | code <= names
    assert not [name for name in names if name.startswith("tests/")]


def test_an_installed_wheel_finds_its_schemas_and_codes(wheel: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path)
    ask = "from bus import assets; print(assets.path('xsd/letter/1.0')); print(assets.path('config/codes'))"
    command = [sys.executable, "-c", ask]
    told = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True)
    found = [Path(line).resolve() for line in told.stdout.splitlines()]
    assert found == [
        (tmp_path / "bus/_assets" / name).resolve() for name in ("xsd/letter/1.0", "config/codes")
    ]
