"""compose.yaml describes the same bus: its settings load, its secrets exist, and it gives nothing away."""

from __future__ import annotations

import re
import shutil
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from adapters.cli import app as adapter_commands
from bus.cli.main import app as bus_commands
from bus.settings.adapter import load_adapter_settings
from bus.settings.bus import load_bus_settings
from compose.prepare import prepare
from tests.project import ROOT

FILE = ROOT / "compose" / "compose.yaml"
DESCRIPTION: dict[str, Any] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = DESCRIPTION["services"]
OURS = [name for name, service in SERVICES.items() if service["image"] == "saraban-bus"]


@pytest.fixture(scope="module")
def private(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("compose") / "private"
    prepare(folder, ROOT / "config" / "agencies.toml")
    return folder


def names(entries: list[Any]) -> set[str]:
    """Names of secrets, whether given short or long."""
    return {entry if isinstance(entry, str) else entry["source"] for entry in entries}


def test_the_whole_bus_is_there() -> None:
    assert set(SERVICES) >= {"broker", "ledger", "topology", "rules", "router-1", "router-2", "serve"}
    assert [name for name in SERVICES if name.startswith("adapter-")] == ["adapter-opm", "adapter-ocs"]
    assert re.fullmatch(r"rabbitmq:4\.\d+-management", SERVICES["broker"]["image"])
    assert SERVICES["ledger"]["image"].startswith("postgres:17")


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_runs_unprivileged_on_a_file_system_that_it_cannot_change(name: str) -> None:
    service = SERVICES[name]
    assert service["user"].startswith("${SARABAN_UID:?")
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in service
    assert "cap_add" not in service


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_publishes_on_loopback_only_and_not_the_ledger(name: str) -> None:
    ports = SERVICES[name].get("ports", [])
    assert all(port.startswith("127.0.0.1:") for port in ports)
    assert name != "ledger" or not ports
    assert "network_mode" not in SERVICES[name]


@pytest.mark.parametrize(
    "name", ["broker", "ledger", "router-1", "router-2", "serve", "adapter-opm", "adapter-ocs"]
)
def test_a_service_that_stays_says_when_it_is_ready(name: str) -> None:
    assert SERVICES[name]["healthcheck"]["test"][0] == "CMD"
    assert SERVICES[name]["restart"] == "unless-stopped"


@pytest.mark.parametrize("name", SERVICES)
def test_a_dependency_is_waited_for_until_it_can_work(name: str) -> None:
    for other, how in SERVICES[name].get("depends_on", {}).items():
        ends = SERVICES[other]["restart"] == "on-failure"
        assert how == {"condition": "service_completed_successfully" if ends else "service_healthy"}
        assert set(SERVICES[name]["networks"]) <= {"inner", "outer"}


def test_only_the_bus_reaches_the_ledger() -> None:
    assert DESCRIPTION["networks"]["inner"] == {"internal": True}
    reach = {name for name, service in SERVICES.items() if "inner" in service["networks"]}
    assert reach == {"ledger", "rules", "router-1", "router-2", "serve"}


def test_what_is_secret_is_a_file_and_no_guest_is_let_in() -> None:
    values = [
        str(value)
        for service in SERVICES.values()
        for key, value in service.get("environment", {}).items()
        if re.search("PASS", key) and not key.endswith(("_FILE", "_FOLDER"))
    ]
    assert values == []
    conf = (ROOT / "compose" / "rabbitmq.conf").read_text(encoding="utf-8")
    assert "guest" not in re.sub("#.*", "", conf)
    assert "anonymous_login_user = none" in conf
    assert "auth_mechanisms.1 = PLAIN" in conf


def test_each_container_gets_its_own_secrets_and_no_others() -> None:
    assert {"adapter-opm", "adapter-ocs"} == {
        name
        for name, service in SERVICES.items()
        if any("agency." in secret for secret in names(service["secrets"]))
    }
    for name, service in SERVICES.items():
        given = names(service.get("secrets", []))
        assert given <= set(DESCRIPTION["secrets"])
        asked = re.findall(r"/run/secrets/([\w.]+)", yaml.safe_dump(service.get("environment", {})))
        if name.startswith("adapter-") or name == "ledger":
            assert given == set(asked)


def test_preparing_makes_every_file_that_is_mounted_and_only_its_owner_can_read_the_secrets(
    private: Path,
) -> None:
    for secret in DESCRIPTION["secrets"].values():
        file = private / Path(secret["file"]).relative_to("private")
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
    assert stat.S_IMODE(private.stat().st_mode) == 0o700
    for service in SERVICES.values():
        paths = re.findall(
            r"/etc/saraban/certificates/([\w.]+)", yaml.safe_dump(service.get("environment", {}))
        )
        assert all((private / "certificates" / name).is_file() for name in paths)


def test_preparing_again_changes_nothing(private: Path) -> None:
    def contents() -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in private.rglob("*") if path.is_file()}

    before = contents()
    assert len(before) > 20
    prepare(private, ROOT / "config" / "agencies.toml")
    assert contents() == before


@pytest.mark.parametrize("name", OURS)
def test_the_settings_of_a_container_load(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, value in SERVICES[name]["environment"].items():
        monkeypatch.setenv(variable, value)
    if name.startswith("adapter-"):
        adapter = load_adapter_settings()
        assert adapter.broker.user == f"agency.{adapter.agency}"
        assert adapter.seal.key.name == f"{adapter.agency}.key.pem"
    else:
        bus = load_bus_settings()
        assert bus.broker.url == "amqp://broker:5672"
        assert bus.ledger.url == "postgresql://saraban@ledger/saraban"
        assert bus.router.name == (name if name.startswith("router-") else "router-1")


def test_the_commands_of_the_containers_exist() -> None:
    apps = {"saraban-bus": bus_commands, "saraban-adapter": adapter_commands}
    commands = [SERVICES[name]["command"] for name in OURS]
    scripts = [command[2].split(" && ") for command in commands if command[0] == "sh"]
    lines = [line.split() for script in scripts for line in script]
    for program, *words in [*lines, *(command for command in commands if command[0] != "sh")]:
        found: Any = get_command(apps[program])
        for word in words:
            found = found.commands[word]
        assert found.callback is not None


def test_compose_itself_accepts_the_file_where_it_is_installed(private: Path) -> None:
    """Without Compose the tests above must do: it is no part of what the project needs."""
    docker = shutil.which("docker")
    able = (
        docker
        and not subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode
    )
    if able:
        environment = {"PATH": "/usr/bin:/bin", "SARABAN_UID": "1000", "SARABAN_GID": "1000"}
        command = [str(docker), "compose", "--file", str(FILE), "config", "--quiet"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    assert DESCRIPTION["name"] == "saraban"


def test_the_image_holds_nothing_private() -> None:
    ignored = (ROOT / "compose" / "Containerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    assert ignored[0] == "*"
    assert ignored.index("compose/private") > ignored.index("!compose")
    for line in ignored:
        if line.startswith("!"):
            assert (ROOT / line[1:]).exists() or line == "!README.md"
