"""A private RabbitMQ node: the installed package, started by any user, on loopback, in a folder of its own.

Demo, tests and benchmarks start the real broker through this module. Every port is its own (AMQP, management,
Erlang distribution, epmd), and so are cookie, configuration, data and logs; nothing of the machine's own RabbitMQ
installation is read or written except its programs. The node has no guest user: one operator, with a generated
password.

A guard process ends the node when the process that started it is gone, whatever ended that one (SIGKILL included).
"""

from __future__ import annotations

import atexit
import fcntl
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Self
from urllib.parse import quote

from bus.broker.passwords import HASHING, hashed
from bus.errors import BusError
from compose import programs
from compose.ports import LOOPBACK, free_ports

OPERATOR = "operator"
MAX_MESSAGE_BYTES = 2 * 1024 * 1024

_LIBRARY_FOLDERS = (
    "/usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin",
    "/usr/local/lib/rabbitmq/lib/rabbitmq_server-*/sbin",
    "/opt/homebrew/opt/rabbitmq/sbin",
    "/usr/local/opt/rabbitmq/sbin",
)
_EPMD_FOLDERS = (
    "/usr/lib/erlang/erts-*/bin",
    "/usr/local/lib/erlang/erts-*/bin",
    "/opt/homebrew/opt/erlang*/lib/erlang/erts-*/bin",
    "/usr/local/opt/erlang*/lib/erlang/erts-*/bin",
)
_GUARD = 'cat >/dev/null; kill -9 "$@" 2>/dev/null'
"""Waits until the write end of its standard input is closed, which the kernel does for a dead owner as well."""


class NodeFailed(BusError):
    """The private node could not be started or steered; the message says what was seen and where to look."""


def find_programs() -> Path:
    """The folder with RabbitMQ's own scripts; those in the system path may insist on another user."""
    on_path = programs.find("rabbitmq-server")
    beside = [on_path.parent] if on_path else []
    for folder in [*_matches(_LIBRARY_FOLDERS), *beside]:
        if all((folder / name).is_file() for name in ("rabbitmq-server", "rabbitmq-env", "rabbitmqctl")):
            return folder
    raise NodeFailed("RabbitMQ is not installed: install the package rabbitmq-server (Homebrew: rabbitmq)")


def _find_epmd() -> Path:
    found = programs.find("epmd") or next((folder / "epmd" for folder in _matches(_EPMD_FOLDERS)), None)
    if found is None:
        raise NodeFailed("Erlang's epmd was not found: install Erlang (Debian: erlang-base)")
    return found


def _matches(patterns: tuple[str, ...]) -> list[Path]:
    """Existing folders, the newest version first."""
    return [found for pattern in patterns for found in sorted(Path("/").glob(pattern[1:]), reverse=True)]


@dataclass(frozen=True, slots=True)
class Ports:
    """The four ports of one node, all on loopback."""

    amqp: int
    management: int
    distribution: int
    epmd: int

    @classmethod
    def free(cls) -> Self:
        return cls(*free_ports(4))


