"""The adapter without what Windows lacks: it is imported, keeps its mailbox and its folders, and is as careful.

This is Linux or macOS all the same (`tests/unit/adapter/windows.py` says what is done to it), and no test on Windows.
"""

from __future__ import annotations

import asyncio
import codecs
import os
import re
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from itertools import takewhile
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import tomli_w

from adapters.connectors.folder.folders import Folder
from adapters.connectors.folder.parsing import read_manifest
from adapters.connectors.folder.sharing import share
from adapters.mailbox.mistakes import Mistaken
from bus.documents.making import write_seal
from bus.documents.seal import Seal
from bus.errors import Misconfigured
from bus.platform import process
from bus.platform.folders import DescriptorFolder, PathFolder, is_link
from bus.process import run_until_stopped
from bus.settings.adapter import load_adapter_settings
from bus.settings.sections import read_secret
from compose.local import free_port
from tests.assets import factory
from tests.assets.factory import OPM
from tests.unit.adapter.network import Office
from tests.unit.adapter.test_acts import received
from tests.unit.adapter.test_folder import connector

ROOT = Path(__file__).resolve().parents[3]
LOOK = """
import importlib, pkgutil, sys
from tests.unit.adapter import windows

windows.take_away()

def left(text):
    try:
        exec(text, {"__name__": "adapters.probe"})
    except (AttributeError, ImportError):
        return False
    return True

words = [f"import {name}" for name in windows.MODULES]
words += [f"import {m.__name__}; {m.__name__}.{name}" for m, names in windows.ATTRIBUTES.items() for name in names]
print(len(words), [each for each in words if left(each)])

import adapters
names = [found.name for found in pkgutil.walk_packages(adapters.__path__, "adapters.")]
names.remove("adapters.__main__")
for name in names:
    importlib.import_module(name)
from bus.platform import folders
print(len(names), folders.hold.__name__)
"""


def without(*command: str) -> str:
    done = subprocess.run([sys.executable, *command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_what_windows_lacks_is_gone_and_every_module_is_imported_all_the_same() -> None:
    gone, imported = without("-c", LOOK).splitlines()
    assert re.fullmatch(r"[5-9]\d \[\]", gone)
    count, held = imported.split()
    assert int(count) > 50
    assert held == "PathFolder"


def test_run_begins_and_ends_when_told_without_what_windows_lacks(tmp_path: Path) -> None:
    files = write_seal(factory.seal(OPM), tmp_path / "keys", OPM)
    files.key.chmod(0o644)
    (tmp_path / "password").write_text("none is asked for here")
    settings = {
        "agency": OPM,
        "bus_certificate": str(files.certificate),
        "metrics_port": free_port(),
        "seal": {"key": str(files.key), "certificate": str(files.certificate)},
        "broker": {"url": f"amqp://127.0.0.1:{free_port()}", "password_file": "password"},
        "connectors": {"folder": {"enabled": True}},
    }
    (tmp_path / "adapter.toml").write_text(tomli_w.dumps(settings), encoding="utf-8")
    program = (
        "from tests.unit.adapter import windows; windows.take_away()\nfrom adapters.cli import main; main()"
    )
    command = [sys.executable, "-c", program, "--config", str(tmp_path / "adapter.toml"), "run"]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as adapter:
        assert adapter.stderr is not None
        too_late = threading.Timer(60, adapter.kill)
        too_late.start()
        said = list(takewhile(lambda line: "adapter-started" not in line, adapter.stderr))
        adapter.send_signal(signal.SIGTERM)
        said += adapter.stderr
        too_late.cancel()
    assert adapter.returncode == 0, said
    assert "adapter-stopped" in "".join(said)
    assert "exception" not in "".join(said)
    assert {"inbox", "outbox", "failed"} <= {each.name for each in (tmp_path / "exchange").iterdir()}


# ── folders held by either means ────────────────────────────────────────────────────────────────

Hold = Callable[[Path], DescriptorFolder | PathFolder]


@pytest.fixture(params=[DescriptorFolder, PathFolder])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Folder]:
    (tmp_path / "exchange" / "outbox").mkdir(parents=True)
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "a.pdf").write_bytes(b"the private key")
    hold: Hold = request.param
    with Folder(hold(tmp_path / "exchange")) as exchange, exchange.folder("outbox") as held:
        yield held


