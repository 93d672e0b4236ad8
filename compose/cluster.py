"""A private PostgreSQL cluster from the installed package, for the demo, the tests and the benchmarks.

It listens on 127.0.0.1 only, on a port of its own, behind a password that is made anew for each cluster. PostgreSQL
refuses to run as root: then the package's own user runs it, and owns the folder. Nothing of the machine's own
PostgreSQL is touched.
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from bus.errors import BusError, Misconfigured, Problem
from compose import programs
from compose.leash import Leash

_START_SECONDS = 60.0
_STOP_SECONDS = 60.0
_OWNER = "saraban"
_INITDB = ("--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync")


class ClusterFailed(BusError):
    """The private PostgreSQL did not do what was asked of it; the message ends with the last lines of its log."""


class PostgresCluster:
    """One cluster in `folder`, which is made when it is missing; used as a context manager, it runs inside the block.

    `durable=False` leaves out fsync: a killed server still keeps every commit, only a machine that loses power does
    not. `settings` are configuration parameters of PostgreSQL's, by name.
    """

    def __init__(self, folder: Path, *, durable: bool = True, **settings: str) -> None:
        self._programs = _programs()
        self._user = _user_to_run_as()
        self._folder, self._borrowed = _reachable(folder, self._user)
        self._settings = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "max_connections": "200",
            "fsync": "on" if durable else "off",
            "full_page_writes": "on" if durable else "off",
            **settings,
        }
        self._password = self._remembered_password()
        self._port = 0
        self._server: subprocess.Popen[bytes] | None = None
        self._leash: Leash | None = None

    @property
    def log(self) -> Path:
        """What the server says."""
        return self._folder / "postgres.log"

    @property
    def running(self) -> bool:
        """Whether the server process is there."""
        return self._server is not None and self._server.poll() is None

    def url(self, database: str = "postgres") -> str:
        """Return the SQLAlchemy URL of a database; it stays the same over a restart."""
        return f"postgresql+psycopg://{_OWNER}:{self._password}@127.0.0.1:{self._port}/{database}"

    def start(self) -> None:
        """Start the server, making the cluster at the first time, and return when it takes connections."""
        if self.running:
            return
        if not (self._folder / "data" / "PG_VERSION").exists():
            self._initialise()
        self._port = self._port or _free_port()
        options = [word for name, value in self._settings.items() for word in ("-c", f"{name}={value}")]
        with self.log.open("ab") as log:
            self._server = subprocess.Popen(
                [self._programs / "postgres", "-D", self._data, "-p", str(self._port), *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                **self._as_user(),
            )
        self._leash = Leash(self._server.pid, signal.SIGINT)
        self._await_ready()

    def stop(self) -> None:
        """Stop the server cleanly, without waiting for clients to leave; they are disconnected."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """Stop the server as a crash does: nothing is written any more, and the next start recovers from the log.

        SIGQUIT rather than SIGKILL, because a killed postmaster can leave backends behind that block the next start.
        """
        self._end(signal.SIGQUIT)

    def restart(self) -> None:
        """Stop cleanly and start again on the same port."""
        self.stop()
        self.start()

    def remove(self) -> None:
        """Stop the server and delete the cluster with all its databases."""
        self.stop()
        shutil.rmtree(self._borrowed or self._folder, ignore_errors=True)

    def create_database(self, name: str) -> str:
        """Create an empty database and return its URL."""
        self._execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name)))
        return self.url(name)

    def drop_database(self, name: str) -> None:
        """Delete a database; whoever is still connected to it is disconnected."""
        self._execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def __enter__(self) -> PostgresCluster:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    def _initialise(self) -> None:
        command: list[str | Path] = [self._programs / "initdb", "--pgdata", self._data, "--username", _OWNER]
        made = subprocess.run(
            [*command, "--pwfile", self._folder / "password", *_INITDB],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            **self._as_user(),
        )
        if made.returncode:
            raise ClusterFailed(f"initdb failed:\n{made.stdout}")

    def _remembered_password(self) -> str:
        """Return the password of this folder's cluster, made with the folder and readable by its owner only."""
        file = self._folder / "password"
        if not file.exists():
            self._folder.mkdir(parents=True, exist_ok=True)
            file.touch(mode=0o600)
            file.write_text(secrets.token_urlsafe(24), encoding="ascii")
            if self._user:
                os.chown(file, self._user.pw_uid, self._user.pw_gid)
        return file.read_text(encoding="ascii")

    def _as_user(self) -> dict[str, Any]:
        where: dict[str, Any] = {"cwd": self._folder, "env": {**os.environ, "LC_ALL": "C"}}
        if self._user:
            where |= {"user": self._user.pw_uid, "group": self._user.pw_gid, "extra_groups": []}
        return where

    def _await_ready(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while not self._ready():
            if not self.running or time.monotonic() > deadline:
                self.stop()
                raise ClusterFailed(f"PostgreSQL did not start; the end of {self.log}:\n{self._end_of_log()}")
            time.sleep(0.02)

    def _ready(self) -> bool:
        """Whether the postmaster says `ready`, on line 8 of its own (not a predecessor's) lock file."""
        try:
            lines = (self._data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return False
        own = self._server is not None and lines[:1] == [str(self._server.pid)]
        return own and len(lines) >= 8 and lines[7].strip() == "ready"

    def _end(self, signum: signal.Signals) -> None:
        server, leash = self._server, self._leash
        self._server = self._leash = None
        if server is None:
            return
        try:
            if server.poll() is None:
                server.send_signal(signum)
            server.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            server.send_signal(signal.SIGQUIT)
            server.wait()
        finally:
            if leash:
                leash.release()

    def _end_of_log(self) -> str:
        lines = (
            self.log.read_text(encoding="utf-8", errors="replace").splitlines() if self.log.exists() else []
        )
        return "\n".join(lines[-20:])

    def _execute(self, statement: sql.Composed) -> None:
        plain = self.url().replace("postgresql+psycopg", "postgresql", 1)
        with psycopg.connect(plain, autocommit=True) as connection:
            connection.execute(statement)


def _programs() -> Path:
    initdb = programs.find("initdb")
    if initdb is None:
        raise Misconfigured(
            Problem("this machine", "PostgreSQL", "its server is not installed", "`make setup` installs it")
        )
    return initdb.parent


def _user_to_run_as() -> pwd.struct_passwd | None:
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "_postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise Misconfigured(
        Problem("this machine", "users", "PostgreSQL refuses to run as root", "Add a user named postgres")
    )


def _reachable(folder: Path, user: pwd.struct_passwd | None) -> tuple[Path, Path | None]:
    """Return the folder, or one under the system's own for temporary files, if the user cannot reach it.

    That is so when root has the checkout in its home. The second value is the temporary folder, to be deleted.
    """
    folder = folder.resolve()
    if user is None:
        return folder, None
    folder.mkdir(parents=True, exist_ok=True)
    os.chown(folder, user.pw_uid, user.pw_gid)
    check = ["/bin/sh", "-c", 'cd "$1"', "sh", str(folder)]
    reached = subprocess.run(
        check,
        user=user.pw_uid,
        group=user.pw_gid,
        extra_groups=[],
        cwd="/",
        stderr=subprocess.DEVNULL,
        check=False,
    )
    if reached.returncode == 0:
        return folder, None
    borrowed = Path(tempfile.mkdtemp(prefix="saraban-postgres-"))
    os.chown(borrowed, user.pw_uid, user.pw_gid)
    return borrowed, borrowed


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
