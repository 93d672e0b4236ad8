"""The commands of docs/auditing.md, block by block, run exactly as an auditor would type them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.project import ROOT


def of_the_demonstration() -> list[str]:
    """All blocks but the one that plays the demonstration and goes to its folder."""
    return [block for block in _blocks() if "make demo" not in block]


def of_a_pack() -> list[str]:
    """The blocks that need nothing but a pack and the log's key."""
    return [block for block in of_the_demonstration() if "saraban-bus " not in block]


def _blocks() -> list[str]:
    text = (ROOT / "docs" / "auditing.md").read_text(encoding="utf-8")
    return re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def followed(blocks: list[str], folder: Path, *, fails: bool = False) -> str:
    """Run blocks in a folder; return what they said. The test fails if one fails, or with `fails` if none does."""
    search = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    said = ""
    for block in blocks:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", block],
            cwd=folder,
            env={**os.environ, "PATH": search},
            capture_output=True,
            text=True,
            check=False,
        )
        said += done.stdout + done.stderr
        if done.returncode and fails:
            return said
        assert done.returncode == 0, f"{block}\n{done.stdout}{done.stderr}"
    assert not fails, "every command was content"
    return said
