"""`saraban-bus backup` and `restore`: everything comes back, nothing is written over, and nothing half is believed."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import subprocess
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import create_engine, make_url, text

from bus.backup import databases, making, restoring
from bus.backup.files import BadBackup
from bus.backup.ledgers import copy_ledger
from bus.depot.contents import LocalStore
from bus.depot.index import Index
from bus.documents.notes import log_key, make_key
from bus.errors import Misconfigured
from bus.ledger import schema
from bus.ledger.checkpoint import Signer
from bus.ledger.database import reading
from bus.ledger.entry import Kind
from bus.ledger.halt import Halted
from bus.ledger.store import Ledger
from bus.ledger.tables import metadata
from bus.ledger.verifying import verify
from bus.settings.bus import load_bus_settings
from tests.assets.digests import SOME_BYTES, raw_digest
from tests.assets.factory import OPM, SOC
from tests.contract import ledger_rig as rig
from tests.contract.test_bus_cli import Shell, bare, shell, signed_heads, told
from tests.contract.test_ledger import router_role

__all__ = ["bare", "router_role", "shell", "signed_heads", "told"]

CONTENT = b"%PDF of a letter"
NAMED = raw_digest(CONTENT)


@pytest.fixture
def lived(shell: Shell, told: dict[str, str], signed_heads: object) -> Shell:
    """A bus in which three letters were accepted, with a signed head, passwords, and a depot with two files."""
    put(shell.folder / "var" / "depot", CONTENT)
    put(shell.folder / "var" / "depot", b"nobody names this one")
    (shell.folder / "passwords").mkdir(mode=0o700)
    for name in ("bus.router", "agency.0100100000"):
        (shell.folder / "passwords" / name).write_text(f"secret of {name}")
        (shell.folder / "passwords" / name).chmod(0o600)
    books(shell.folder / "var" / "depot.db")
    return shell


def put(depot: Path, content: bytes) -> None:
    source = depot / "upload"
    depot.mkdir(parents=True, exist_ok=True)
    source.write_bytes(content)
    source.chmod(0o600)
    LocalStore(depot / "files").put(source, raw_digest(content))


def books(file: Path) -> None:
    index = Index(f"sqlite:///{file}")
    with index.arriving(OPM, NAMED, len(CONTENT), 1):
        pass
    index.close()


def rows(ledger: Ledger) -> dict[str, list[Any]]:
    with reading(ledger.engine) as connection:
        return {
            name: [tuple(row) for row in connection.execute(table.select().order_by(*table.primary_key))]
            for name, table in metadata.tables.items()
        }


def all_of(shell: Shell) -> dict[str, list[Any]]:
    ledger = shell.ledger()
    try:
        return rows(ledger)
    finally:
        ledger.close()


def destroyed(folder: Path) -> None:
    """Ledger and depot are gone, settings and keys are there."""
    for each in folder.glob("ledger.db*"):
        each.unlink()
    shutil.rmtree(folder / "var")


def tree(folder: Path, *, without: str = "") -> dict[str, bytes]:
    """Every file below a folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not (without and path.is_relative_to(folder / without))
    }


# ---- there and back ------------------------------------------------------------------------------------------------


def test_ledger_depot_and_books_come_back_as_they_were(lived: Shell) -> None:
    before, files = all_of(lived), tree(lived.folder / "var" / "depot" / "files")
    said = lived("backup", "kept", code=1)
    assert "ledger: 6 entries" in said
    assert "depot: 2 files" in said
    destroyed(lived.folder)
    assert "brought back: the ledger, 2 files of the depot" in lived("restore", "kept")
    assert all_of(lived) == before
    assert tree(lived.folder / "var" / "depot" / "files") == files
    index = Index(f"sqlite:///{lived.folder / 'var' / 'depot.db'}")
    assert index.shown(OPM, NAMED)
    index.close()
    assert lived.json("ledger", "verify")["verdict"] == "pass"
    ledger = lived.ledger()
    with ledger.append() as writer:
        writer.entry(Kind.RELEASED)
    ledger.close()


