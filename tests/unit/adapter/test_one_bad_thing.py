"""One bad thing in an office's folders stops nothing else, and is told: names, links, devices, half of a file."""

from __future__ import annotations

import errno
import json
import os
import re
import socket
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.connectors.folder import attachments, failing, folders
from adapters.connectors.folder.connector import FolderConnector
from adapters.connectors.folder.folders import Folder
from adapters.connectors.folder.parsing import read_manifest
from adapters.mailbox import Mailbox
from adapters.mailbox.conditions import ConditionCode
from tests.assets.factory import OCS, OPM
from tests.unit.adapter.network import Bus, Office
from tests.unit.adapter.test_folder import LETTER, Clock, connector, lay_out, letters, names, write

ANOTHER = LETTER | {"number": "นร 0105/166"}
TIS = os.fsdecode("หนังสือ".encode("cp874"))


@pytest.fixture
def exchange(tmp_path: Path) -> Path:
    return tmp_path / "exchange"


def goes_on(link: FolderConnector, exchange: Path, office: Office) -> bool:
    """Whether a letter that is laid out beside the bad thing is taken."""
    before = len(letters(office.mailbox))
    lay_out(exchange, "zz good", LETTER | {"number": f"นร {before}", "reference": f"good {before}"})
    link.import_new()
    return len(letters(office.mailbox)) == before + 1


def reason(exchange: Path, name: str) -> str:
    return (exchange / "failed" / f"{name}.reason.txt").read_text(encoding="utf-8")


def conditions(office: Office) -> dict[str, str]:
    """What status says, by code: what it is about and the detail."""
    found = (each.finding for each in office.mailbox.conditions.all())
    return {each.code.value: f"{each.about}: {each.detail_en}" for each in found}


# ── names and texts that UTF-8 cannot hold ──────────────────────────────────────────────────────


def test_a_folder_named_in_tis_620_fails_with_a_readable_reason(sender: Office, exchange: Path) -> None:
    link = connector(sender, exchange)
    lay_out(exchange, TIS, LETTER)
    assert goes_on(link, exchange, sender)
    assert "UTF-8" in reason(exchange, "หนังสือ")
    assert names(exchange / "failed" / "หนังสือ") == ["letter.toml", "หนังสือ.pdf"]


@pytest.mark.parametrize("name", [f"{TIS}.register.toml", f"{TIS}.letter.json"])
def test_a_manifest_named_in_tis_620_fails_with_a_readable_reason(
    sender: Office, exchange: Path, name: str
) -> None:
    link = connector(sender, exchange, patience=0)
    (exchange / "outbox" / name).write_text("{}")
    assert goes_on(link, exchange, sender)
    assert "TIS-620" in reason(exchange, name.replace(TIS, "หนังสือ"))


@pytest.mark.parametrize("field", ["files", "subject", "to", "reference", "subj\ud800ect"])
def test_half_a_surrogate_in_json_is_a_mistake(sender: Office, exchange: Path, field: str) -> None:
    link = connector(sender, exchange, patience=0)
    text = json.dumps(LETTER | {field: ["a\ud800.pdf"] if field == "files" else "a\udcff"})
    write(exchange, "a.letter.json", text)
    assert goes_on(link, exchange, sender)
    assert "holds a character that no letter may hold" in reason(exchange, "a.letter.json")


def test_a_file_named_in_tis_620_is_the_file_that_the_manifest_names(sender: Office, exchange: Path) -> None:
    link = connector(sender, exchange)
    lay_out(exchange, "a", LETTER, **{f"{TIS}.pdf": b"%PDF 1"})
    assert link.import_new() == 1
    assert [each.main_file.name for each in letters(sender.mailbox)] == ["หนังสือ.pdf"]


