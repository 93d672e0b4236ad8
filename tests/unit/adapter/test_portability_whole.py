"""What is tested of the adapter on POSIX, without what Windows lacks: minutes, and so a part of `make long`."""

from __future__ import annotations

import re

from tests.unit.adapter.test_portability import without

WORKS = {
    "tests/unit/adapter": [
        "folder",
        "one_bad_thing",
        "read_once",
        "mailbox",
        "command_line",
        "news_put_off",
        "receiving",
    ],
    "tests/contract": ["depot_client"],
}
"""What is tested on POSIX and holds without it: folders both ways, what is put there to harm, commands, depot."""
NOTHING_OF_THE_DISK = (
    "not any_text and not one_way and not takes_long and not grows_with and not memory and not killed_in "
    "and not thousands"
)


def test_the_adapter_works_without_what_windows_lacks() -> None:
    files = [f"{folder}/test_{name}.py" for folder, names in WORKS.items() for name in names]
    said = without(
        "-m", "pytest", "-p", "tests.unit.adapter.windows", "-q", "-k", NOTHING_OF_THE_DISK, *files
    )
    passed = re.search(r"(\d+) passed", said)
    assert passed is not None
    assert int(passed[1]) > 160, said
    assert "skipped" not in said