def test_a_machine_that_has_nothing_gets_settings_and_certificates_and_with_keys_all_of_it(
    lived: Shell, tmp_path_factory: pytest.TempPathFactory
) -> None:
    lived("backup", "kept", "--with-keys", code=1)
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    shutil.move(lived.folder / "kept", elsewhere / "kept")
    text_ = (lived.folder / "bus.toml").read_text()
    before = tree(lived.folder)
    for path in list(lived.folder.iterdir()):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    lived("restore", str(elsewhere / "kept"))
    after = tree(lived.folder)
    assert (lived.folder / "bus.toml").read_text() == text_
    for name in (
        "agencies.toml",
        "calendar.toml",
        "keys/bus.key.pem",
        "keys/log.key.pem",
        "keys/bus.crt.pem",
    ):
        assert after[name] == before[name], name
    assert {name: after[name] for name in after if "passwords" in name} == {
        name: before[name] for name in before if "passwords" in name
    }
    lived("directory", "check")
    assert lived.json("ledger", "verify")["verdict"] == "pass"


def test_secrets_are_not_in_a_backup_and_each_is_named_with_what_it_is_for(lived: Shell) -> None:
    said = lived("backup", "kept", code=1)
    secrets = ("bus.key.pem", "log.key.pem", "people.toml", "bus.router", "agency.0100100000")
    kept = b"".join(tree(lived.folder / "kept").values())
    for name in secrets:
        (file,) = (each for each in lived.folder.rglob(name) if each.is_file())
        assert file.read_bytes() not in kept, name
        assert str(file) in said
    assert "signs the heads of the ledger" in said
    assert said.count("NOT in this backup") == len(secrets)
    (lived.folder / "keys" / "log.key.pem").unlink()
    destroyed(lived.folder)
    said = lived("restore", "kept")
    assert f"bring the key for ledger.key from the safe: {lived.folder / 'keys' / 'log.key.pem'}" in said
    assert "seal.key" not in said


def test_what_letters_name_and_the_depot_lacks_is_said_and_the_backup_is_made_all_the_same(
    lived: Shell,
) -> None:
    found = lived.json("backup", "kept", code=1)
    assert found["lacking"] == [SOME_BYTES]
    assert lived.json("restore", "kept", "--check")["lacking"] == [SOME_BYTES]


def test_all_that_a_backup_writes_is_for_its_owner_alone(lived: Shell) -> None:
    os.umask(0)
    lived("backup", "kept", "--with-keys", code=1)
    kept = lived.folder / "kept"
    found = [kept, *kept.rglob("*")]
    assert len(found) > 10
    assert [path for path in found if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)] == []


def test_files_of_the_depot_are_linked_and_outlive_the_depots_own(lived: Shell) -> None:
    lived("backup", "kept", code=1)
    kept = LocalStore(lived.folder / "kept" / "depot")
    own = LocalStore(lived.folder / "var" / "depot" / "files")
    assert kept.path(NAMED).samefile(own.path(NAMED))
    own.remove(NAMED)
    assert kept.path(NAMED).read_bytes() == CONTENT