def test_a_reason_that_cannot_be_written_or_worded_still_sets_the_thing_aside(
    sender: Office, exchange: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Unspeakable(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no words")

    def fails(*_: object, **__: object) -> None:
        raise Unspeakable

    link = connector(sender, exchange)
    monkeypatch.setattr("adapters.connectors.folder.letters.compose", fails)
    lay_out(exchange, "a", LETTER)
    (exchange / "failed" / "b.reason.txt").mkdir()
    (exchange / "failed" / "b.reason.txt" / "of the office").touch()
    lay_out(exchange, "b", LETTER)
    assert link.import_new() == 2
    assert "internal fault (Unspeakable)" in reason(exchange, "a")
    assert {"a", "b"} <= set(names(exchange / "failed"))
    assert names(exchange / "failed" / "b.reason.txt") == ["of the office"]
    assert "internal fault" in (exchange / "failed" / "b.reason~2.txt").read_text(encoding="utf-8")
    monkeypatch.undo()
    assert goes_on(link, exchange, sender)


def test_what_cannot_be_set_aside_is_told_in_the_status_and_tried_again(
    sender: Office, exchange: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    link = connector(sender, exchange)
    lay_out(exchange, "bad", {"to": "nobody"})
    with monkeypatch.context() as patched:
        patched.setattr(failing, "explain", fails)
        assert goes_on(link, exchange, sender)
    assert names(exchange / "working") == ["bad"]
    assert "Operation not permitted" in conditions(sender)["outbox.stuck"]
    link.import_new()
    assert names(exchange / "working") == []
    assert conditions(sender) == {}


@contextmanager
def office_of_its_own() -> Iterator[tuple[Office, FolderConnector, Path]]:
    with tempfile.TemporaryDirectory() as folder, Mailbox(Path(folder) / "mailbox", OPM) as mailbox:
        office = Office(mailbox, Bus(OPM))
        exchange = Path(folder) / "exchange"
        yield office, connector(office, exchange, patience=0), exchange


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    st.lists(
        st.tuples(
            st.binary(min_size=1, max_size=60).filter(
                lambda b: not set(b) & {0, 47} and b not in (b".", b"..")
            ),
            st.sampled_from([b"", b".letter.toml", b".LETTER.JSON", b".register.json", b".pdf", b".ready"]),
            st.sampled_from(["folder", "letter", "file", "link", "fifo"]),
        ),
        min_size=1,
        max_size=5,
    )
)
def test_any_bytes_may_be_a_name(things: list[tuple[bytes, bytes, str]]) -> None:
    with office_of_its_own() as (office, link, exchange):
        outbox = os.fsencode(exchange / "outbox")
        for name, ending, kind in things:
            place = outbox + b"/" + name + ending
            if os.path.lexists(place):
                continue
            if kind == "letter":
                os.mkdir(place)
                Path(os.fsdecode(place), "letter.toml").write_text(tomli_w.dumps(LETTER | {"files": "a.pdf"}))
                Path(os.fsdecode(place), "a.pdf").write_bytes(b"%PDF 1")
            elif kind == "folder":
                os.mkdir(place)
            elif kind == "link":
                os.symlink(b"nowhere", place)
            elif kind == "fifo":
                os.mkfifo(place)
            else:
                Path(os.fsdecode(place)).write_bytes(name)
        before = inodes(exchange / "outbox")
        for _ in range(2):
            link.import_new()
        assert goes_on(link, exchange, office)
        assert names(exchange / "working") == []
        assert before <= inodes(exchange), "nothing was deleted"
        for each in (exchange / "failed").glob("*.reason.txt"):
            assert "What to do" in each.read_text(encoding="utf-8")


def inodes(folder: Path) -> set[int]:
    return {path.lstat().st_ino for path in folder.rglob("*")}


_FAULT = re.compile(r"an internal fault \(\w+\); tell")
"""The whole sentence: texts are also drawn from what stands in the code, and a key may well be a part of it."""
_TEXTS = st.text(st.characters(exclude_categories=()), max_size=30)


@settings(max_examples=50, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    values=st.dictionaries(
        st.sampled_from([*LETTER, "reference", "body", "due_by", "replaces", "letter_id"]) | _TEXTS,
        st.recursive(
            _TEXTS | st.none() | st.booleans() | st.integers() | st.floats() | st.just("2569-0001"),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXTS, inner, max_size=3),
            max_leaves=5,
        ),
        max_size=4,
    )
)
def test_any_text_may_stand_in_a_manifest(values: dict[str, Any]) -> None:
    with office_of_its_own() as (office, link, exchange):
        place = lay_out(exchange, "a", {})
        (place / "letter.toml").unlink()
        (place / "letter.json").write_text(json.dumps(LETTER | values), encoding="utf-8")
        write(exchange, "b.register.json", json.dumps(values))
        link.import_new()
        assert goes_on(link, exchange, office)
        assert names(exchange / "working") == names(exchange / "outbox") == []
        for each in (exchange / "failed").glob("*.reason.txt"):
            assert not _FAULT.search(each.read_text(encoding="utf-8"))


@pytest.mark.parametrize("place", ["outbox", "working"])
def test_what_the_disk_cannot_even_look_at_is_told_and_stops_nothing_else(
    sender: Office, exchange: Path, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = connector(sender, exchange)
    lay_out(exchange, "bad", LETTER).rename(exchange / place / "bad")
    look = os.stat

    def broken(name: Any, **where: Any) -> os.stat_result:
        if Path(str(name)).name == "bad":
            raise OSError(errno.EIO, "Input/output error")
        return look(name, **where)

    with monkeypatch.context() as patched:
        patched.setattr(os, "stat", broken)
        assert goes_on(link, exchange, sender)
    assert conditions(sender) == {
        "outbox.stuck": "bad: cannot be read or moved (Input/output error); check its permissions"
    }
    assert link.import_new() == 1
    assert conditions(sender) == {}


# ── things that are no plain files ──────────────────────────────────────────────────────────────


@pytest.mark.parametrize("place", ["a.letter.toml", "a.register.json"])
@pytest.mark.parametrize("kind", ["fifo", "socket", "device", "sparse", "folder link", "link"])
def test_a_manifest_that_is_no_small_plain_file_fails_and_is_not_read(
    sender: Office, exchange: Path, tmp_path: Path, kind: str, place: str
) -> None:
    link = connector(sender, exchange)
    path = exchange / "outbox" / place
    match kind:
        case "fifo":
            os.mkfifo(path)
        case "socket":
            with socket.socket(socket.AF_UNIX) as bound:
                here = os.open(path.parent, os.O_RDONLY)
                bound.bind(f"/proc/self/fd/{here}/{place}")
                os.close(here)
        case "device":
            try:
                os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 5))  # /dev/zero: endless
            except PermissionError:
                path.symlink_to("/dev/zero")
        case "sparse":
            with path.open("wb") as file:
                file.truncate(2 * 1024**3)
        case "folder link":
            path.symlink_to(tmp_path)
        case _:
            path.symlink_to("/dev/zero")
    assert goes_on(link, exchange, sender)
    assert ("is larger than" if kind == "sparse" else "is no plain file") in reason(exchange, place)