class Node:
    """One private broker node; a context manager that leaves no process behind.

    `folder` is the node's alone: data, logs, cookie, configuration and the operator's password live in it. `settings`
    are lines of `rabbitmq.conf`; None leaves a line out.
    """

    plugins: tuple[str, ...] = ("rabbitmq_management",)

    def __init__(
        self, folder: Path, *, name: str = "saraban", settings: Mapping[str, object] | None = None
    ) -> None:
        self._settings = settings or {}
        self.folder = folder.absolute()
        self.nodename = f"{name}@localhost"
        self.ports = Ports.free()
        self._programs = find_programs()
        self._server: subprocess.Popen[bytes] | None = None
        self._epmd: subprocess.Popen[bytes] | None = None
        self._guard: subprocess.Popen[bytes] | None = None
        self._lock: IO[str] | None = None
        self._alarmed = False

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        # What a quorum queue has confirmed is on disk: ending the node hard loses nothing and saves seconds.
        self.kill()

    @property
    def running(self) -> bool:
        return self._server is not None and self._server.poll() is None

    @property
    def operator_password(self) -> str:
        return (self.folder / "operator.password").read_text().strip()

    @property
    def management_url(self) -> str:
        """The HTTP API, with the operator's name and password in the URL."""
        return f"http://{OPERATOR}:{self.operator_password}@{LOOPBACK}:{self.ports.management}"

    @property
    def amqp_url(self) -> str:
        """Where AMQP is spoken, without a user."""
        return f"amqp://{LOOPBACK}:{self.ports.amqp}"

    def url(self, vhost: str, user: str, password: str) -> str:
        """The AMQP URL of a user in a vhost."""
        secret = f"{quote(user, safe='')}:{quote(password, safe='')}"
        return f"amqp://{secret}@{LOOPBACK}:{self.ports.amqp}/{quote(vhost, safe='')}"

    def start(self, *, timeout: float = 90.0) -> None:
        """Start and wait until AMQP and the HTTP API answer; on the data of the last run, if there is any."""
        if self.running:
            return
        self._prepare()
        atexit.register(self.kill)
        log = (self.folder / "log" / "console.log").open("ab")
        try:
            with log:
                self._epmd = self._spawn(
                    [str(_find_epmd()), "-address", LOOPBACK, "-port", str(self.ports.epmd)], log
                )
                self._server = self._spawn([str(self._programs / "rabbitmq-server")], log)
            self._guard = _guard(self._epmd, self._server)
            self._wait_ready(time.monotonic() + timeout)
        except BaseException:
            self.kill()
            raise

    def stop(self, *, grace: float = 20.0) -> None:
        """Shut down in order; after `grace` seconds, hard."""
        if self._server is not None and self._server.poll() is None:
            _signal_group(self._server, signal.SIGCONT)
            _signal_group(self._server, signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                self._server.wait(grace)
        self.kill()

    def kill(self) -> None:
        """Stop hard, as a power cut would: SIGKILL to the Erlang VM. Waits until every process of the node is gone."""
        family = [process for process in (self._server, self._epmd) if process is not None]
        strays = _descendants({process.pid for process in family})
        for process in family:
            _signal_group(process, signal.SIGKILL)
            process.wait()
        _wait_gone(strays)
        if self._guard is not None:
            # Only now, so that being killed half-way through this method leaves the guard to finish it.
            self._guard.kill()
            self._guard.communicate()
        self._server = self._epmd = self._guard = None
        self._alarmed = False
        if self._lock is not None:
            self._lock.close()
            self._lock = None
        atexit.unregister(self.kill)

    def restart(self, *, hard: bool = False) -> None:
        """Stop, hard or in order, and start again on the same ports and data."""
        if hard:
            self.kill()
        else:
            self.stop()
        self.start()

    def wipe(self) -> None:
        """Forget everything the broker knew; a running node is killed first and stays down."""
        self.kill()
        shutil.rmtree(self.folder / "data", ignore_errors=True)

    def freeze(self) -> None:
        """Suspend the VM (SIGSTOP): connections stay open and nothing answers."""
        if self._server is not None:
            _signal_group(self._server, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a suspended VM run on."""
        if self._server is not None:
            _signal_group(self._server, signal.SIGCONT)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Suspended within the block, running again after it."""
        self.freeze()
        try:
            yield
        finally:
            self.thaw()

    def set_memory_alarm(self, on: bool) -> None:
        """Raise or clear the memory alarm: while it is on, the broker reads nothing from connections that publish."""
        self.ctl("set_vm_memory_high_watermark", "0.0000001" if on else "0.4")
        self._alarmed = on

    def recover(self) -> None:
        """Undo what the faults above have done: running, awake and without alarm; wiped data stay lost."""
        self.thaw()
        self.start()
        if self._alarmed:
            self.set_memory_alarm(False)

    def settle_new_queues(self) -> None:
        """Have the names of newly declared queues on disk, so that a hard stop tests what it means to test.

        RabbitMQ 3.10 writes them about half a second after the declaration. Killed before that, it comes back with
        an empty queue of the same name, without a leader, whatever the first one had confirmed.
        """
        table = "maps:get(directory_rev, maps:get(names, ra_system:fetch(quorum_queues)))"
        answer = self.ctl("eval", f"dets:sync({table}).")
        if answer.strip() != "ok":
            raise NodeFailed(f"could not settle new queues: {answer.strip()}")

    def suspend_queue(self, vhost: str, queue: str) -> None:
        """Make a quorum queue unresponsive: it takes messages in and answers nobody, until `resume_queue`."""
        self._queue_process("suspend", vhost, queue)

    def resume_queue(self, vhost: str, queue: str) -> None:
        """Let a suspended queue go on."""
        self._queue_process("resume", vhost, queue)

    def _queue_process(self, verb: str, vhost: str, queue: str) -> None:
        # A quorum queue is a Raft server registered under "<vhost>_<queue>" ("/" in names becomes "%2F").
        registered = f"{vhost}_{queue}".replace("/", "%2F")
        answer = self.ctl("eval", f"sys:{verb}(whereis('{registered}')).")
        if answer.strip() != "ok":
            raise NodeFailed(f"could not {verb} queue {queue} in {vhost}: {answer.strip()}")

    def ctl(self, *arguments: str, timeout: float = 120.0) -> str:
        """Run `rabbitmqctl` against this node and return what it printed; takes a second or two."""
        command = [str(self._programs / "rabbitmqctl"), "--quiet", "--node", self.nodename, *arguments]
        done = subprocess.run(
            command, env=self._environment(), capture_output=True, text=True, timeout=timeout, check=False
        )
        if done.returncode != 0:
            raise NodeFailed(f"rabbitmqctl {arguments[0]}: {done.stdout.strip()} {done.stderr.strip()}")
        return done.stdout

    def _prepare(self) -> None:
        for name in ("home", "log", "conf.d", "schema"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        self._lock = _locked(self.folder / "lock")
        password = self.folder / "operator.password"
        if not password.exists():
            _write_private(password, secrets.token_urlsafe(32))
        cookie = self.folder / "home" / ".erlang.cookie"
        if not cookie.exists():
            _write_private(cookie, secrets.token_hex(24), mode=0o400)
        (self.folder / "enabled_plugins").write_text(f"[{','.join(self.plugins)}].\n")
        (self.folder / "rabbitmq-env.conf").touch()
        (self.folder / "definitions.json").write_text(json.dumps(_definitions(self.operator_password)))
        (self.folder / "rabbitmq.conf").write_text(self._configuration())

    def _configuration(self) -> str:
        settings: Mapping[str, object] = {
            "listeners.tcp.1": f"{LOOPBACK}:{self.ports.amqp}",
            "management.tcp.ip": LOOPBACK,
            "management.tcp.port": self.ports.management,
            "load_definitions": self.folder / "definitions.json",
            "max_message_size": MAX_MESSAGE_BYTES,
            "log.file.level": "info",
            **self._settings,
        }
        return "".join(f"{key} = {value}\n" for key, value in settings.items() if value is not None)

    def _environment(self) -> dict[str, str]:
        foreign = ("RABBITMQ_", "ERL_", "HOME", "CONF_ENV_FILE")
        ours = {key: value for key, value in os.environ.items() if not key.startswith(foreign)}
        local_only = f"-kernel inet_dist_use_interface {{{LOOPBACK.replace('.', ',')}}}"
        return ours | {
            "HOME": str(self.folder / "home"),
            "LC_ALL": "C.UTF-8",
            "RABBITMQ_NODENAME": self.nodename,
            "RABBITMQ_CONF_ENV_FILE": str(self.folder / "rabbitmq-env.conf"),
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq.conf"),
            "RABBITMQ_CONFIG_FILES": str(self.folder / "conf.d"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(self.folder / "advanced.config"),
            "RABBITMQ_SCHEMA_DIR": str(self.folder / "schema"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "enabled_plugins"),
            "RABBITMQ_MNESIA_BASE": str(self.folder / "data"),
            "RABBITMQ_LOG_BASE": str(self.folder / "log"),
            "RABBITMQ_PID_FILE": str(self.folder / "node.pid"),
            "RABBITMQ_DIST_PORT": str(self.ports.distribution),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": f"{local_only} +S 2:2",
            "RABBITMQ_CTL_ERL_ARGS": f"{local_only} +S 1:1",
            "ERL_EPMD_PORT": str(self.ports.epmd),
            "ERL_EPMD_ADDRESS": LOOPBACK,
            "ERL_CRASH_DUMP": str(self.folder / "log" / "erl_crash.dump"),
        }

    def _spawn(self, command: list[str], log: IO[bytes]) -> subprocess.Popen[bytes]:
        # A session of its own: Ctrl-C in the terminal reaches us, and we decide what becomes of the node.
        return subprocess.Popen(
            command,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def _wait_ready(self, deadline: float) -> None:
        # RabbitMQ opens its AMQP port last, after the HTTP API.
        for port in (self.ports.amqp, self.ports.management):
            while not _listens(port):
                if not self.running or time.monotonic() > deadline:
                    raise NodeFailed(
                        f"RabbitMQ did not start; the last of {self.folder}/log:\n{self._last_words()}"
                    )
                time.sleep(0.05)

    def _last_words(self) -> str:
        lines = (self.folder / "log" / "console.log").read_text(errors="replace").splitlines()
        return "\n".join(line for line in lines if line.strip())[-2000:]


def _definitions(password: str) -> dict[str, object]:
    """What the node knows at its first start: the operator and nothing else (no guest, no vhost)."""
    user = {
        "name": OPERATOR,
        "password_hash": hashed(password),
        "hashing_algorithm": HASHING,
        "tags": ["administrator"],
    }
    return {"users": [user], "vhosts": [], "permissions": []}


def _guard(*owned: subprocess.Popen[bytes]) -> subprocess.Popen[bytes]:
    groups = [f"-{process.pid}" for process in owned]
    return subprocess.Popen(
        ["/bin/sh", "-c", _GUARD, "guard", *groups],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _locked(path: Path) -> IO[str]:
    """The lock on a node's folder; the kernel lets go of it when its holder dies."""
    lock = path.open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as exc:
        lock.close()
        raise NodeFailed(f"another process runs a node in {path.parent}") from exc
    return lock


def _write_private(path: Path, text: str, *, mode: int = 0o600) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as file:
        file.write(text)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex((LOOPBACK, port)) == 0


def _signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)


def _processes() -> dict[int, int]:
    """Every living process and its parent."""
    listed = subprocess.run(
        ["ps", "-A", "-o", "pid=,ppid=,stat="], capture_output=True, text=True, check=True
    )
    rows = [line.split() for line in listed.stdout.splitlines()]
    return {int(pid): int(parent) for pid, parent, state, *_ in rows if not state.startswith("Z")}


def _descendants(roots: set[int]) -> set[int]:
    """Children of children: Erlang gives its helper programs sessions of their own, so no group has them all."""
    if not roots:
        return set()
    parents = _processes()
    family = set(roots)
    while grown := {pid for pid, parent in parents.items() if parent in family} - family:
        family |= grown
    return family - roots


def _wait_gone(pids: set[int], *, grace: float = 3.0) -> None:
    """Erlang's helper programs end by themselves when their VM is gone; those that do not are killed."""
    deadline = time.monotonic() + grace
    while (left := pids & _processes().keys()) and time.monotonic() < deadline:
        time.sleep(0.02)
    for pid in left:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
