"""Imports run downhill, and each library has one owner (the contracts stand in pyproject.toml)."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.project import ROOT

PACKAGES = ("bus", "adapters", "compose")


def lint_imports(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).parent / "lint-imports"), "--config", str(ROOT / "pyproject.toml")]
    return subprocess.run([*command, *options], cwd=folder, capture_output=True, text=True, check=False)


def test_every_import_runs_downhill() -> None:
    done = lint_imports(ROOT, "--cache-dir", str(ROOT / "build" / "cache" / "import-linter"))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def bent(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What the linter says of a copy of the project in which every rule is broken once."""
    folder = tmp_path_factory.mktemp("bent")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    violations = {
        "bus/thai.py": [
            "bus.router",
            "adapters",
            "argon2",
            "authlib",
            "filelock",
            "httpx",
            "jwt",
            "lxml",
            "pika",
            "pkcs11",
            "signxml",
            "sqlalchemy",
            "structlog",
            "typst",
        ],
        "bus/depot/refusals.py": ["bus.depot.app"],
        "bus/ledger/entry.py": ["bus.broker.link"],
        "bus/errors.py": ["compose.programs", "xmlschema"],
        "bus/verifier/merkle.py": ["bus.thai"],
        "adapters/mailbox/__init__.py": [
            "fastapi",
            "adapters.agent",
            "bus.ledger",
            "compose.cluster",
            "fcntl",
        ],
    }
    for file, imports in violations.items():
        with (folder / file).open("a", encoding="utf-8") as module:
            module.writelines(f"import {name}\n" for name in imports)
    done = lint_imports(folder, "--no-cache")
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stdout


def test_a_broken_rule_is_noticed(bent: str) -> None:
    names = re.findall(
        r'^name = "(.*)"$', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE
    )[1:]
    assert len(names) >= 12
    kept = [name for name in names if not re.search(re.escape(name) + r"\s*BROKEN", " ".join(bent.split()))]
    assert kept == []


def test_what_few_commands_need_is_imported_by_those_alone() -> None:
    rare = {"jinja2", "pika", "psycopg", "xmlschema"}
    assert _loaded("bus.cli, adapters.cli", rare) == "[]\n"


@pytest.mark.parametrize(
    "started", ["bus.cli.main, bus.console.process", "adapters.cli.main, adapters.cli.running"]
)
def test_what_runs_for_months_loads_nothing_that_colours_text_or_that_few_need(started: str) -> None:
    assert _loaded(started, {"authlib", "joserfc", "pygments", "rfc3161_client", "rich"}) == "[]\n"


def _loaded(modules: str, rare: set[str]) -> str:
    script = f"import sys, {modules}; print(sorted({rare!r} & sys.modules.keys()))"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return done.stdout
