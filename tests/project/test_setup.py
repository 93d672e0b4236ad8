"""Set-up: nothing to do when all is there, and words instead of failures when it may not install."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest

from compose import programs, setup
from tests.project import ROOT


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without any of the programs that the bus needs."""
    monkeypatch.setattr(programs, "find", lambda name: None)


def cpu_seconds_of_children() -> float:
    """Work done rather than time passed: other tests keep the machine busy."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def with_programs(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    monkeypatch.setattr(
        "compose.setup.shutil.which", lambda name: f"/usr/bin/{name}" if name in names else None
    )


@pytest.mark.usefixtures("bare")
@pytest.mark.parametrize(
    ("purpose", "packages"),
    [
        ("demo", "rabbitmq-server"),
        ("test", "rabbitmq-server postgresql xmlsec1 softhsm2 nginx-light prometheus mariadb-server"),
        ("bench", "rabbitmq-server postgresql"),
    ],
)
def test_without_the_right_to_install_it_names_the_packages_and_stops(
    purpose: str, packages: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with_programs(monkeypatch, "apt-get")
    monkeypatch.setattr("compose.setup.os.geteuid", lambda: 1000)
    assert setup.main([purpose]) == 1
    assert f"apt-get install {packages}" in capsys.readouterr().err


@pytest.mark.usefixtures("bare")
def test_without_a_package_manager_it_names_the_packages_and_stops(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with_programs(monkeypatch)
    assert setup.main(["demo"]) == 1
    assert "rabbitmq-server" in capsys.readouterr().err


@pytest.mark.usefixtures("bare")
def test_on_a_mac_homebrew_installs_and_what_is_still_missing_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ran: list[list[str]] = []
    with_programs(monkeypatch, "brew")
    monkeypatch.setattr(setup, "_run", lambda command, failed: ran.append(command))
    assert setup.main(["test"]) == 1
    assert ran == [
        [
            "brew",
            "install",
            *("rabbitmq", "postgresql@17", "libxmlsec1", "softhsm", "nginx", "prometheus", "mariadb"),
        ]
    ]
    assert (
        "Still not found after the installation: "
        "rabbitmq-server, initdb, xmlsec1, softhsm2-util, nginx, promtool, mariadbd."
        in capsys.readouterr().err
    )


def test_a_setting_names_the_browser_of_the_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(programs.BROWSER, sys.executable)
    assert programs.browser() == Path(sys.executable)
    monkeypatch.setenv(programs.BROWSER, "/no/such/browser")
    with pytest.raises(setup.Stopped, match="SARABAN_BROWSER names /no/such/browser"):
        setup._provide_browser()


@pytest.mark.parametrize("debian", [True, False])
def test_the_browser_is_debians_package_or_else_playwrights_own(
    debian: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed: list[list[str]] = []
    monkeypatch.setattr(programs, "browser", lambda: Path(sys.executable) if installed else None)
    monkeypatch.setattr(setup, "_debian_has_chromium", lambda: debian)
    monkeypatch.setattr(setup, "_install", lambda packages, formulas: installed.append(packages))
    monkeypatch.setattr(setup, "_run", lambda command, failed, environment: installed.append(command[1:]))
    setup._provide_browser()
    assert installed == ([["chromium"]] if debian else [["-m", "playwright", "install", "chromium"]])


def test_an_environment_that_a_link_leads_to_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    foreign, link = tmp_path / "another" / ".venv", tmp_path / ".venv"
    (foreign / "bin").mkdir(parents=True)
    (foreign / "bin" / "pip").touch()
    link.symlink_to(foreign)
    monkeypatch.setattr(setup, "VENV", link)
    setup._make_environment()
    assert [*foreign.iterdir()] == [foreign / "bin"], "as it was"
    assert not link.is_symlink()
    assert (link / "bin" / "python").exists()


def test_it_names_its_purposes(capsys: pytest.CaptureFixture[str]) -> None:
    assert setup.main([]) == setup.main(["party"]) == 2
    assert "demo|test|bench|check" in capsys.readouterr().err


def test_when_all_is_there_it_takes_well_under_a_second_and_says_nothing(tmp_path: Path) -> None:
    """In a copy whose stamp says so: the checkout's own environment is not touched by a test."""
    for folder in ("compose", ".venv/bin"):
        (tmp_path / folder).mkdir(parents=True)
    for name in ("__init__", "programs", "setup"):
        (tmp_path / "compose" / f"{name}.py").write_bytes((ROOT / "compose" / f"{name}.py").read_bytes())
    for name in ("pyproject.toml", "requirements.lock"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    (tmp_path / ".venv/bin/python").symlink_to(sys.executable)
    write = "from compose import setup; setup.STAMP.write_text(setup._stamp(), encoding='utf-8')"
    subprocess.run([sys.executable, "-c", write], cwd=tmp_path, check=True)

    begun = cpu_seconds_of_children()
    done = subprocess.run(
        [sys.executable, "-m", "compose.setup", "test"],
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
    )
    assert cpu_seconds_of_children() - begun < 0.5
    assert done.stdout + done.stderr == ""


@pytest.fixture
def apt(tmp_path: Path) -> Path:
    """A folder for the search path whose `apt-get` writes down what it was told and what the policy answered."""
    fake = tmp_path / "bin" / "apt-get"
    fake.parent.mkdir()
    fake.write_text(
        '#!/bin/sh\necho "$@" >> "$LOG"\n'
        'answer=0; "$POLICY" rabbitmq-server start || answer=$?\necho "policy $answer" >> "$LOG"\nexit "${FAIL:-0}"\n'
    )
    fake.chmod(0o755)
    return tmp_path


def run_apt(folder: Path, policy: Path, **more: str) -> tuple[int, list[str]]:
    log = folder / "log"
    environment = {"PATH": f"{folder}/bin:/usr/bin:/bin", "LOG": str(log), "POLICY": str(policy), **more}
    command = ["/bin/sh", "-c", setup.APT, "apt", str(policy), "rabbitmq-server"]
    done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
    return done.returncode, log.read_text(encoding="utf-8").splitlines()


def test_debian_is_told_not_to_start_what_it_installs(apt: Path) -> None:
    policy = apt / "policy-rc.d"
    status, log = run_apt(apt, policy)
    assert status == 0
    assert log[2:] == ["install --yes --no-install-recommends rabbitmq-server", "policy 101"]
    assert not policy.exists()


def test_the_policy_goes_away_when_the_installation_fails(apt: Path) -> None:
    policy = apt / "policy-rc.d"
    status, log = run_apt(apt, policy, FAIL="100")
    assert status == 100
    assert "policy 101" in log
    assert not policy.exists()


def test_a_policy_of_the_machines_own_is_left_alone(apt: Path) -> None:
    policy = apt / "policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 104\n")
    policy.chmod(0o755)
    status, log = run_apt(apt, policy)
    assert (status, log[-1]) == (0, "policy 104")
    assert policy.read_text() == "#!/bin/sh\nexit 104\n"
