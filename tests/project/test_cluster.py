"""The private PostgreSQL: its own, on loopback, durable over a crash, gone afterwards."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import create_engine, make_url, text

from compose import programs
from compose.cluster import ClusterFailed, PostgresCluster

ROOT = Path(__file__).parents[2]


def plain(url: str) -> str:
    return url.replace("postgresql+psycopg", "postgresql", 1)


def lives(pid: int) -> bool:
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return bool(state.stdout.strip()) and not state.stdout.startswith("Z")


def test_a_test_gets_an_empty_database_of_its_own(postgres_url: str) -> None:
    engine = create_engine(postgres_url)
    with engine.connect() as connection:
        tables = "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'"
        assert connection.execute(text(tables)).scalar_one() == 0
        assert connection.execute(text("SHOW server_encoding")).scalar_one() == "UTF8"
    engine.dispose()


def test_it_listens_on_loopback_only_and_asks_for_a_password(postgres_server: PostgresCluster) -> None:
    url = make_url(postgres_server.url())
    with psycopg.connect(plain(postgres_server.url())) as connection:
        assert connection.execute("SHOW listen_addresses").fetchone() == ("127.0.0.1",)
        assert connection.execute("SHOW unix_socket_directories").fetchone() == ("",)
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(plain(url.set(password="guessed").render_as_string(hide_password=False)))


def test_commits_survive_a_killed_server_and_the_url_stays(
    postgres_server: PostgresCluster, postgres_url: str
) -> None:
    held = psycopg.connect(plain(postgres_url), autocommit=True)
    held.execute("CREATE TABLE entry (n int)")
    held.execute("INSERT INTO entry VALUES (1)")
    postgres_server.kill()
    assert not postgres_server.running
    with pytest.raises(psycopg.OperationalError):
        held.execute("SELECT 1")
    held.close()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(plain(postgres_url))

    postgres_server.start()
    with psycopg.connect(plain(postgres_url)) as again:
        assert again.execute("SELECT n FROM entry").fetchall() == [(1,)]
    assert "was not properly shut down" in postgres_server.log.read_text(encoding="utf-8")


def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    tmp_path.parent.parent.chmod(0o755)  # the folders above belong to whoever runs the tests
    tmp_path.parent.chmod(0o755)
    cluster = PostgresCluster(tmp_path / "cluster", durable=False, shared_buffers="none")
    with pytest.raises(ClusterFailed, match="shared_buffers"):
        cluster.start()
    cluster.remove()


def test_the_server_ends_when_its_starter_is_killed(tmp_path: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path; from compose.cluster import PostgresCluster\n"
        "cluster = PostgresCluster(Path(sys.argv[1]), durable=False); cluster.start()\n"
        "print(cluster._folder, flush=True); time.sleep(600)"
    )
    starter = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path / "cluster")], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert starter.stdout is not None
    folder = Path(starter.stdout.readline().strip())
    server = int((folder / "data" / "postmaster.pid").read_text(encoding="utf-8").split()[0])
    assert lives(server)

    starter.send_signal(signal.SIGKILL)
    starter.wait()
    starter.stdout.close()
    deadline = time.monotonic() + 30
    while lives(server) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not lives(server)
    assert not (folder / "data" / "postmaster.pid").exists()
    shutil.rmtree(folder)


def test_the_programs_of_one_version_stand_together() -> None:
    found = programs.find("initdb")
    assert found is not None
    assert (found.parent / "postgres").exists()
    assert programs.find("no-such-program-of-anybody") is None