@pytest.fixture
def outbox(tmp_path: Path) -> Path:
    return tmp_path / "exchange" / "outbox"


def swap_before(monkeypatch: pytest.MonkeyPatch, name: str, swap: Callable[[], object]) -> None:
    """Swap something just before a function of `os` is called, once."""
    real, swaps = getattr(os, name), [swap]

    def act(*given: Any, **named: Any) -> Any:
        if swaps:
            swaps.pop()()
        return real(*given, **named)

    monkeypatch.setattr(os, name, act)


def test_a_file_swapped_for_a_link_between_the_look_and_the_opening_is_not_read(
    folder: Folder, outbox: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (outbox / "a.pdf").write_bytes(b"%PDF")

    def swap() -> None:
        (outbox / "a.pdf").unlink()
        (outbox / "a.pdf").symlink_to(tmp_path / "secret" / "a.pdf")

    with monkeypatch.context() as patched:
        swap_before(patched, "open", swap)
        with pytest.raises(Mistaken, match="no plain file"):
            folder.read("a.pdf", 100)


def test_a_folder_swapped_for_a_link_leads_nowhere(folder: Folder, outbox: Path, tmp_path: Path) -> None:
    (outbox / "a.pdf").write_bytes(b"%PDF of the office")
    outbox.rename(tmp_path / "exchange" / "moved")
    outbox.symlink_to(tmp_path / "secret")
    met: list[object] = []
    for act in (
        lambda: folder.read("a.pdf", 100),
        lambda: folder.write("b.pdf", b"%PDF"),
        lambda: folder.make("c"),
        lambda: folder.move("a.pdf", folder, "d.pdf"),
        lambda: folder.remove("a.pdf"),
        folder.names,
    ):
        try:
            met.append(act())
        except (OSError, Mistaken) as exc:
            met.append(exc)
    assert b"the private key" not in met
    assert (tmp_path / "secret" / "a.pdf").read_bytes() == b"the private key"
    assert [each.name for each in (tmp_path / "secret").iterdir()] == ["a.pdf"]


def test_a_folder_swapped_while_a_file_in_it_is_opened_does_not_lead_elsewhere(
    folder: Folder, outbox: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (outbox / "a.pdf").write_bytes(b"%PDF of the office")

    def swap() -> None:
        outbox.rename(tmp_path / "exchange" / "moved")
        outbox.symlink_to(tmp_path / "secret")

    with monkeypatch.context() as patched:
        swap_before(patched, "open", swap)
        try:
            assert folder.read("a.pdf", 100) == b"%PDF of the office"
        except (OSError, Mistaken):
            assert isinstance(folder._held, PathFolder)


@pytest.mark.parametrize("kind", ["link", "folder link", "fifo", "hard link", "large", "folder"])
def test_only_a_plain_file_of_its_own_and_of_a_small_size_is_opened(
    folder: Folder, outbox: Path, tmp_path: Path, kind: str
) -> None:
    place, secret = outbox / "a.pdf", tmp_path / "secret"
    match kind:
        case "link":
            place.symlink_to(secret / "a.pdf")
        case "folder link":
            place.symlink_to(secret)
        case "fifo":
            os.mkfifo(place)
        case "hard link":
            os.link(secret / "a.pdf", place)
        case "large":
            place.write_bytes(b"%" * 101)
        case _:
            place.mkdir()
    with pytest.raises(Mistaken):
        folder.read("a.pdf", 100)
    if kind == "folder link":
        with pytest.raises(OSError, match=r"Not a directory|symbolic"):
            folder.folder("a.pdf")


def test_nothing_is_written_through_a_link_or_over_a_file(
    folder: Folder, outbox: Path, tmp_path: Path
) -> None:
    (outbox / "a").symlink_to(tmp_path / "secret" / "new")
    (outbox / "b").write_bytes(b"there")
    for name in ("a", "b"):
        with pytest.raises(FileExistsError):
            folder.write(name, b"over it")
    assert not (tmp_path / "secret" / "new").exists()
    assert (outbox / "b").read_bytes() == b"there"


@pytest.mark.parametrize(
    ("kind", "mode", "tag", "leads_elsewhere"),
    [
        ("symbolic link", stat.S_IFLNK, 0xA000000C, True),
        ("junction", stat.S_IFDIR, 0xA0000003, True),
        ("deduplicated file", stat.S_IFREG, 0x80000013, False),
        ("file", stat.S_IFREG, 0, False),
    ],
)
def test_of_windows_reparse_points_those_that_stand_for_another_thing_are_links(
    kind: str, mode: int, tag: int, leads_elsewhere: bool
) -> None:
    found = SimpleNamespace(st_mode=mode, st_reparse_tag=tag)
    assert is_link(cast("os.stat_result", found)) is leads_elsewhere, kind


def test_a_path_is_no_name(tmp_path: Path) -> None:
    (tmp_path / "secret").touch()
    (tmp_path / "outbox").mkdir()
    for name in ("../secret", str(tmp_path / "secret"), ".."):
        with pytest.raises(FileNotFoundError):
            PathFolder(tmp_path / "outbox").look(name)


# ── told to end, rights, files from an editor of Windows ────────────────────────────────────────


def test_a_signal_ends_a_process_whose_loop_takes_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: Any) -> None:
        raise NotImplementedError

    async def work(stop: asyncio.Event) -> None:
        signal.raise_signal(signal.SIGTERM)
        async with asyncio.timeout(5):
            await stop.wait()
        ended.append(True)

    ended: list[bool] = []
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    monkeypatch.setattr(asyncio.SelectorEventLoop, "add_signal_handler", none)
    try:
        run_until_stopped(work)
        signal.raise_signal(signal.SIGTERM)  # after the end it does no harm
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert ended == [True]


@pytest.fixture
def no_rights_by_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_RIGHTS_BY_NUMBER", False)
    monkeypatch.setattr(process, "grp", None)


@pytest.mark.usefixtures("no_rights_by_number")
def test_where_a_file_has_no_rights_by_number_none_are_asked_for(tmp_path: Path) -> None:
    files = write_seal(factory.seal(OPM), tmp_path, OPM)
    files.key.chmod(0o666)
    (tmp_path / "password").write_bytes(b"secret\r\n")
    assert Seal.from_files(files.key, files.certificate, None).certificate == factory.seal(OPM).certificate
    assert read_secret(tmp_path / "password", "broker.password_file") == "secret"


@pytest.mark.usefixtures("no_rights_by_number")
def test_where_there_are_no_groups_the_setting_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="access control list"):
        share(tmp_path, ["inbox"], "office")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.toml", 'subject = "เรื่อง"\nbody = """\none\ntwo"""\n'),
        ("a.json", '{\n"subject": "เรื่อง",\n"body": "one\\r\\ntwo"\n}\n'),
    ],
)
def test_a_manifest_from_an_editor_of_windows_is_read(
    folder: Folder, outbox: Path, name: str, text: str
) -> None:
    (outbox / name).write_bytes(codecs.BOM_UTF8 + text.replace("\n", "\r\n").encode())
    assert read_manifest(folder, name).values == {"subject": "เรื่อง", "body": "one\ntwo"}


def test_settings_from_an_editor_of_windows_are_read(tmp_path: Path) -> None:
    file = tmp_path / "adapter.toml"
    file.write_bytes(codecs.BOM_UTF8 + b'agency = "0100100000"\r\n[mailbox]\r\nfolder = "kept"\r\n')
    assert load_adapter_settings(file).mailbox.folder == tmp_path / "kept"


def test_a_file_that_the_disk_already_has_under_another_name_is_given_a_number(
    recipient: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = connector(recipient, tmp_path / "exchange")
    received(recipient)
    (file,) = recipient.mailbox.inbox.files(1)
    recipient.mailbox.store.path(file.sha256).parent.mkdir()
    recipient.mailbox.store.path(file.sha256).write_bytes(b"%PDF sample")
    holds = Folder.holds
    monkeypatch.setattr(Folder, "holds", lambda self, name: name == file.name or holds(self, name))
    assert link.export_news() == 1
    (letter,) = (tmp_path / "exchange" / "inbox").iterdir()
    assert "หนังสือ~2.pdf" in {each.name for each in letter.iterdir()}


def test_keys_and_certificates_with_line_ends_of_windows_are_read(tmp_path: Path) -> None:
    files = write_seal(factory.seal(OPM), tmp_path, OPM)
    for path in (files.key, files.certificate):
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
        assert b"\r\n" in path.read_bytes()
    assert Seal.from_files(files.key, files.certificate, None).certificate == factory.seal(OPM).certificate
