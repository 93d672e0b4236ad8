"""A manifest is read when it has changed, parsed once for each content, and taken by the parse of its own bytes."""

from __future__ import annotations

import gc
import json
import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import pytest
import tomli_w

from adapters.connectors.folder import failing, parsing, sightings
from adapters.connectors.folder.connector import FolderConnector
from adapters.connectors.folder.folders import Folder
from bus.failpoints import reached
from tests.unit.adapter.network import Office
from tests.unit.adapter.test_folder import LETTER, Clock, connector, lay_out, letters, names

REACHED = "adapters.connectors.folder.importing.reached"
TWO_FILES = LETTER | {"files": ["a.pdf", "b.pdf"]}


@dataclass
class Work:
    """What was read of the office's files, by name, and which contents were parsed."""

    read: Counter[str] = field(default_factory=Counter)
    parsed: Counter[bytes] = field(default_factory=Counter)

    def of(self, round_: Callable[[], object]) -> tuple[int, int]:
        """Reads and parses of one round."""
        before = self.read.total(), self.parsed.total()
        round_()
        return self.read.total() - before[0], self.parsed.total() - before[1]


@pytest.fixture
def exchange(tmp_path: Path) -> Path:
    return tmp_path / "exchange"


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Work:
    seen = Work()
    parse, opened = parsing.parse, Folder.opened

    def parses(name: str, raw: bytes) -> Any:
        seen.parsed[raw] += 1
        return parse(name, raw)

    @contextmanager
    def opens(folder: Folder, name: str, most: int) -> Iterator[BinaryIO]:
        seen.read[name] += 1
        with opened(folder, name, most) as file:
            yield file

    monkeypatch.setattr(parsing, "parse", parses)
    monkeypatch.setattr(Folder, "opened", opens)
    return seen


def put_out(exchange: Path, form: str, values: dict[str, Any], **files: bytes) -> tuple[Path, Path]:
    """A letter as a folder, or as a manifest with its files beside it; where its manifest is, and its files."""
    if form == "folder":
        place = lay_out(exchange, "a", values, **files)
        return place / "letter.toml", place
    outbox = exchange / "outbox"
    for name, content in files.items():
        (outbox / name).write_bytes(content)
    (outbox / "a.letter.toml").write_text(tomli_w.dumps(values), encoding="utf-8")
    return outbox / "a.letter.toml", outbox


def subjects(office: Office) -> list[str]:
    return [each.content.subject for each in letters(office.mailbox) if each.content]


both_forms = pytest.mark.parametrize("form", ["folder", "beside"])


# ── rounds in which nothing changes ─────────────────────────────────────────────────────────────


@both_forms
def test_what_waits_is_parsed_once_and_read_once_however_many_rounds_it_waits(
    sender: Office, exchange: Path, work: Work, form: str
) -> None:
    link = connector(sender, exchange)
    manifest, place = put_out(exchange, form, TWO_FILES, **{"a.pdf": b"%PDF 1"})
    assert work.of(link.import_new) == (2, 1)
    for _ in range(5):
        assert work.of(link.import_new) == (0, 0)
    (place / "b.pdf").write_bytes(b"%PDF-1.7 half")
    assert work.of(link.import_new)[1] == 0
    assert work.of(link.import_new) == (0, 0)
    assert subjects(sender) == []
    (place / "b.pdf").write_bytes(b"%PDF 2")
    os.utime(manifest, (1, 1))
    assert work.of(link.import_new)[1] == 0
    assert subjects(sender) == [LETTER["subject"]]


@both_forms
def test_a_change_between_two_rounds_is_one_more_parse(
    sender: Office, exchange: Path, work: Work, form: str
) -> None:
    clock = Clock()
    link = connector(sender, exchange, quiet=5, clock=clock)
    manifest, _ = put_out(exchange, form, TWO_FILES, **{"a.pdf": b"%PDF 1"})
    for subject in ("one", "two", "two", "six"):
        manifest.write_text(tomli_w.dumps(TWO_FILES | {"subject": subject}), encoding="utf-8")
        for _ in range(4):
            link.import_new()
            clock.now += 5
    manifest.write_text(tomli_w.dumps(LETTER | {"subject": "ten", "files": "a.pdf"}), encoding="utf-8")
    for _ in range(2):
        link.import_new()
        clock.now += 5
    assert subjects(sender) == ["ten"]
    assert (len(work.parsed), set(work.parsed.values())) == (4, {1})


