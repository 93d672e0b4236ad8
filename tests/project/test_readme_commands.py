"""The commands that a newcomer reads are commands that exist."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

from tests.project import ROOT

README = ROOT / "README.md"
TARGETS = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


def test_the_readme_leads_to_the_demo_and_to_the_tests() -> None:
    named = set(re.findall(r"\bmake ([a-z]+)\b", README.read_text(encoding="utf-8")))
    assert {"demo", "test"} <= named


def test_each_make_command_in_the_documents_is_a_target() -> None:
    commands = {
        (path.name, target)
        for path in [README, *(ROOT / "docs").rglob("*.md")]
        for target in re.findall(
            r"(?:^|`|\$ )make ([a-z]+)\b", path.read_text(encoding="utf-8"), re.MULTILINE
        )
    }
    assert {(name, target) for name, target in commands if target not in TARGETS} == set()


def test_each_picture_of_the_readme_is_there_is_small_and_says_in_thai_what_it_shows() -> None:
    pictures = re.findall(r"!\[([^\]]*)\]\(([^)]+)\)", README.read_text(encoding="utf-8"))
    assert len(pictures) == 4
    for words, file in pictures:
        assert re.search("[\u0e00-\u0e7f]{10}", words), file
        assert (ROOT / file).read_bytes().startswith(b"\x89PNG")
        assert (ROOT / file).stat().st_size <= 120_000, file


def test_make_alone_says_what_can_be_made() -> None:
    said = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True, env=_plain()).stdout
    assert {line.split()[0] for line in said.splitlines()} == TARGETS


def test_every_program_starts() -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["scripts"]
    assert set(scripts) == {"saraban-bus", "saraban-adapter", "saraban-verify", "saraban-conformance"}
    for name in scripts:
        program = Path(sys.executable).parent / name
        shown = subprocess.run([program, "--help"], capture_output=True, text=True, check=False)
        assert shown.returncode == 0, shown.stderr
        assert "usage" in shown.stdout.lower()


def _plain() -> dict[str, str]:
    """The environment without what an outer make would pass on."""
    return {
        name: value for name, value in os.environ.items() if not name.startswith("MAKE") and name != "MFLAGS"
    }
