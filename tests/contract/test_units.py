"""Service units: systemd takes them, each command in them parses, and a program says itself when it works."""

from __future__ import annotations

import asyncio
import os
import shlex
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from adapters.cli.units import unit_of
from bus import assets
from bus.errors import Misconfigured, Transient
from bus.ledger.group import GroupCommit
from bus.ledger.store import Ledger
from bus.platform.process import open_to_others
from bus.process import beat
from bus.router.parts import Parts
from bus.router.process import _come_round
from bus.router.processing import Processor
from bus.settings.adapter import load_adapter_settings
from bus.units import Unit, write_units
from compose.ports import free_ports
from tests.programs import programs
from tests.project import ROOT

ANALYZE = shutil.which("systemd-analyze")
UNITS = {f"saraban-{name}.service" for name in ("depot", "router@", "enrol", "console")}


def run(*words: str, module: str = "bus", **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", module, *words]
    return programs.finished(command, environment={**os.environ, **environment})


@pytest.fixture(scope="module")
def centre(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A centre in a folder that systemd would read otherwise, were its name not quoted."""
    home = tmp_path_factory.mktemp("units") / "ศูนย์ 100% $HOME"
    assert run("init", str(home), "--yes").returncode == 0
    return home


@pytest.fixture(scope="module")
def written(centre: Path) -> Path:
    folder = centre.parent / "system"
    done = run(
        "units", "--systemd", "--folder", str(folder), "--user", "root", "-c", str(centre / "bus.toml")
    )
    assert done.returncode == 0, done.stderr
    adapter = centre.parent / "adapter.toml"
    example = assets.path("config/adapter.toml").read_text(encoding="utf-8")
    adapter.write_text(example, encoding="utf-8")
    unit = ["unit", "--systemd", "--folder", str(folder), "--user", "root"]
    done = run("--config", str(adapter), *unit, module="adapters")
    assert done.returncode == 0, done.stderr
    return folder


def commands(folder: Path) -> Iterator[tuple[str, list[str]]]:
    for file in sorted(folder.iterdir()):
        for line in file.read_text(encoding="utf-8").splitlines():
            if line.startswith("ExecStart="):
                quoted = line.removeprefix("ExecStart=").replace("$$", "$").replace("%%", "%")
                yield file.name, shlex.split(quoted)


def test_each_program_of_the_centre_and_the_adapter_has_a_unit(written: Path) -> None:
    names = {file.name for file in written.iterdir()}
    assert names >= UNITS
    (adapter,) = names - UNITS
    assert adapter.startswith("saraban-adapter-")


@pytest.mark.skipif(ANALYZE is None, reason="there is no systemd-analyze here")
def test_systemd_takes_every_unit_without_a_word(written: Path) -> None:
    for file in written.iterdir():
        done = subprocess.run(
            ["systemd-analyze", "verify", "--man=no", str(file)], capture_output=True, text=True
        )
        ours = [line for line in done.stderr.splitlines() if "saraban" in line]
        assert (done.returncode, ours) == (0, []), file


@pytest.mark.skipif(ANALYZE is None, reason="there is no systemd-analyze here")
def test_that_look_would_find_a_mistake(written: Path, tmp_path: Path) -> None:
    text = (written / "saraban-enrol.service").read_text(encoding="utf-8")
    wrong = tmp_path / "saraban-wrong.service"
    wrong.write_text(text.replace("ProtectSystem=strict", "ProtectSystem=perhaps"), encoding="utf-8")
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(wrong)], capture_output=True, text=True
    )
    assert "perhaps" in done.stderr


def test_every_command_parses_and_names_its_settings(written: Path, centre: Path) -> None:
    found = dict(commands(written))
    for name, words in found.items():
        assert Path(words[0]).is_file()
        done = subprocess.run([*words, "--help"], cwd=ROOT, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, ""), name
        mistyped = subprocess.run([*words, "--nonsense", "--help"], cwd=ROOT, capture_output=True, text=True)
        assert mistyped.returncode == 2
    assert str(centre / "bus.toml") in found["saraban-depot.service"]


def test_a_unit_is_hardened_and_may_write_its_own_folders_only(written: Path, centre: Path) -> None:
    for file in written.iterdir():
        lines = file.read_text(encoding="utf-8").splitlines()
        for needed in ("ProtectSystem=strict", "NoNewPrivileges=yes", "PrivateTmp=yes", "UMask=0077",
                       "RestartPreventExitStatus=2", "Restart=on-failure", "Type=notify",
                       "User=root", "WatchdogSec=300"):  # fmt: skip
            assert needed in lines, (file.name, needed)
        (writes,) = [line for line in lines if line.startswith("ReadWritePaths=")]
        if "adapter" in file.name:
            assert "/keys" in writes  # it renews its seal there
        else:
            assert "/keys" not in writes
            assert str(centre).replace("%", "%%") in writes
        assert file.stat().st_mode & 0o777 == 0o644
    router = (written / "saraban-router@.service").read_text(encoding="utf-8")
    assert "Environment=SARABAN_BUS__ROUTER__NAME=%i" in router
    assert "log.%i.head" in router


def test_the_console_alone_gives_way_to_the_others(written: Path) -> None:
    weighed = {
        file.name for file in written.iterdir() if "CPUWeight=25\n" in file.read_text(encoding="utf-8")
    }
    assert weighed == {"saraban-console.service"}


def credentials(file: Path) -> dict[str, str]:
    """The variables of a unit that name a credential, with the file that each is a copy of."""
    lines = file.read_text(encoding="utf-8").splitlines()
    loaded = dict(
        line.removeprefix("LoadCredential=").split(":", 1)
        for line in lines
        if line.startswith("LoadCredential=")
    )
    named = [line.removeprefix("Environment=").split("=%d/") for line in lines if "=%d/" in line]
    return {variable: loaded[name].replace("%%", "%") for variable, name in named}


def test_each_program_is_handed_its_own_secrets_and_no_others(written: Path, centre: Path) -> None:
    of_unit = {name: credentials(written / name) for name in UNITS}
    seal = {"SARABAN_BUS__SEAL__KEY": str(centre / "keys/bus.key.pem")}
    assert of_unit["saraban-router@.service"] == {
        **seal,
        "SARABAN_BUS__LEDGER__KEY": str(centre / "keys/log.key.pem"),
        "SARABAN_BUS__BROKER__PASSWORD_FILE": str(centre / "passwords/bus.router"),
    }
    assert of_unit["saraban-enrol.service"].items() >= seal.items()
    assert of_unit["saraban-depot.service"] == {"SARABAN_BUS__DEPOT__KEY": str(centre / "keys/depot.key.pem")}
    (adapter,) = (file for file in written.iterdir() if file.name not in UNITS)
    assert list(credentials(adapter)) == ["SARABAN_ADAPTER__BROKER__PASSWORD_FILE"]


def test_a_seal_that_its_adapter_does_not_renew_is_a_credential(tmp_path: Path) -> None:
    config = tmp_path / "adapter.toml"
    config.write_text('agency = "1100700000"\n[seal]\nrenew_days = 0\n', encoding="utf-8")
    unit = unit_of(load_adapter_settings(config), config)
    assert unit.secrets["seal.key"] == tmp_path / "keys/agency.key.pem"
    assert str(tmp_path / "keys") not in unit.text("root").split("ReadWritePaths=")[1].split("\n")[0]


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="only root gives a file to root")
def test_what_systemd_hands_over_is_believed_to_be_private(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("open sesame\n")
    for mode, inside, outside in [(0o400, True, True), (0o440, True, False), (0o444, False, False)]:
        secret.chmod(mode)
        for variable, private in [("CREDENTIALS_DIRECTORY", inside), ("NO_CREDENTIALS", outside)]:
            with monkeypatch.context() as set_here:
                set_here.setenv(variable, str(tmp_path))
                with secret.open("rb") as file:
                    assert open_to_others(file.fileno()) is not private, (mode, variable)


def test_another_unit_of_that_name_is_left_alone(tmp_path: Path) -> None:
    unit = Unit(name="a.service", description="a", command=["/bin/true"], home=tmp_path, writes=[tmp_path])
    (file,) = write_units([unit], "root", tmp_path)
    write_units([unit], "root", tmp_path)
    file.write_text("mine")
    with pytest.raises(Misconfigured):
        write_units([unit], "root", tmp_path)
    assert file.read_text() == "mine"


@pytest.mark.parametrize(("user", "home"), [("root\nExecStartPre=/bin/sh", "a"), ("saraban", "a\nUser=root")])
def test_nothing_that_is_given_begins_a_line_of_its_own(tmp_path: Path, user: str, home: str) -> None:
    unit = Unit(name="a.service", description="a", command=["/bin/true"], home=tmp_path / home, writes=[])
    with pytest.raises(Misconfigured):
        unit.text(user)


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    """The socket on which a service manager listens."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(60)
        yield listening


@pytest.mark.parametrize("command", ["serve", "enrol", "router", "console"])
def test_a_program_says_that_it_works_and_that_it_ends(
    manager: socket.socket, tmp_path: Path, command: str
) -> None:
    home, (port, other) = tmp_path / "home", free_ports(2)
    assert run("init", str(home), "--yes", "--person", "somying-sample").returncode == 0
    config = str(home / "bus.toml")
    assert run("calendar", "apply", "-c", config).returncode == 0
    password = home / "passwords" / "bus.router"
    password.touch(mode=0o600)
    password.write_text("sample\n")
    environment = {
        **os.environ,
        "NOTIFY_SOCKET": str(tmp_path / "notify"),
        "SARABAN_BUS__DEPOT__LISTEN_PORT": str(port),
        "SARABAN_BUS__CONSOLE__LISTEN_PORT": str(other),
        "SARABAN_BUS__BROKER__URL": "amqp://127.0.0.1:1",
        "WATCHDOG_USEC": "1000000",
    }
    words = [sys.executable, "-m", "bus", command, "-c", config]
    process = subprocess.Popen(words, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL)
    try:
        assert manager.recv(100) == b"READY=1"
        if command == "serve":
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
        for _ in range(3):
            assert manager.recv(100) == b"WATCHDOG=1"
        process.terminate()
        while (said := manager.recv(100)) == b"WATCHDOG=1":
            pass
        assert said == b"STOPPING=1"
        # Told once: whoever is at its end already would be ended by a second SIGTERM, and not end by itself.
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()


async def test_there_is_no_sign_of_life_while_the_work_stands_still(
    manager: socket.socket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    monkeypatch.setenv("WATCHDOG_USEC", "1000")
    manager.setblocking(False)
    turns: asyncio.Queue[asyncio.Event] = asyncio.Queue()

    async def turn() -> None:
        turns.put_nowait(goes_on := asyncio.Event())
        await goes_on.wait()

    stop = asyncio.Event()
    beating = asyncio.create_task(beat(stop, turn))
    first = await turns.get()
    with pytest.raises(BlockingIOError):
        manager.recv(100)
    first.set()
    await turns.get()
    assert manager.recv(100) == b"WATCHDOG=1"
    stop.set()  # while a turn is under way: the end does not wait for it
    await beating
    with pytest.raises(BlockingIOError):
        manager.recv(100)


@pytest.mark.parametrize("stuck", ["gates", "append"])
async def test_a_router_whose_thread_is_stuck_has_not_come_round(stuck: str) -> None:
    held, going = threading.Event(), threading.Event()

    class Standing:
        """A ledger whose append lock is held by somebody else."""

        def append(self) -> object:
            going.set()
            held.wait()
            raise Transient("given up")

    gates = ThreadPoolExecutor(1)
    appends = GroupCommit(cast("Ledger", Standing()))
    intake = cast("Processor", SimpleNamespace(_gates=gates))
    parts = SimpleNamespace(
        intake=SimpleNamespace(come_round=partial(Processor.come_round, intake)), appends=appends
    )
    if stuck == "gates":
        gates.submit(held.wait)
    coming = asyncio.create_task(_come_round(cast("Parts", parts)))
    try:
        if stuck == "append":
            await asyncio.to_thread(going.wait, 60)
        await asyncio.sleep(0)
        assert not coming.done()
    finally:
        held.set()
    await asyncio.wait_for(coming, 60)  # that the ledger is away is an answer too
    appends.close()
    gates.shutdown()


def test_a_program_that_cannot_work_never_says_that_it_does(manager: socket.socket, tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert run("init", str(home), "--yes").returncode == 0
    (home / "keys" / "bus.key.pem").unlink()
    done = run("router", "-c", str(home / "bus.toml"), NOTIFY_SOCKET=str(tmp_path / "notify"))
    assert done.returncode == 2  # which the unit does not start again
    manager.setblocking(False)
    with pytest.raises(BlockingIOError):
        manager.recv(100)


@pytest.mark.parametrize("module", ["bus", "adapters", "bus.verifier"])
def test_every_command_says_its_version(module: str) -> None:
    done = run("--version", module=module)
    assert done.returncode == 0
    assert version("saraban-bus") in done.stdout