@pytest.mark.parametrize("kind", ["fifo", "device link", "hard link", "sparse"])
def test_a_letters_file_that_is_no_plain_file_of_its_own_is_not_sent(
    sender: Office, exchange: Path, tmp_path: Path, kind: str
) -> None:
    link = connector(sender, exchange, patience=0, largest_file=1024**2)
    place = lay_out(exchange, "a", LETTER, other=b"") / "หนังสือ.pdf"
    secret = tmp_path / "agency.key.pem"
    secret.write_bytes(b"%PDF of the adapter's own")
    match kind:
        case "fifo":
            os.mkfifo(place)
        case "device link":
            place.symlink_to("/dev/zero")
        case "hard link":
            os.link(secret, place)
        case _:
            with place.open("wb") as file:
                file.truncate(2 * 1024**3)
    assert goes_on(link, exchange, sender)
    assert len(letters(sender.mailbox)) == 1
    text = reason(exchange, "a")
    said = {"hard link": "has a second name elsewhere", "sparse": "is larger than"}
    assert said.get(kind, "is no plain file") in text


@pytest.mark.parametrize("swapped", ["file", "folder"])
def test_what_is_swapped_for_a_link_while_its_neighbour_is_read_never_leaves(
    sender: Office, exchange: Path, tmp_path: Path, swapped: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets = tmp_path / "keys"
    secrets.mkdir()
    (secrets / "b.pdf").write_bytes(b"%PDF the private key")
    link = connector(sender, exchange)
    lay_out(exchange, "a", LETTER | {"files": ["a.pdf", "b.pdf"]}, **{"a.pdf": b"%PDF a", "b.pdf": b"%PDF b"})
    opened, swaps = Folder.opened, 0

    @contextmanager
    def swap(folder: Folder, name: str, most: int) -> Iterator[Any]:
        nonlocal swaps
        with opened(folder, name, most) as file:
            place = exchange / "working" / "a"
            if name == "a.pdf" and place.exists() and not swaps:
                swaps += 1
                if swapped == "file":
                    (place / "b.pdf").unlink()
                    (place / "b.pdf").symlink_to(secrets / "b.pdf")
                else:
                    place.rename(exchange / "working" / ".a")
                    place.symlink_to(secrets)
            yield file

    with monkeypatch.context() as patched:
        patched.setattr(Folder, "opened", swap)
        link.import_new()
    assert swaps == 1
    stored = [path for path in sender.mailbox.store.folder.rglob("*") if path.is_file()]
    assert b"%PDF the private key" not in [path.read_bytes() for path in stored]
    assert all(
        "b.pdf" not in [f.name for f in each.files] or swapped == "folder" for each in letters(sender.mailbox)
    )
    if swapped == "file":
        assert "is no plain file" in reason(exchange, "a")


def test_the_connector_writes_through_no_link_of_the_office(
    sender: Office, exchange: Path, tmp_path: Path
) -> None:
    key = tmp_path / "agency.key.pem"
    key.write_bytes(b"the private key")
    link = connector(sender, exchange)
    (exchange / "failed" / ".a.reason.part").symlink_to(key)
    (exchange / "failed" / "a.reason.txt").symlink_to(key)
    lay_out(exchange, "a", {"to": "nobody"})
    assert link.import_new() == 1
    assert key.read_bytes() == b"the private key"
    assert "What to do" in reason(exchange, "a")


# ── what is not complete yet ────────────────────────────────────────────────────────────────────

PDF = b"%PDF-1.7\n" + b"1 0 obj\n" * 5000 + b"%%EOF\n"


def test_patience_counts_from_first_sight_whatever_date_a_file_bears(sender: Office, exchange: Path) -> None:
    clock = Clock()
    link = connector(sender, exchange, patience=30, clock=clock)
    for name, date in (("old", 0), ("future", 4_000_000_000)):
        write(
            exchange, f"{name}.letter.json", json.dumps(LETTER | {"files": f"{name}.pdf", "reference": name})
        )
        os.utime(exchange / "outbox" / f"{name}.letter.json", (date, date))
    assert link.import_new() == 0
    clock.now += 20
    assert link.import_new() == 0
    assert "there is no file" in conditions(sender)["outbox.waiting"]
    (exchange / "outbox" / "old.pdf").write_bytes(b"%PDF 1")
    assert link.import_new() == 1
    clock.now += 10
    assert link.import_new() == 1
    assert names(exchange / "sent") == ["old.letter.json"]
    assert names(exchange / "failed") == ["future.letter.json", "future.letter.json.reason.txt"]


@pytest.mark.parametrize("what", ["folder", "manifest", "act"])
def test_what_is_still_being_written_is_not_taken(sender: Office, exchange: Path, what: str) -> None:
    clock = Clock()
    link = connector(sender, exchange, quiet=5, clock=clock)
    outbox = exchange / "outbox"
    match what:
        case "folder":
            growing = lay_out(exchange, "a", {}) / "letter.toml"
        case "manifest":
            growing = outbox / "a.letter.toml"
            (outbox / "หนังสือ.pdf").write_bytes(b"%PDF 1")
        case _:
            growing = outbox / "a.withdraw.toml"
    whole = tomli_w.dumps(LETTER) if what != "act" else 'letter_number = "นร 9/9"\nreason = "ผิด"\n'
    with growing.open("w", encoding="utf-8") as file:
        for line in whole.splitlines(keepends=True):
            file.write(line)
            file.flush()
            assert link.import_new() == 0
            clock.now += 4
    link.import_new()
    clock.now += 5
    assert link.import_new() == 1
    if what == "act":
        assert "no letter นร 9/9" in reason(exchange, "a.withdraw.toml")
    else:
        (letter,) = letters(sender.mailbox)
        assert "copy" in [each.role for each in letter.receivers]


def test_what_never_comes_to_rest_is_told_and_holds_up_nothing_else(sender: Office, exchange: Path) -> None:
    clock = Clock()
    link = connector(sender, exchange, quiet=5, patience=10, clock=clock)
    place = lay_out(exchange, "a", LETTER)
    lay_out(exchange, "b", ANOTHER)
    for size in range(6):
        (place / "หนังสือ.pdf").write_bytes(b"%PDF 1" * size)
        link.import_new()
        clock.now += 4
    assert names(exchange / "sent") == ["b"]
    assert conditions(sender) == {"outbox.waiting": "a: is still changing, and not taken while it does"}


@pytest.mark.parametrize("mark", ["beside", "inside", "manifest"])
def test_what_bears_a_mark_is_taken_at_once_and_the_mark_goes_along(
    sender: Office, exchange: Path, mark: str
) -> None:
    link = connector(sender, exchange, quiet=600)
    outbox = exchange / "outbox"
    if mark == "manifest":
        (outbox / "หนังสือ.pdf").write_bytes(b"%PDF 1")
        write(exchange, "a.letter.toml", tomli_w.dumps(LETTER))
        write(exchange, "a.letter.toml.ready", "")
    else:
        place = lay_out(exchange, "a", LETTER)
        assert link.import_new() == 0
        (place / ".ready" if mark == "inside" else outbox / "a.ready").touch()
    assert link.import_new() == 1
    assert names(outbox) == []
    (taken,) = (exchange / "sent").iterdir()
    assert ".ready" in names(taken)


@pytest.mark.parametrize(
    "content", [PDF[:8000], PDF[:40], b"PK\x03\x04 half a document", b"\x89PNG\r\n\x1a\nhalf"]
)
def test_a_file_without_its_end_is_waited_for_and_then_fails(
    sender: Office, exchange: Path, content: bytes
) -> None:
    clock = Clock()
    link = connector(sender, exchange, patience=30, clock=clock)
    name = {b"%": "a.pdf", b"P": "a.docx", b"\x89": "a.png"}[content[:1]]
    lay_out(exchange, "a", LETTER | {"files": [name]}, **{name: content})
    assert link.import_new() == 0
    assert "has no end" in conditions(sender)["outbox.waiting"]
    clock.now += 30
    assert link.import_new() == 1
    assert letters(sender.mailbox) == []
    assert f"{name} has no end" in reason(exchange, "a")
    assert link.import_new() == 0
    assert conditions(sender) == {}


def test_a_file_that_gets_its_end_in_time_is_sent_whole(sender: Office, exchange: Path) -> None:
    link = connector(sender, exchange)
    place = lay_out(exchange, "a", LETTER, **{"หนังสือ.pdf": PDF[:9000]})
    assert link.import_new() == 0
    (place / "หนังสือ.pdf").write_bytes(PDF)
    assert link.import_new() == 1
    assert [each.main_file.size for each in letters(sender.mailbox)] == [len(PDF)]


@pytest.mark.parametrize("grows", ["once", "for ever"])
def test_a_file_that_grows_while_it_is_read_is_tried_again_and_fails_in_words(
    sender: Office, exchange: Path, grows: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, growths = Clock(), 0
    link = connector(sender, exchange, patience=30, clock=clock)
    lay_out(exchange, "a", LETTER, **{"หนังสือ.pdf": b"%PDF 1"})
    size_of = folders.size_of

    def growing(file: Any) -> int:
        nonlocal growths
        size = size_of(file)
        path = exchange / "working" / "a" / "หนังสือ.pdf"
        if (
            path.exists()
            and path.samefile(f"/proc/self/fd/{file.fileno()}")
            and (grows != "once" or not growths)
        ):
            growths += 1
            with path.open("ab") as office:
                office.write(b" and more")
        return size

    monkeypatch.setattr(attachments, "size_of", growing)
    assert link.import_new() == 0
    assert growths == 1
    assert names(exchange / "working") == ["a"]
    clock.now += 30
    assert link.import_new() == 1
    if grows == "once":
        assert [each.main_file.size for each in letters(sender.mailbox)] == [len(b"%PDF 1 and more")]
    else:
        assert "wait until it is written" in reason(exchange, "a")


# ── what is told, and how a manifest is read ────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("x.letter.toml.txt", "x.letter.toml may be meant"),
        ("x.leter.toml", "x.letter.toml may be meant"),
        ("หนังสือ.pdf", "is named by no manifest"),
        ("folder link", "is a link"),
        ("pipe", "is no plain file"),
    ],
)
def test_what_is_unknown_stays_where_it_is_and_is_told(
    sender: Office, exchange: Path, tmp_path: Path, name: str, said: str
) -> None:
    clock = Clock()
    link = connector(sender, exchange, patience=30, clock=clock)
    path = exchange / "outbox" / name
    match name:
        case "folder link":
            path.symlink_to(tmp_path, target_is_directory=True)
        case "pipe":
            os.mkfifo(path)
        case _:
            path.write_bytes(b"%PDF 1")
    for hidden in ("Thumbs.db", "~$letter.docx", ".DS_Store"):
        (exchange / "outbox" / hidden).touch()
    link.import_new()
    assert conditions(sender) == {}
    clock.now += 30
    link.import_new()
    assert list(conditions(sender)) == [ConditionCode.OUTBOX_UNKNOWN]
    assert said in conditions(sender)["outbox.unknown"]
    assert said in reason(exchange, name)
    assert "left where it is" in reason(exchange, name)
    assert os.path.lexists(path)
    path.unlink()
    link.import_new()
    assert conditions(sender) == {}