def test_where_no_link_can_be_a_file_is_copied(lived: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_link(*_: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr("os.link", no_link)
    lived("backup", "kept", code=1)
    kept = LocalStore(lived.folder / "kept" / "depot").path(NAMED)
    assert kept.read_bytes() == CONTENT
    assert kept.stat().st_nlink == 1
    destroyed(lived.folder)
    lived("restore", "kept")
    assert (lived.folder / "var" / "depot" / "files" / NAMED[:2] / NAMED).read_bytes() == CONTENT


def test_the_list_of_files_is_one_that_sha256sum_checks(lived: Shell) -> None:
    lived("backup", "kept", code=1)
    command = ["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"]
    done = subprocess.run(command, cwd=lived.folder / "kept", capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    listed = (lived.folder / "kept" / "SHA256SUMS").read_text().splitlines()
    assert {line[66:] for line in listed} | {"SHA256SUMS", "manifest.json"} == set(
        tree(lived.folder / "kept")
    )


def test_a_letter_that_is_accepted_while_the_files_are_copied_is_not_in_the_backup_without_its_file(
    lived: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ledger goes first: what comes to both afterwards is a file too many and never one too few."""
    plain = copy_ledger

    def then_a_letter_comes(address: str, target: Path) -> Any:
        facts = plain(address, target)
        put(lived.folder / "var" / "depot", b"%PDF of one more")
        ledger = lived.ledger()
        with ledger.append() as writer:
            rig.in_ledger(writer)
        ledger.close()
        return facts

    monkeypatch.setattr(making, "copy_ledger", then_a_letter_comes)
    found = lived.json("backup", "kept", code=1)
    assert (found["entries"], found["depotFiles"]) == (6, 3)


# ---- nothing is written over ---------------------------------------------------------------------------------------


def test_a_ledger_that_is_there_is_never_written_over(lived: Shell) -> None:
    lived("backup", "kept", code=1)
    (lived.folder / "kept2").mkdir()
    before = tree(lived.folder)
    lived("restore", "kept", code=2)
    assert "there is a ledger already" in lived.err
    assert f"move {lived.folder / 'ledger.db'} and what begins with its name away, and keep it" in lived.err
    assert tree(lived.folder) == before


@pytest.mark.parametrize("side", ["-wal", "-shm", "-journal"])
def test_a_log_whose_ledger_is_gone_is_left_alone_too(lived: Shell, side: str) -> None:
    """It may hold what was committed last; and beside a ledger that is brought back it would change that."""
    lived("backup", "kept", code=1)
    destroyed(lived.folder)
    (lived.folder / f"ledger.db{side}").write_bytes(b"what was committed last")
    before = tree(lived.folder)
    lived("restore", "kept", code=2)
    assert "there is a ledger already" in lived.err
    assert tree(lived.folder) == before


def test_what_an_interrupted_copy_has_left_is_no_part_of_the_next_one(lived: Shell) -> None:
    before = all_of(lived)
    lived("backup", "kept", code=1)
    ledger = lived.ledger()
    with ledger.append() as writer:
        writer.entry(Kind.RELEASED)
    log = (lived.folder / "ledger.db-wal").read_bytes()
    assert log, "what is committed and not in the file yet"
    ledger.close()
    destroyed(lived.folder)
    (lived.folder / ".ledger.db.part-wal").write_bytes(log)
    lived("restore", "kept")
    assert all_of(lived) == before
    assert not list(lived.folder.glob(".ledger.db.part*"))


def test_a_backup_goes_into_a_new_folder_only(lived: Shell) -> None:
    lived("backup", "kept", code=1)
    before = tree(lived.folder / "kept")
    lived("backup", "kept", code=2)
    assert "is not empty" in lived.err
    assert tree(lived.folder / "kept") == before


def test_settings_keys_and_books_that_are_there_stay(lived: Shell) -> None:
    lived("backup", "kept", "--with-keys", code=1)
    for each in lived.folder.glob("ledger.db*"):
        each.unlink()
    (lived.folder / "agencies.toml").write_text("version = 7\n")
    (lived.folder / "passwords" / "bus.router").write_text("newer")
    index = Index(f"sqlite:///{lived.folder / 'var' / 'depot.db'}")
    with index.arriving(SOC, NAMED, len(CONTENT), 2):
        pass
    index.close()
    said = lived("restore", "kept")
    for name in ("agencies.toml", "passwords/bus.router"):
        assert f"left as it is, though the backup has another: {lived.folder / name}" in said
    assert (lived.folder / "agencies.toml").read_text() == "version = 7\n"
    assert (lived.folder / "passwords" / "bus.router").read_text() == "newer"
    index = Index(f"sqlite:///{lived.folder / 'var' / 'depot.db'}")
    assert index.shown(SOC, NAMED), "newer books than the backup's"
    index.close()


def test_a_file_of_the_depot_that_was_damaged_is_replaced(lived: Shell) -> None:
    lived("backup", "kept", code=1)
    own = lived.folder / "var" / "depot" / "files" / NAMED[:2] / NAMED
    own.unlink()
    own.write_bytes(b"damaged")
    for each in lived.folder.glob("ledger.db*"):
        each.unlink()
    lived("restore", "kept")
    assert own.read_bytes() == CONTENT


# ---- nothing half is believed --------------------------------------------------------------------------------------


def _cut(file: Path) -> None:
    content = file.read_bytes()
    file.unlink()
    file.write_bytes(content[:-1])


def _sums(change: Callable[[str], str]) -> Callable[[Path], None]:
    def do(kept: Path) -> None:
        (kept / "SHA256SUMS").write_text(change((kept / "SHA256SUMS").read_text()))

    return do


def _manifest(**changes: Any) -> Callable[[Path], None]:
    def do(kept: Path) -> None:
        said = json.loads((kept / "manifest.json").read_text()) | changes
        (kept / "manifest.json").write_text(json.dumps(said))

    return do


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "the ledger is cut": (lambda kept: _cut(kept / "ledger"), "missing or changed.*: ledger"),
    "the books are gone": (lambda kept: (kept / "depot-books").unlink(), "missing or changed.*depot-books"),
    "a file is cut": (lambda kept: _cut(kept / "depot" / NAMED[:2] / NAMED), f"missing or changed.*{NAMED}"),
    "settings are cut": (
        lambda kept: _cut(kept / "settings" / "00001"),
        "missing or changed.*settings/00001",
    ),
    "unfinished": (lambda kept: (kept / "manifest.json").unlink(), "was not finished"),
    "a file is not listed": (_sums(lambda text: text.partition("\n")[2]), "SHA256SUMS was changed"),
    "no list": (lambda kept: (kept / "SHA256SUMS").unlink(), "cannot be read"),
    "no manifest at all": (lambda kept: (kept / "manifest.json").write_text("x"), "cannot be read"),
    "a newer manifest": (_manifest(v=2), "not of version 1"),
    "a manifest with more": (_manifest(more=1), "does not say what"),
    "wrong types": (_manifest(entries="6"), "does not say what"),
    "another database": (_manifest(database="oracle"), "does not say what"),
    "a file of the machine's own": (
        _manifest(settings={"../../agencies.toml": "directory.file"}),
        "do not speak of the same",
    ),
    "fewer files": (_manifest(depot_files=1), "do not speak of the same"),
    "a newer schema": (_manifest(schema="9999"), "newer than this program"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_backup_that_is_not_the_one_that_was_made_is_refused_and_nothing_is_written(
    lived: Shell, damage: str
) -> None:
    do, said = DAMAGE[damage]
    lived("backup", "kept", code=1)
    destroyed(lived.folder)
    do(lived.folder / "kept")
    before = tree(lived.folder)
    for words in (("restore", "kept", "--check"), ("restore", "kept")):
        lived(*words, code=1)
        assert re.search(said, lived.err), lived.err
        assert tree(lived.folder) == before


@pytest.mark.parametrize("name", ["../bus.toml", "/etc/passwd", "settings/../../x", "a//b", "./ledger"])
def test_a_list_that_leads_out_of_the_backup_is_refused(lived: Shell, name: str) -> None:
    lived("backup", "kept", code=1)
    sums = lived.folder / "kept" / "SHA256SUMS"
    sums.write_text(sums.read_text() + f"{'0' * 64}  {name}\n")
    _manifest(sums=raw_digest(sums.read_bytes()))(lived.folder / "kept")
    lived("restore", "kept", "--check", code=1)
    assert "has a line that is none" in lived.err


STEPS = ("_put_files", "_put_depot", "_put_books", "facts_at")


class Interrupted(Exception):
    """As a machine that is switched off."""


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", STEPS[:-1])
def test_a_restore_that_was_interrupted_is_begun_again(
    lived: Shell, monkeypatch: pytest.MonkeyPatch, step: str, when: str
) -> None:
    before = all_of(lived)
    lived("backup", "kept", "--with-keys", code=1)
    destroyed(lived.folder)
    shutil.rmtree(lived.folder / "passwords")
    plain = getattr(restoring, step)

    def interrupted(*words: Any) -> None:
        if when == "after":
            plain(*words)
        raise Interrupted

    with monkeypatch.context() as patched:
        patched.setattr(restoring, step, interrupted)
        lived("restore", "kept", code=70)
    assert not (lived.folder / "ledger.db").exists()
    lived("restore", "kept")
    assert all_of(lived) == before
    assert (lived.folder / "passwords" / "bus.router").read_text() == "secret of bus.router"
    assert (lived.folder / "var" / "depot" / "files" / NAMED[:2] / NAMED).read_bytes() == CONTENT


def test_a_copy_that_was_interrupted_does_not_pass_for_the_ledger(
    lived: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = all_of(lived)
    lived("backup", "kept", code=1)
    destroyed(lived.folder)
    plain = databases.copy_sqlite

    def half(source: Path, target: Path) -> None:
        plain(source, target)
        if "ledger" in target.name:
            _cut(target)
            raise Interrupted

    with monkeypatch.context() as patched:
        patched.setattr(databases, "copy_sqlite", half)
        lived("restore", "kept", code=70)
    lived("restore", "kept")
    assert all_of(lived) == before


# ---- older than what was signed ------------------------------------------------------------------------------------


def _goes_on(shell: Shell) -> int:
    """Three more entries under a signed head; return how many there are."""
    ledger = shell.ledger()
    with ledger.append() as writer:
        for _ in range(3):
            rig.in_ledger(writer)
    key = log_key(shell.folder / "keys" / "log.key.pem", "saraban.example/ledger")
    kept = shell.folder / "var" / "log.head"
    head = Signer(ledger, key, kept, anchor_every=timedelta(0)).sign()
    ledger.close()
    assert head is not None
    return head.size


def _head_is_away(shell: Shell) -> Path:
    """The router's kept head, from a machine that was not destroyed."""
    away = shell.folder / "kept.head"
    shutil.copy(shell.folder / "var" / "log.head", away)
    return away


@pytest.mark.parametrize("known_by", ["kept_head", "--head"])
def test_a_restore_that_is_older_than_a_signed_head_says_which_entries_are_missing_and_halts(
    lived: Shell, known_by: str
) -> None:
    lived("backup", "older", code=1)
    size = _goes_on(lived)
    assert size == 9
    lived("backup", "newer", code=1)
    head = _head_is_away(lived)
    destroyed(lived.folder)
    words: tuple[str, ...] = ("--head", str(head))
    if known_by == "kept_head":
        words = ()
        (lived.folder / "var").mkdir()
        shutil.copy(head, lived.folder / "var" / "log.head")
    said = lived("restore", "older", *words, code=1)
    assert "MISSING: entries 7 to 9 are missing (3): a head of 9 entries with the root " in said
    assert "a later backup, the standby, the write-ahead log" in said
    ledger = lived.ledger()
    with pytest.raises(Halted, match="entries 7 to 9 are missing"), ledger.append():
        pass
    ledger.close()
    lived("ledger", "verify", "--since", str(head), code=1)
    for each in lived.folder.glob("ledger.db*"):
        each.unlink()
    assert lived.json("restore", "newer", *words)["missing"] is None
    assert lived.json("ledger", "verify", "--since", str(head))["verdict"] == "pass"
    ledger = lived.ledger()
    with ledger.append() as writer:
        writer.entry(Kind.RELEASED)
    ledger.close()


def test_verify_says_the_same_of_a_ledger_that_was_brought_back_by_other_means(lived: Shell) -> None:
    shutil.copy(lived.folder / "ledger.db", lived.folder / "copied")
    lived("backup", "older", code=1)
    _goes_on(lived)
    for each in lived.folder.glob("ledger.db*"):
        each.unlink()
    shutil.copy(lived.folder / "older" / "ledger", lived.folder / "ledger.db")
    found = lived.json("ledger", "verify", code=1)
    assert found["halting"]
    assert found["findings"][0]["code"] == "entry.cut-off"
    assert "entries 7 to 9 are missing (3): a head of 9 entries" in found["findings"][0]["detail"]
    said = lived("ledger", "verify", code=1)
    assert "bring the missing entries back: a later backup, the standby, the write-ahead log" in said


# ---- PostgreSQL ----------------------------------------------------------------------------------------------------


@pytest.fixture
def on_postgres(postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Settings of a bus with ledger and books on PostgreSQL, filled, and with a signed head."""
    url = make_url(postgres_url)
    bare_url = databases._without_password(url)
    monkeypatch.setenv("SARABAN_BUS__LEDGER__PASSWORD", str(url.password))
    (tmp_path / "bus.toml").write_text(f'[ledger]\nurl = "{bare_url}"\n')
    schema.upgrade(postgres_url)
    ledger = Ledger(postgres_url)
    with ledger.append() as writer:
        for _ in range(5):
            rig.in_ledger(writer)
    make_key(tmp_path / "keys" / "log.key.pem")
    key = log_key(tmp_path / "keys" / "log.key.pem", "saraban.example/ledger")
    Signer(ledger, key, tmp_path / "away.head", anchor_every=timedelta(0)).sign()
    ledger.close()
    return tmp_path / "bus.toml"


def _emptied(url: str) -> None:
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
        connection.execute(text("GRANT USAGE ON SCHEMA public TO PUBLIC"))  # as in every new database
    engine.dispose()


def _rows_at(url: str) -> dict[str, list[Any]]:
    ledger = Ledger(url)
    try:
        return rows(ledger)
    finally:
        ledger.close()


def test_postgresql_is_dumped_under_one_snapshot_and_comes_back_with_its_guards(
    on_postgres: Path, postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, plain = _rows_at(postgres_url), databases.dump_postgresql

    def one_more_comes(address: str, target: Path, *, snapshot: str | None = None) -> None:
        ledger = Ledger(postgres_url)
        with ledger.append() as writer:
            writer.entry(Kind.RELEASED)
        ledger.close()
        plain(address, target, snapshot=snapshot)

    monkeypatch.setattr("bus.backup.ledgers.dump_postgresql", one_more_comes)
    settings = load_bus_settings(on_postgres)
    made = making.make(settings, on_postgres, tmp_path / "kept")
    assert (made.manifest.database, made.manifest.entries) == ("postgresql", 5)
    assert len(_rows_at(postgres_url)["entries"]) == 6
    with pytest.raises(Misconfigured, match="rename that database and make an empty one"):
        restoring.restore(tmp_path / "kept", made.manifest, settings, on_postgres)
    _emptied(postgres_url)
    done = restoring.restore(tmp_path / "kept", restoring.checked(tmp_path / "kept"), settings, on_postgres)
    assert done.missing is None
    assert _rows_at(postgres_url) == before
    schema.check(postgres_url)
    ledger = Ledger(postgres_url)
    with reading(ledger.engine) as connection:
        report = verify(
            connection, log_key(tmp_path / "keys" / "log.key.pem", "saraban.example/ledger").verifier
        )
    assert {one.code for one in report.findings} <= {"submission.missing", "letter.index", "document.missing"}
    with pytest.raises(Exception, match="the ledger only grows"), ledger.engine.begin() as connection:
        connection.execute(text("DELETE FROM entries"))
    ledger.close()


def test_the_routers_role_may_make_a_backup_and_init_gives_it_its_rights_again(
    on_postgres: Path, postgres_url: str, router_role: tuple[str, str], tmp_path: Path
) -> None:
    role, theirs = router_role
    owners = load_bus_settings(on_postgres)
    section = owners.ledger.model_copy(
        update={"url": databases._without_password(make_url(theirs)), "password": SecretStr("sample")}
    )
    made = making.make(owners.model_copy(update={"ledger": section}), on_postgres, tmp_path / "kept")
    before = _rows_at(postgres_url)
    _emptied(postgres_url)
    restoring.restore(tmp_path / "kept", made.manifest, owners, on_postgres)
    schema.upgrade(postgres_url, runtime_role=role)
    assert _rows_at(theirs) == before
    ledger = Ledger(theirs)
    with ledger.append() as writer:
        writer.entry(Kind.RELEASED)
    ledger.close()


def test_with_an_owner_in_the_settings_a_restore_gives_the_routers_role_its_rights_by_itself(
    on_postgres: Path, postgres_url: str, router_role: tuple[str, str], tmp_path: Path
) -> None:
    _, theirs = router_role
    owners = load_bus_settings(on_postgres)
    as_routers = {"url": databases._without_password(make_url(theirs)), "password": SecretStr("sample")}
    owner = owners.ledger
    as_owner = {
        "owner_url": owner.url,
        "owner_password": owner.password,
        "owner_password_file": owner.password_file,
    }
    ledger_settings = owner.model_copy(update=as_routers | as_owner)
    settings = owners.model_copy(update={"ledger": ledger_settings})
    made = making.make(settings, on_postgres, tmp_path / "kept")
    before = _rows_at(postgres_url)
    _emptied(postgres_url)
    restoring.restore(tmp_path / "kept", made.manifest, settings, on_postgres)
    assert _rows_at(theirs) == before
    ledger = Ledger(theirs)
    with ledger.append() as writer:
        writer.entry(Kind.RELEASED)
    ledger.close()


def test_a_password_is_in_no_argument_of_postgresqls_programs(
    on_postgres: Path, postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = tmp_path / "arguments"
    (tmp_path / "bin").mkdir()
    for name in ("pg_dump", "pg_restore"):
        real = shutil.which(name)
        spy = tmp_path / "bin" / name
        spy.write_text(f'#!/bin/sh\nprintf "%s\\n" "$0" "$@" >> {said}\nexec {real} "$@"\n')
        spy.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    settings = load_bus_settings(on_postgres)
    made = making.make(settings, on_postgres, tmp_path / "kept")
    _emptied(postgres_url)
    restoring.restore(tmp_path / "kept", made.manifest, settings, on_postgres)
    arguments = said.read_text()
    assert "pg_dump" in arguments
    assert "pg_restore" in arguments
    assert str(make_url(postgres_url).password) not in arguments


def test_a_dump_that_fails_leaves_no_backup_and_says_why(
    on_postgres: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "pg_dump").write_text("#!/bin/sh\necho 'server version mismatch' >&2\nexit 1\n")
    (tmp_path / "bin" / "pg_dump").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    with pytest.raises(databases.ProgramFailed, match="pg_dump ended with 1: server version mismatch"):
        making.make(load_bus_settings(on_postgres), on_postgres, tmp_path / "kept")
    with pytest.raises(BadBackup, match="was not finished"):
        restoring.checked(tmp_path / "kept")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Misconfigured, match="pg_dump: is not installed"):
        making.make(load_bus_settings(on_postgres), on_postgres, tmp_path / "kept2")


def test_a_restore_that_fails_in_the_middle_leaves_an_empty_database_and_is_begun_again(
    on_postgres: Path, postgres_url: str, tmp_path: Path
) -> None:
    before, settings = _rows_at(postgres_url), load_bus_settings(on_postgres)
    made = making.make(settings, on_postgres, tmp_path / "kept")
    _emptied(postgres_url)
    whole = (tmp_path / "kept" / "ledger").read_bytes()
    (tmp_path / "kept" / "ledger").write_bytes(whole[: len(whole) * 2 // 3])
    with pytest.raises(databases.ProgramFailed, match="pg_restore ended"):
        restoring.restore(tmp_path / "kept", made.manifest, settings, on_postgres)
    assert not databases.is_there(postgres_url, "entries")
    (tmp_path / "kept" / "ledger").write_bytes(whole)
    restoring.restore(tmp_path / "kept", restoring.checked(tmp_path / "kept"), settings, on_postgres)
    assert _rows_at(postgres_url) == before
