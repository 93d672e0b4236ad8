"""Makes a fresh checkout ready for `make demo`, `make test`, `make check` or `make bench`; does nothing when it is.

Two things are seen to: the system packages whose programs the purpose needs (RabbitMQ; for tests and benchmarks also
PostgreSQL; for tests xmlsec1, SoftHSM, nginx, Prometheus, MariaDB and a Chromium), and a virtual environment with
exactly the packages of requirements.lock, each checked by its hash. Except for system packages, nothing outside the
checkout is written. The tests' browser is the platform's own, or the one that SARABAN_BROWSER names; where the platform
has none, Playwright's own is downloaded into build/browsers.

It runs under the system's python3 before anything is installed: standard library only, and readable by a Python that
is older than the project's.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from compose import programs

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
BUILD = ROOT / "build"
STAMP = VENV / ".build-stamp"
"""Stands in the environment that it vouches for, so that neither outlives the other."""

OLDEST, NEWEST = (3, 11), (3, 14)
POLICY = "/usr/sbin/policy-rc.d"

# program, Debian's package, Homebrew's formula
_RABBITMQ = ("rabbitmq-server", "rabbitmq-server", "rabbitmq")
_POSTGRESQL = ("initdb", "postgresql", "postgresql@17")
_NGINX = ("nginx", "nginx-light", "nginx")
_SOFTHSM = ("softhsm2-util", "softhsm2", "softhsm")
_XMLSEC = ("xmlsec1", "xmlsec1", "libxmlsec1")
_PROMETHEUS = ("promtool", "prometheus", "prometheus")
_MARIADB = ("mariadbd", "mariadb-server", "mariadb")
NEEDS = {
    "demo": (_RABBITMQ,),
    "test": (_RABBITMQ, _POSTGRESQL, _XMLSEC, _SOFTHSM, _NGINX, _PROMETHEUS, _MARIADB),
    "bench": (_RABBITMQ, _POSTGRESQL),
    "check": (),
}

# Debian starts a server when it is installed, and at every boot from then on. Ours are started when they are needed, on
# ports of their own; so maintainer scripts are told not to start any, by the file that they ask (see invoke-rc.d(8)).
# A policy that the machine has already is left alone. Ours says no only while this very shell lives, whatever kills it.
APT = r"""
set -eu
policy=$1; shift
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    trap 'exit 130' HUP INT TERM
    printf '#!/bin/sh\nif kill -0 %s 2>/dev/null; then exit 101; else exit 104; fi\n' "$$" > "$policy"
    chmod 755 "$policy"
fi
apt-get update -qq
new=
if [ -d /run/systemd/system ]; then
    for unit in rabbitmq-server.service epmd.service epmd.socket postgresql.service nginx.service prometheus.service \
            mariadb.service; do
        systemctl cat "$unit" >/dev/null 2>&1 || new="$new $unit"
    done
fi
DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends "$@"
for unit in $new; do
    systemctl disable --quiet "$unit" 2>/dev/null || true
done
"""


class Stopped(Exception):
    """Set-up cannot go on; the message tells a person what to do."""


def main(arguments: list[str]) -> int:
    """Make everything ready for one purpose; 0 when it is, 1 when a person has to do something first."""
    if len(arguments) != 1 or arguments[0] not in NEEDS:
        print(f"usage: python3 -m compose.setup {'|'.join(NEEDS)}", file=sys.stderr)
        return 2
    try:
        _run_under_supported_python()
        BUILD.mkdir(exist_ok=True)
        with (BUILD / "setup.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            _provide_programs(arguments[0])
            _provide_environment()
            if arguments[0] == "test":
                _provide_browser()
    except Stopped as stopped:
        print(stopped, file=sys.stderr)
        return 1
    return 0


def _run_under_supported_python() -> None:
    """Start over under a Python that the project supports, if this one is none; install one if there is none."""
    if sys.version_info[:2] >= OLDEST:
        return
    names = [f"python3.{minor}" for minor in range(NEWEST[1], OLDEST[1] - 1, -1)]
    found = next(filter(None, map(programs.find, names)), None)
    if found is None:
        oldest = ".".join(map(str, OLDEST))
        _say(f"Python {oldest} or later is needed; this is {sys.version.split()[0]}.")
        _install([f"python{oldest}", f"python{oldest}-venv"], ["python@3.13"])
        found = next(filter(None, map(programs.find, names)), None)
    if found is None:
        raise Stopped(
            f"No Python between {names[-1]} and {names[0]} was found. Install one and run make again."
        )
    os.execv(found, [str(found), "-m", "compose.setup", *sys.argv[1:]])  # noqa: S606 - a list of words, no shell


def missing(purpose: str) -> list[tuple[str, str, str]]:
    """Return (program, Debian's package, Homebrew's formula) of what the purpose needs and the machine lacks."""
    # The demonstration can use a broker that runs already (compose/local.py), and then installs none.
    elsewhere = purpose == "demo" and "SARABAN_BROKER_MANAGEMENT" in os.environ
    needs = [need for need in NEEDS[purpose] if not (elsewhere and need is _RABBITMQ)]
    return [need for need in needs if programs.find(need[0]) is None]


def _provide_programs(purpose: str) -> None:
    lacking = missing(purpose)
    if lacking:
        _install([need[1] for need in lacking], [need[2] for need in lacking])
    still = [need[0] for need in missing(purpose)]
    if still:
        raise Stopped(f"Still not found after the installation: {', '.join(still)}.")


def _install(debian: list[str], homebrew: list[str]) -> None:
    """Install system packages by this machine's package manager, or stop and say which are needed."""
    if shutil.which("apt-get"):
        command = ["/bin/sh", "-c", APT, "apt", POLICY, *debian]
        by_hand = f"apt-get install {' '.join(debian)}"
        _as_root(command, by_hand, f"Installing {', '.join(debian)} (their services are not started).")
    elif shutil.which("brew"):
        command = ["brew", "install", *homebrew]
        _say(f"Installing {', '.join(homebrew)} by Homebrew (no service is started).")
        _run(
            command,
            f"Homebrew did not install them. Do it by hand and run make again:\n  {shlex.join(command)}",
        )
    else:
        raise Stopped(
            "These are needed, and neither apt-get nor Homebrew is here to install them; they are named as in Debian: "
            + ", ".join(debian)
        )


