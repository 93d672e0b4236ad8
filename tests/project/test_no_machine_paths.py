"""No file of the project names the machine that it was written on, or where its packages come from."""

from __future__ import annotations

import re

from tests.project import ROOT, files_of_the_project

# In pieces, so that this file does not find itself.
FORBIDDEN = re.compile(
    "|".join(
        [
            "/" + r"work/\w",
            r"\.\./" + "shared",
            "/" + "tmp/sb",
            "/" + r"root/\w",
            r"pypi" + r"\.org",
            "python" + r"hosted\.org",
            "--(extra-)?" + "index-url",
        ]
    ).encode()
)


def test_no_file_names_a_machine_or_a_package_index() -> None:
    files = list(files_of_the_project())
    assert ROOT / "pyproject.toml" in files
    found = {
        str(path.relative_to(ROOT)): match.group().decode()
        for path in files
        if (match := FORBIDDEN.search(path.read_bytes()))
    }
    assert found == {}