@pytest.mark.parametrize("text", ["subject = ", "[" * 5000, "subject = '\udcff'"])
@pytest.mark.parametrize("ending", ["letter.toml", "register.json"])
def test_a_parse_that_fails_is_not_tried_again_for_the_same_bytes(
    sender: Office, exchange: Path, work: Work, text: str, ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    link = connector(sender, exchange, quiet=5, clock=(clock := Clock()))
    (exchange / "outbox" / f"a.{ending}").write_bytes(text.encode(errors="surrogateescape"))
    for _ in range(3):
        link.import_new()
    clock.now += 5
    with monkeypatch.context() as patched:
        patched.setattr(failing, "explain", fails)
        for _ in range(3):
            link.import_new()
    assert names(exchange / "working") == [f"a.{ending}"]
    assert link.import_new() == 1
    assert f"a.{ending}" in names(exchange / "failed")
    assert list(work.parsed.values()) == [1]


@pytest.mark.parametrize("form", ["file", "folder"])
@pytest.mark.parametrize(("ending", "stays"), [("letter.toml", True), ("register.toml", False)])
def test_what_may_not_be_read_stays_if_it_is_a_letter_and_fails_in_time_if_it_is_an_act(
    sender: Office, exchange: Path, form: str, ending: str, stays: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    link = connector(sender, exchange, patience=30, clock=(clock := Clock()))
    name = f"a.{ending}" if form == "file" else "a"
    place = exchange / "outbox" / name
    if form == "folder":
        place.mkdir()
        place = place / ending
    place.write_text(tomli_w.dumps(LETTER), encoding="utf-8")
    monkeypatch.setattr(Folder, "opened", refused)
    for _ in range(3):
        link.import_new()
        assert names(exchange / "outbox") == ([name] if stays else [])
        clock.now += 20
    assert names(exchange / "failed") == ([] if stays else [name, f"{name}.reason.txt"])


@both_forms
def test_what_waits_for_the_directory_is_parsed_once_and_its_mistakes_are_told_once(
    sender: Office, exchange: Path, work: Work, form: str
) -> None:
    link = FolderConnector(sender.mailbox, exchange)
    put_out(exchange, form, LETTER | {"subject": "\ud7ff\x01", "to": "nobody"}, **{"หนังสือ.pdf": b"%PDF 1"})
    lay_out(exchange, "z", LETTER)
    for _ in range(3):
        assert link.import_new() == 0
    assert connector(sender, exchange) is not link
    assert link.import_new() == 2
    (reason,) = (exchange / "failed").glob("*.reason.txt")
    assert reason.read_text(encoding="utf-8").count("- subject: ") == 2, "in two languages"
    assert list(work.parsed.values()) == [1, 1]


def test_two_of_one_name_are_two_contents(sender: Office, exchange: Path, work: Work) -> None:
    link = FolderConnector(sender.mailbox, exchange)
    for subject in ("one", "two"):
        lay_out(exchange, "a", LETTER | {"subject": subject})
        for _ in range(3):
            link.import_new()
    connector(sender, exchange)
    while link.import_new():
        pass
    assert sorted(subjects(sender)) == ["one", "two"]
    assert list(work.parsed.values()) == [1, 1]


def test_thousands_that_wait_cost_nothing_in_the_next_round_and_are_forgotten_when_they_go(
    sender: Office, exchange: Path, work: Work
) -> None:
    link = connector(sender, exchange)
    outbox = exchange / "outbox"
    for number in range(2_000):
        stated = LETTER | {"reference": str(number), "files": [f"{number}.pdf", "missing.pdf"]}
        (outbox / f"{number}.letter.json").write_text(json.dumps(stated), encoding="utf-8")
        (outbox / f"{number}.pdf").write_bytes(b"%PDF 1")
    assert work.of(link.import_new) == (4_000, 2_000)
    assert work.of(link.import_new) == (0, 0)
    assert len(remembered()) == 2_000
    for path in outbox.glob("*[1-9].letter.json"):
        path.unlink()
    assert work.of(link.import_new) == (0, 0)
    assert len(remembered()) == 200
    (outbox / "missing.pdf").write_bytes(b"%PDF 1")
    link.import_new()
    (exchange / "working").joinpath("gone").mkdir()
    for path in outbox.glob("*.letter.json"):
        path.unlink()
    link.import_new()
    assert remembered() == []


def remembered() -> list[parsing.Manifest]:
    gc.collect()
    return [each for each in gc.get_objects() if isinstance(each, parsing.Manifest)]


# ── changes between judging and taking ──────────────────────────────────────────────────────────


def rewrite(path: Path, old: str, new: str) -> None:
    """Another content of the same size and date, in the same file."""
    before = path.stat()
    with path.open("r+", encoding="utf-8") as file:
        text = file.read().replace(old, new)
        file.seek(0)
        file.write(text)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size


@contextmanager
def between(exchange: Path, moment: str, change: Callable[[Path], None]) -> Iterator[list[Path]]:
    """Change a manifest, once, after it was judged: before it is claimed, or after."""
    done: list[Path] = []

    def once(folder: str) -> None:
        found = [path for path in (exchange / folder).rglob("*.toml") if path.is_file()]
        if found and not done:
            done.extend(found)
            change(found[0])

    rename = os.rename

    def renames(*args: Any, **where: Any) -> None:
        if moment == "before the claim":
            once("outbox")
        rename(*args, **where)

    def reaches(*args: Any) -> None:
        if moment == "after the claim":
            once("working")
        reached(*args)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(os, "rename", renames)
        patched.setattr(REACHED, reaches)
        yield done
    assert len(done) == 1


moments = pytest.mark.parametrize("moment", ["before the claim", "after the claim"])


@moments
@both_forms
@pytest.mark.parametrize("swap", ["written", "replaced"])
def test_what_changed_after_it_was_judged_is_judged_anew_and_not_taken_by_its_old_parse(
    sender: Office, exchange: Path, work: Work, form: str, moment: str, swap: str
) -> None:
    clock = Clock()
    link = connector(sender, exchange, quiet=5, clock=clock)
    put_out(exchange, form, LETTER | {"subject": "one"}, **{"หนังสือ.pdf": b"%PDF 1"})

    def change(path: Path) -> None:
        if swap == "replaced":
            copy = path.with_name(".new")
            copy.write_bytes(path.read_bytes())
            copy.replace(path)
        rewrite(path, "one", "two")

    link.import_new()
    clock.now += 5
    with between(exchange, moment, change):
        assert link.import_new() == 0
    for _ in range(2):
        assert link.import_new() == 0, "it has not rested as it is now"
    assert letters(sender.mailbox) == []
    assert names(exchange / "working") == names(exchange / "failed") == []
    for passed in (
        5,
        60,
    ):  # its file may have stayed beside it, where the claim itself has noticed the change
        clock.now += passed
        link.import_new()
    assert subjects(sender) == ["two"]
    assert list(work.parsed.values()) == [1, 1]


@moments
def test_an_act_that_changed_after_it_was_judged_is_judged_anew(
    sender: Office, exchange: Path, moment: str
) -> None:
    link = connector(sender, exchange)
    path = exchange / "outbox" / "a.withdraw.toml"
    path.write_text('letter_number = "1/1"\nreason = "x"\n')
    with between(exchange, moment, lambda path: rewrite(path, "1/1", "2/2")):
        assert link.import_new() == 0
    assert link.import_new() == 1
    (reason,) = (exchange / "failed").glob("*.reason.txt")
    assert "no letter 2/2" in reason.read_text(encoding="utf-8")


@moments
@both_forms
@pytest.mark.parametrize(
    ("kind", "said"), [("link", "is no plain file"), ("hard link", "has a second name elsewhere")]
)
def test_what_was_swapped_for_a_link_to_the_same_bytes_is_not_taken(
    sender: Office, exchange: Path, tmp_path: Path, form: str, moment: str, kind: str, said: str
) -> None:
    link = connector(sender, exchange)
    put_out(exchange, form, LETTER, **{"หนังสือ.pdf": b"%PDF 1"})

    def change(path: Path) -> None:
        elsewhere = path.rename(tmp_path / "elsewhere")
        (path.symlink_to if kind == "link" else path.hardlink_to)(elsewhere)

    with between(exchange, moment, change):
        assert link.import_new() + link.import_new() == 1
    assert letters(sender.mailbox) == []
    (reason,) = (exchange / "failed").glob("*.reason.txt")
    assert said in reason.read_text(encoding="utf-8")


@moments
@both_forms
def test_what_cannot_go_back_where_its_name_is_taken_is_taken_as_it_is_now(
    sender: Office, exchange: Path, form: str, moment: str
) -> None:
    link = connector(sender, exchange)
    put_out(exchange, form, LETTER | {"subject": "one"}, **{"หนังสือ.pdf": b"%PDF 1"})
    (name,) = {"a", "a.letter.toml"} & set(names(exchange / "outbox"))

    read = Folder.read

    def reads(*args: Any) -> bytes:
        if (exchange / "working" / name).exists():
            (exchange / "outbox" / name).mkdir(exist_ok=True)
        return read(*args)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Folder, "read", reads)
        with between(exchange, moment, lambda path: rewrite(path, "one", "two")):
            assert link.import_new() == 0
    assert names(exchange / "working") == [name]
    link.import_new()
    assert subjects(sender) == ["two"]


@moments
@both_forms
def test_on_a_disk_that_shows_no_change_the_bytes_do(
    sender: Office, exchange: Path, work: Work, form: str, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sightings, "_state", lambda entry: (entry.st_ino, entry.st_size))
    link = connector(sender, exchange)
    put_out(exchange, form, LETTER | {"subject": "one"}, **{"หนังสือ.pdf": b"%PDF 1"})
    with between(exchange, moment, lambda path: rewrite(path, "one", "two")):
        assert link.import_new() == 0
    assert link.import_new() == 1
    assert subjects(sender) == ["two"]
    assert list(work.parsed.values()) == [1, 1]