def _as_root(command: list[str], by_hand: str, saying: str) -> None:
    if os.geteuid() != 0:
        sudo = shutil.which("sudo")
        if sudo is None or not _may_use(sudo):
            raise Stopped(
                "System packages are missing, and this user may not install them.\n"
                f"Let an administrator run the following, then run make again:\n  {by_hand}"
            )
        command = [sudo, *command]
    _say(saying)
    _run(command, f"The installation failed; the reason stands above. By hand it is:\n  {by_hand}")


def _may_use(sudo: str) -> bool:
    """Whether sudo lets this user in; at a terminal it may ask for the password."""
    ask = [sudo, "-v"] if sys.stdin.isatty() else [sudo, "-n", "true"]
    return (
        subprocess.run(ask, check=False, stderr=None if sys.stdin.isatty() else subprocess.DEVNULL).returncode
        == 0
    )


def _provide_environment() -> None:
    """Bring the virtual environment to the state that the lock describes, unless its stamp says that it is there."""
    wanted = _stamp()
    if _read(STAMP) == wanted and (VENV / "bin" / "python").exists():
        return
    if not _ours():
        _make_environment()
    _say("Installing the locked packages into .venv (half a minute, once).")
    STAMP.unlink(missing_ok=True)
    pip = [str(VENV / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "--no-input"]
    pip += ["--cache-dir", str(BUILD / "cache" / "pip"), "install", "-qq"]
    failed = "The packages of requirements.lock could not be installed; the reason stands above."
    # Wheels only: a source archive would run code while it is built, with tools that no hash vouches for.
    _run([*pip, "--require-hashes", "--only-binary=:all:", "-r", "requirements.lock"], failed)
    _run([*pip, "--no-deps", "--no-index", "--no-build-isolation", "--editable", "."], failed)
    STAMP.write_text(wanted, encoding="utf-8")


def _provide_browser() -> None:
    """See that the tests find a Chromium: one that is here, else Debian's package, else Playwright's own download."""
    if programs.browser() is not None:
        return
    if named := os.environ.get(programs.BROWSER):
        raise Stopped(f"{programs.BROWSER} names {named}, and no program is there.")
    if _debian_has_chromium():
        _install([programs.CHROMIUM], [])
    else:
        _say("Downloading Playwright's Chromium into build/browsers.")
        command = [str(VENV / "bin" / "python"), "-m", "playwright", "install", "chromium"]
        environment = {**os.environ, "PLAYWRIGHT_BROWSERS_PATH": str(programs.BROWSERS)}
        _run(command, f"It failed; {programs.BROWSER} can name a Chromium that is here.", environment)
    if programs.browser() is None:
        raise Stopped(f"No Chromium was found; {programs.BROWSER} can name one.")


def _debian_has_chromium() -> bool:
    """Whether this is Debian: Ubuntu's package of that name only asks for a snap."""
    return "debian" in re.findall(r"^ID=\"?(\w+)", _read(Path("/etc/os-release")), re.MULTILINE)


def _make_environment() -> None:
    version = ".".join(map(str, sys.version_info[:2]))
    if importlib.util.find_spec("ensurepip") is None:  # Debian keeps it in a package of its own
        _install([f"python{version}-venv"], [f"python@{version}"])
    _say(f"Making .venv with Python {version}.")
    if VENV.is_symlink():  # what it leads to belongs to another checkout, and `--clear` would empty that
        VENV.unlink()
    _run([sys.executable, "-m", "venv", "--clear", str(VENV)], "The virtual environment could not be made.")


def _ours() -> bool:
    """Whether .venv was made at this very place by this Python: an environment does not survive a move."""
    lines = [line.partition("=") for line in _read(VENV / "pyvenv.cfg").splitlines()]
    config = {key.strip(): value.strip() for key, _, value in lines}
    same_python = config.get("version") == sys.version.split()[0]
    return same_python and config.get("command", "").endswith(f" {VENV}") and (VENV / "bin" / "pip").exists()


def _stamp() -> str:
    digest = hashlib.sha256()
    for name in ("requirements.lock", "pyproject.toml"):
        digest.update((ROOT / name).read_bytes())
    return f"{digest.hexdigest()} Python {sys.version.split()[0]} {ROOT}\n"


def _read(file: Path) -> str:
    return file.read_text(encoding="utf-8") if file.exists() else ""


def _run(command: list[str], failed: str, environment: Mapping[str, str] | None = None) -> None:
    if subprocess.run(command, cwd=ROOT, check=False, env=environment).returncode:
        raise Stopped(failed)


def _say(sentence: str) -> None:
    print(f"set-up: {sentence}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
