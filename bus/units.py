"""systemd units: each program as a user of its own that may write where it has to, and nowhere else.

A program that is misconfigured (exit 2) is not started again: that needs a person. Whatever else ends it may be over in
a while, however long, so that it is started again without end, every ten seconds.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bus.errors import Misconfigured, Problem
from bus.exits import MISUSED

_TEXT = """[Unit]
Description={description}
Wants=network-online.target
After=network-online.target
# A database may be away for an hour: there is no number of restarts after which this stays down.
StartLimitIntervalSec=0

[Service]
# It says itself when it works (sd_notify).
Type=notify
NotifyAccess=main
User={user}
Group={user}
UMask=0077
WorkingDirectory={home}
{environment}{credentials}ExecStart={command}
# A program that is stuck says no more that work goes on, and is started again.
WatchdogSec={watchdog}
Restart=on-failure
RestartSec=10
RestartPreventExitStatus={misused}
TimeoutStopSec=90
{weight}
ProtectSystem=strict
ProtectHome=read-only
ReadWritePaths={writes}
NoNewPrivileges=yes
PrivateTmp=yes
PrivateDevices=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
CapabilityBoundingSet=
SystemCallArchitectures=native
SystemCallFilter=@system-service

[Install]
WantedBy=multi-user.target
"""
_MODE = 0o644
_WATCHDOG = 300
"""Seconds: longer than a database, broker or depot that hangs keeps a thread waiting."""
_USER = r"[a-z_][a-z0-9_-]{0,31}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """One service."""

    name: str
    """The file's name."""
    description: str
    command: Sequence[str]
    home: Path
    """The folder of its settings."""
    writes: Iterable[Path]
    """Folders that it writes into."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables; `%i` in them is the name of the instance."""
    prefix: str = ""
    """That of the variables for settings."""
    weight: int | None = None
    """What it gets of a processor that others want too, beside the 100 of each of them."""
    secrets: Mapping[str, Path | None] = field(default_factory=dict)
    """Files that systemd reads as root and hands over to this service alone, by their settings' keys."""

    def text(self, user: str) -> str:
        """Return the unit's file, for a user of the system. Raises Misconfigured for what would begin another line."""
        secrets = {key: file for key, file in self.secrets.items() if file is not None}
        files = map(str, [self.home, *self.writes, *secrets.values()])
        _require_lines(user, [*self.command, *files, *self.environment.values()])
        shown = (
            f"Environment={_word(f'{name}={value}', '%i')}\n" for name, value in self.environment.items()
        )
        return _TEXT.format(
            description=_plain(self.description),
            user=user,
            home=_plain(str(self.home)),
            environment="".join(shown),
            credentials="".join(self._credential(key, file) for key, file in secrets.items()),
            watchdog=_WATCHDOG,
            command=" ".join(_word(word).replace("$", "$$") for word in self.command),
            misused=MISUSED,
            weight=f"CPUWeight={self.weight}\n" if self.weight else "",
            writes=" ".join(map(_word, map(str, _outermost(self.writes)))),
        )

    def _credential(self, key: str, file: Path) -> str:
        # %d is the folder in which the service finds its credentials; a settings' variable goes before the file.
        variable = self.prefix + key.replace(".", "__").upper()
        return f"LoadCredential={key}:{_plain(str(file))}\nEnvironment={variable}=%d/{key}\n"


def program(name: str, module: str) -> list[str]:
    """Return how a program of this installation is started, by its whole path."""
    installed = Path(sys.executable).with_name(name)
    return [str(installed)] if installed.exists() else [sys.executable, "-m", module]


def write_units(units: Iterable[Unit], user: str, folder: Path) -> list[Path]:
    """Write units into a folder, and return their files; Misconfigured for another file of such a name."""
    files = []
    for unit in units:
        file, text = folder / unit.name, unit.text(user)
        if file.exists() and file.read_text(encoding="utf-8") != text:
            wrong, fix = (
                "is there, and says something else",
                "Compare it, and move it away to have it written anew.",
            )
            raise Misconfigured(Problem(str(file), "unit", wrong, fix))
        folder.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        file.chmod(_MODE)  # systemd warns of what not everybody can read, and a unit holds no secret
        files.append(file)
    return files


def _require_lines(user: str, others: Iterable[str]) -> None:
    if not re.fullmatch(_USER, user):
        fix = "Write the name of a user of this system, such as saraban"
        raise Misconfigured(Problem("unit", "--user", "is no user's name", fix))
    if not all(text.isprintable() for text in others):
        fix = "Rename it: a unit holds it on one line"
        raise Misconfigured(Problem("unit", "path", "has a character that is no letter", fix))


def _outermost(folders: Iterable[Path]) -> Iterator[Path]:
    found = sorted({folder.absolute() for folder in folders})
    yield from (one for one in found if not any(other in one.parents for other in found))


def _plain(text: str) -> str:
    return text.replace("%", "%%")


def _word(text: str, specifier: str = "") -> str:
    """Quote one word for systemd (systemd.service(5), "Command lines"), with a specifier left as it is."""
    parts = text.split(specifier) if specifier else [text]
    quoted = specifier.join(_plain(part) for part in parts)
    quoted = quoted.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{quoted}"' if any(char in quoted for char in " \t'\"\\;") else quoted
