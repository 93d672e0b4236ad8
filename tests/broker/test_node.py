"""The private node: its own in every respect, and gone when it is told to go."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bus.broker.management import Management
from bus.errors import Misconfigured
from compose.node import Node, NodeFailed
from compose.ports import LOOPBACK
from tests.fixtures.broker import Vhost

_OWNER = """
import sys
from pathlib import Path
from compose.node import Node
node = Node(Path(sys.argv[1]), name="orphan")
node.start()
print("up", flush=True)
sys.stdin.read()
"""


def _mentioning(folder: Path) -> list[str]:
    """Living processes of the node in this folder; Linux and macOS list a program's arguments alike."""
    listed = subprocess.run(
        ["ps", "-A", "-ww", "-o", "stat=,args="], capture_output=True, text=True, check=True
    )
    return [line for line in listed.stdout.splitlines() if str(folder) in line and not line.startswith("Z")]


def test_nobody_but_the_operator_is_known_and_guest_least_of_all(vhost: Vhost) -> None:
    users = {each["name"] for each in vhost.management.get("users")}
    assert users == {"operator", "tester"}
    address = f"{LOOPBACK}:{vhost.node.ports.management}"
    with Management(f"http://guest:guest@{address}") as guest, pytest.raises(Misconfigured):
        guest.get("overview")


def test_every_secret_is_its_owners_alone(broker_node: Node) -> None:
    password = broker_node.folder / "operator.password"
    cookie = broker_node.folder / "home" / ".erlang.cookie"
    modes = [oct(path.stat().st_mode & 0o777) for path in (broker_node.folder, password, cookie)]
    assert modes == ["0o700", "0o600", "0o400"]
    assert broker_node.operator_password not in (broker_node.folder / "definitions.json").read_text()


@pytest.mark.skipif(sys.platform != "linux", reason="/proc/net/tcp lists listening sockets on Linux only")
def test_it_listens_on_loopback_only(broker_node: Node) -> None:
    ports = {getattr(broker_node.ports, name) for name in ("amqp", "management", "distribution", "epmd")}
    heard: dict[int, set[str]] = {port: set() for port in ports}
    for table in ("tcp", "tcp6"):
        for line in Path("/proc/net", table).read_text().splitlines()[1:]:
            local, state = line.split()[1], line.split()[3]
            address, port = local.split(":")
            if state == "0A" and int(port, 16) in ports:
                heard[int(port, 16)].add(address)
    assert all(heard.values())
    assert set().union(*heard.values()) <= {"0100007F", "00000000000000000000000001000000"}


def test_a_folder_has_one_node_at_a_time(broker_node: Node) -> None:
    with pytest.raises(NodeFailed, match="another process"):
        Node(broker_node.folder).start()
    assert broker_node.running


def test_a_message_over_the_limit_is_the_brokers_to_refuse(broker_node: Node) -> None:
    limit = broker_node.ctl("eval", "application:get_env(rabbit, max_message_size).")
    assert limit.strip() == "{ok,2097152}"


def test_a_node_ends_with_the_process_that_started_it_even_if_that_one_is_killed(tmp_path: Path) -> None:
    folder = tmp_path / "node"
    owner = subprocess.Popen(
        [sys.executable, "-c", _OWNER, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
        text=True,
    )
    with owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == "up\n"
        assert _mentioning(folder)
        owner.send_signal(signal.SIGKILL)
    _until_gone(folder)

    with Node(folder, name="orphan") as successor:
        os.killpg(_group_of_vm(successor), signal.SIGKILL)
        successor.wipe()
        assert not (folder / "data").exists()
    assert _mentioning(folder) == []


def _group_of_vm(node: Node) -> int:
    return os.getpgid(int((node.folder / "node.pid").read_text()))


def _until_gone(folder: Path, *, within: float = 10.0) -> None:
    deadline = time.monotonic() + within
    while _mentioning(folder):
        assert time.monotonic() < deadline, _mentioning(folder)
        time.sleep(0.05)
