"""The doctor's frame: each check has its say, the worst of them is the exit status, and the bundle is its owner's."""

from __future__ import annotations

import asyncio
import json
import stat
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from bus.doctor import Check, Found, Level, Line, examine, fail, in_thread, ok, warn, worst, write_bundle
from bus.errors import Misconfigured, Problem


async def _never() -> Sequence[Found]:
    await asyncio.Event().wait()
    return []


async def _breaks() -> Sequence[Found]:
    raise RuntimeError("quotes the subject of a letter")


async def _nothing() -> Sequence[Found]:
    return []


def _mistaken() -> list[Found]:
    raise Misconfigured(
        Problem("x.toml", "a.b", "is wrong", "Mend it."), Problem("y.toml", "c", "too", "Also.")
    )


async def test_a_check_that_breaks_hangs_or_says_nothing_is_a_fail_and_the_others_go_on() -> None:
    checks = [
        Check("breaks", _breaks),
        Check("hangs", _never),
        Check("silent", _nothing),
        Check("mistaken", in_thread(_mistaken)),
        Check("good", in_thread(lambda: [ok("fine"), warn("soon", "Look.")])),
    ]
    lines = await examine(checks, within=0.2)
    assert [(line.check, line.level.name) for line in lines] == [
        ("breaks", "FAIL"),
        ("hangs", "FAIL"),
        ("silent", "FAIL"),
        ("mistaken", "FAIL"),
        ("mistaken", "FAIL"),
        ("good", "OK"),
        ("good", "WARN"),
    ]
    assert "subject" not in str(lines)
    assert "RuntimeError" in lines[0].sentence
    assert lines[3].fix == "Mend it."
    assert all(line.fix for line in lines if line.level)


@pytest.mark.parametrize(
    ("levels", "expected"),
    [("", 2), ("O", 0), ("OW", 1), ("OWF", 2), ("FO", 2)],
)
def test_the_exit_status_is_the_worst_level_and_nothing_looked_at_is_no_good_sign(
    levels: str, expected: int
) -> None:
    made = {"O": ok("x"), "W": warn("x", "y"), "F": fail("x", "y")}
    lines = [Line("c", made[each].level, "x", "y") for each in levels]
    assert int(worst(lines)) == expected


def test_a_line_is_one_line_whatever_it_quotes() -> None:
    line = Line("disk\n", Level.FAIL, "a\x1b[2J\u202eb\n", "c\nd")
    assert "\n" not in str(line)
    assert "\x1b" not in str(line)


def test_a_bundle_is_its_owners_and_overwrites_nothing(tmp_path: Path) -> None:
    file = tmp_path / "help.zip"
    write_bundle(file, {"doctor": [{"ก": 1}], "about": {}})
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with zipfile.ZipFile(file) as archive:
        assert sorted(archive.namelist()) == ["about.json", "doctor.json"]
        assert json.loads(archive.read("doctor.json")) == [{"ก": 1}]
    before = file.read_bytes()
    with pytest.raises(Misconfigured, match="Name a new file"):
        write_bundle(file, {})
    assert file.read_bytes() == before