def test_a_folder_whose_manifest_is_named_wrongly_says_what_is_meant(sender: Office, exchange: Path) -> None:
    link = connector(sender, exchange, patience=0)
    place = lay_out(exchange, "a", LETTER)
    (place / "letter.toml").rename(place / "letter.toml.txt")
    assert link.import_new() == 1
    assert "rename letter.toml.txt to letter.toml" in reason(exchange, "a")


@pytest.mark.parametrize("name", ["LETTER.JSON", "Letter.Json", "x.LETTER.json"])
def test_json_is_json_in_whatever_case_it_is_named(sender: Office, exchange: Path, name: str) -> None:
    link = connector(sender, exchange)
    place = lay_out(exchange, "a", {})
    (place / "letter.toml").unlink()
    (place / name).write_text(json.dumps(LETTER), encoding="utf-8")
    assert link.import_new() == 1
    assert len(letters(sender.mailbox)) == 1


@pytest.mark.parametrize(
    "twice",
    [
        '"to": ["1100700000"], "to": ["0100100000"]',
        '"signers": [{"given_name": "a", "given_name": "b"}]',
        '"replaces": {"reason": "a", "reason": "a"}',
        '"to": "0100100000", "t\\u006f": "1100700000"',
    ],
)
def test_a_name_that_is_given_twice_is_a_mistake_at_any_depth(
    sender: Office, exchange: Path, twice: str
) -> None:
    link = connector(sender, exchange, patience=0)
    write(exchange, "a.letter.json", f'{{"subject": "x", {twice}}}')
    assert link.import_new() == 1
    assert letters(sender.mailbox) == []
    assert "is given twice" in reason(exchange, "a.letter.json")


