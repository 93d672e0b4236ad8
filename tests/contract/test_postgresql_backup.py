"""The recipes for a backup of PostgreSQL by hand, as docs/operating.md has them: the ledger is whole afterwards."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from bus.documents.notes import make_key
from bus.enrolment.deciding import Centre, invite
from bus.identifiers import AgencyCode
from bus.ledger import schema
from bus.ledger.entry import Kind
from bus.ledger.store import Ledger
from bus.router.activation import activate_directory
from bus.router.signers import ledger_signer
from bus.settings.bus import load_bus_settings
from compose.cluster import PostgresCluster
from tests.assets.factory import seal
from tests.assets.operators import by
from tests.contract import ledger_rig as rig
from tests.project import ROOT

_BUILD = ROOT / "build" / "test"
_NEW = AgencyCode("0000000042")
CENTRE = Centre(centre="http://c", broker="amqp://b", vhost="v", bus="-", log_key="-")


def blocks() -> dict[str, str]:
    """The commands of the recipes by the program that each begins with."""
    page = (ROOT / "docs/operating.md").read_text(encoding="utf-8")
    section = page[page.index("By hand, for PostgreSQL") : page.index("### Bringing it back")]
    joined = "".join(re.findall(r"```sh\n(.*?)```", section, re.DOTALL)).replace("\\\n", " ")
    found = {re.sub(r"^PGPASSFILE=\S+ ", "", line).split()[0]: line for line in joined.splitlines()}
    assert list(found) == ["pg_dump", "pg_restore", "pg_basebackup", "cp", "touch"]
    return found


def setting(name: str) -> str:
    page = (ROOT / "docs/operating.md").read_text(encoding="utf-8")
    (value,) = re.findall(rf"`{name} = (\'[^\']*\'|\w+)`", page)
    return str(value).strip("'")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that the server's user reaches."""
    _BUILD.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix="backup-", dir=_BUILD))
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture
def server(folder: Path) -> Iterator[PostgresCluster]:
    """A server that archives as the page says, into a folder of its own."""
    cluster = PostgresCluster(
        folder / "server",
        durable=False,
        wal_level=setting("wal_level"),
        archive_mode=setting("archive_mode"),
    )
    home = cluster._folder
    as_server(cluster, f"mkdir {home}/archive {home}/copies")
    cluster._settings["archive_command"] = setting("archive_command").replace("/archive", f"{home}/archive")
    try:
        cluster.start()
        address = urlsplit(cluster.url())
        passwords = f"*:*:*:{address.username}:{address.password}"
        as_server(cluster, f"umask 077; echo '{passwords}' > .pgpass")
        yield cluster
    finally:
        cluster.remove()


def as_server(cluster: PostgresCluster, command: str) -> None:
    """Run a command of the page as the server's user, at its home."""
    where = cluster._as_user()
    where["env"] |= {"HOME": str(cluster._folder)}
    done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, check=False, **where)
    assert done.returncode == 0, (command, done.stderr)


def written(command: str, cluster: PostgresCluster, database: str) -> str:
    """The command with this machine's addresses and folders in place of the page's."""
    address = urlsplit(cluster.url())
    at = f"postgresql://{address.username}@127.0.0.1:{address.port}"
    command = re.sub(r"postgresql://\w+@db/ledger", f"{at}/{database}", command)
    command = re.sub(r"postgresql://\w+@db$", f"{at}/postgres", command)
    return command.replace("DIR", f"{cluster._folder}/copies").replace("DATA", str(cluster._data))


class Rig:
    """Settings and a key of the log, for one database after another."""

    def __init__(self, home: Path) -> None:
        self.config = home / "bus.toml"
        make_key(home / "log.pem")

    def at(self, url: str) -> Ledger:
        address = urlsplit(url)
        place = f"postgresql://{address.username}@127.0.0.1:{address.port}{address.path}"
        text = f'[ledger]\nurl = "{place}"\nkey = "log.pem"\nkept_head = "log.head"\n'
        self.config.write_text(text, encoding="utf-8")
        os.environ["SARABAN_BUS__LEDGER__PASSWORD"] = address.password or ""
        return Ledger(url)

    def sign(self, ledger: Ledger) -> None:
        ledger_signer(load_bus_settings(self.config), ledger).sign()

    def verified(self) -> None:
        command = [sys.executable, "-m", "bus", "ledger", "verify", "--config", str(self.config)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def centre(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Rig:
    monkeypatch.setenv("SARABAN_BUS__LEDGER__PASSWORD", "")
    return Rig(folder)


def begun(centre: Rig, url: str) -> Ledger:
    schema.upgrade(url)
    ledger = centre.at(url)
    activate_directory(ledger, rig.directory(), seal("bus"), operator=by("test"))
    centre.sign(ledger)
    return ledger


def bodies(ledger: Ledger) -> list[bytes]:
    with ledger.read() as reader:
        return [repr(dict(entry.body)).encode() for entry in reader.entries()]


def test_both_recipes_give_the_ledger_back_and_the_archive_what_came_after_the_base(
    server: PostgresCluster, centre: Rig
) -> None:
    commands = blocks()
    ledger = begun(centre, server.create_database("ledger"))
    as_server(server, written(commands["pg_basebackup"], server, "ledger"))
    invite(
        ledger, CENTRE, _NEW, seal("bus"),
        name_th="ใหม่", name_en="New", lasts=timedelta(days=1), operator=by("test"),
    )  # fmt: skip
    centre.sign(ledger)
    before = bodies(ledger)

    as_server(server, written(commands["pg_dump"], server, "ledger"))
    restored = centre.at(server.create_database("restored"))
    as_server(server, written(commands["pg_restore"], server, "restored"))
    centre.verified()
    assert bodies(restored) == before
    restored.close()
    ledger.close()

    server.stop()
    assert any((server._folder / "archive").iterdir()), "the server archived nothing"
    server._data.rename(server._folder / "lost")
    as_server(server, written(commands["cp"], server, "ledger"))
    as_server(server, written(commands["touch"], server, "ledger"))
    restore = setting("restore_command").replace("/archive", f"{server._folder}/archive")
    server._settings["restore_command"] = restore
    server.start()
    again = centre.at(server.url("ledger"))
    centre.verified()
    assert bodies(again) == before
    with again.read() as reader:
        newest = reader.latest(Kind.INVITED)
    assert newest is not None
    again.close()