SAME = """
number = "นร 1"
date = 2026-11-22
due_by = 2026-11-30T16:30:00
to = ["@"]
subject = "เรื่อง"
body = \"\"\"หนึ่ง
สอง\"\"\"
files = ["a.pdf"]
"""


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_toml_and_json_that_hold_the_same_are_the_same_letter(
    sender: Office, exchange: Path, line_end: str
) -> None:
    link = connector(sender, exchange)
    values = {
        "number": "นร 1",
        "date": "2026-11-22",
        "due_by": "2026-11-30T16:30:00",
        "to": [OCS],
        "subject": "เรื่อง",
        "body": f"หนึ่ง{line_end}สอง",
        "files": ["a.pdf"],
        "copy": None,
    }
    for name, text in (
        ("letter.toml", SAME.replace("@", OCS).replace("\n", line_end)),
        ("letter.json", json.dumps(values)),
    ):
        place = lay_out(exchange, "a", {}, **{"a.pdf": b"%PDF 1"})
        (place / "letter.toml").unlink()
        (place / name).write_text(text, encoding="utf-8", newline="")
        assert link.import_new() == 1
    (letter,) = letters(sender.mailbox)
    assert letter.content is not None
    assert letter.content.body == "หนึ่ง\nสอง"
    assert names(exchange / "sent") == ["a", "a~2"]


_PLAIN = st.text(st.characters(codec="utf-8"), max_size=20)


@pytest.mark.parametrize(
    "text",
    [
        "a." * 400_000 + "a = 1",
        "[" + "a . " * 200_000 + "a]",
        '"a".' * 200_000 + "a = 1",
        "a = " + "[" * 500_000,
        "a = " + "{b=" * 200_000,
        "a = " + "9" * 900_000,
        'subject = "' + "a" * 900_000,
        '"""' * 300_000,
    ],
)
def test_no_manifest_takes_long_to_be_found_wrong(sender: Office, exchange: Path, text: str) -> None:
    """It does not end at all, as it were, when the reader's work grows with the square of the text."""
    link = connector(sender, exchange)
    write(exchange, "a.letter.toml", text)
    write(exchange, "a.letter.json", text.replace("a = ", ""))
    assert link.import_new() == 2
    assert "is no TOML" in reason(exchange, "a.letter.toml")
    assert "is no JSON" in reason(exchange, "a.letter.json")


@settings(deadline=None)
@given(
    st.dictionaries(
        _PLAIN,
        st.recursive(
            _PLAIN | st.booleans() | st.integers(-(2**62), 2**62) | st.sampled_from(["a\r\nb", "\r", "\n\r"]),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_PLAIN, inner, max_size=3),
            max_leaves=6,
        ),
        max_size=4,
    )
)
def test_whatever_toml_and_json_can_both_hold_is_read_in_one_way(values: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as path, Folder.at(Path(path)) as folder:
        folder.write("a.toml", tomli_w.dumps(values).encode())
        folder.write(
            "a.JSON", json.dumps({**values, **({} if "nothing" in values else {"nothing": None})}).encode()
        )
        toml, as_json = read_manifest(folder, "a.toml"), read_manifest(folder, "a.JSON")
    assert as_json.values == toml.values
    assert as_json.mistakes == toml.mistakes


@pytest.mark.parametrize(
    ("field", "toml", "text"),
    [
        ("due_by", "2026-11-30", "2026-11-30"),
        ("due_by", "16:30:00", "16:30:00"),
        ("due_by", '"2026-W48-1"', "2026-W48-1"),
        ("due_by", '"20261130T1630"', "20261130T1630"),
        ("due_by", '"0001-01-01T00:00:00+14:00"', "0001-01-01T00:00:00+14:00"),
        ("date", "2026-11-22T10:00:00", "2026-11-22T10:00:00"),
    ],
)
def test_a_date_is_no_time_and_a_time_no_date_in_either_format(
    sender: Office, exchange: Path, field: str, toml: str, text: str
) -> None:
    link = connector(sender, exchange)
    shared = {name: value for name, value in LETTER.items() if name != field}
    place = lay_out(exchange, "toml", shared)
    written = (place / "letter.toml").read_text(encoding="utf-8")
    (place / "letter.toml").write_text(f"{field} = {toml}\n{written}", encoding="utf-8")
    place = lay_out(exchange, "json", {})
    (place / "letter.toml").unlink()
    (place / "letter.json").write_text(json.dumps(shared | {field: text}), encoding="utf-8")
    assert link.import_new() == 2
    assert f"- {field}: " in reason(exchange, "toml")
    assert [line for line in reason(exchange, "toml").splitlines() if field in line] == [
        line for line in reason(exchange, "json").splitlines() if field in line
    ]


@pytest.mark.parametrize(
    ("stated", "on_disk"),
    [
        ("คำสั่ง.pdf", "ค\u0e4d\u0e32สั่ง.pdf"),
        ("น้ำท่วม.pdf", "นํ้าท่วม.pdf"),
        ("เเผน.pdf", "แผน.pdf"),
        ("ที่ ๑๒.pdf", "ที่ 12.pdf"),
        ("a\u200bb.pdf", "ab.pdf"),
        ("é.pdf", "e\u0301.pdf"),
    ],
)
def test_names_that_look_the_same_are_the_same(
    sender: Office, exchange: Path, stated: str, on_disk: str
) -> None:
    link = connector(sender, exchange)
    lay_out(exchange, "a", LETTER | {"files": [stated]}, **{on_disk: b"%PDF 1"})
    assert link.import_new() == 1
    assert len(letters(sender.mailbox)) == 1


def test_of_several_that_look_the_same_none_is_guessed_and_the_nearest_name_is_offered(
    sender: Office, exchange: Path
) -> None:
    link = connector(sender, exchange, patience=0)
    lay_out(exchange, "a", LETTER | {"files": ["๑.pdf"]}, **{"1.pdf": b"%PDF 1", "\u200b1.pdf": b"%PDF 2"})
    lay_out(exchange, "b", LETTER | {"files": ["บันทึกข้อความ.PDF"]}, **{"บันทึกขอความ.pdf": b"%PDF 1"})
    (exchange / "outbox" / "ประกาศ.pdf").write_bytes(b"%PDF 1")
    write(exchange, "c.letter.json", json.dumps(LETTER | {"files": ["ประกาส.pdf"]}))
    assert link.import_new() == 3
    assert letters(sender.mailbox) == []
    assert "the nearest name is" in reason(exchange, "a")
    assert "the nearest name is บันทึกขอความ.pdf" in reason(exchange, "b")
    assert "the nearest name is ประกาศ.pdf" in reason(exchange, "c.letter.json")


def test_a_manifest_takes_neither_another_manifest_nor_anothers_folder_along(
    sender: Office, exchange: Path
) -> None:
    link = connector(sender, exchange, patience=0)
    lay_out(exchange, "z", LETTER)
    (exchange / "outbox" / "หนังสือ.pdf").write_bytes(b"%PDF 1")
    write(exchange, "b.letter.json", json.dumps(ANOTHER))
    write(exchange, "a.letter.json", json.dumps(LETTER | {"files": ["b.letter.json", "z"]}))
    link.import_new()
    assert names(exchange / "sent") == ["b.letter.json", "z"]


# ── many ────────────────────────────────────────────────────────────────────────────────────────


def _work(exchange: Path, link: FolderConnector, count: int, monkeypatch: pytest.MonkeyPatch) -> int:
    """How many names are read or looked up in folders for so many manifests side by side."""
    for number in range(count):
        (exchange / "outbox" / f"{number}.pdf").write_bytes(b"%PDF 1")
        there = f"{number}.pdf" if number % 3 else "missing.pdf"
        write(exchange, f"{number}.letter.json", json.dumps(LETTER | {"files": there, "reference": there}))
        lay_out(exchange, f"same {number}", LETTER | {"reference": "same"}).rename(
            exchange / "working" / f"same{' ' * number}"[:250]
        )
    listed = 0
    listdir, look = os.listdir, os.stat

    def counted(folder: Any) -> list[str]:
        nonlocal listed
        found = listdir(folder)
        listed += 1 + len(found)
        return found

    def looked(*names: Any, **where: Any) -> os.stat_result:
        nonlocal listed
        listed += 1
        return look(*names, **where)

    with monkeypatch.context() as patched:
        patched.setattr(os, "listdir", counted)
        patched.setattr(os, "stat", looked)
        assert link.import_new() >= count
    return listed


def test_the_work_grows_with_the_number_of_manifests_and_no_faster(
    sender: Office, recipient: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few, many = (
        _work(tmp_path / name, connector(office, tmp_path / name, patience=0), count, monkeypatch)
        for name, office, count in (("few", sender, 30), ("many", recipient, 120))
    )
    assert few > 30, "the counter has seen the work"
    assert many < 4.6 * few, "four times as many take four times the work, and some for the numbers in names"
