"""`saraban-bus units`: the service units of the centre."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from bus.cli.common import Config, say, settings_of
from bus.settings.bus import BusSettings
from bus.units import Unit, program, write_units

_SQLITE_FILE = "sqlite:///"
_CONSOLE_WEIGHT = 25
"""Routers and depot have the processor first."""


def units(
    systemd: Annotated[
        bool, typer.Option("--systemd", help="As systemd has them, the one kind there is.")
    ] = False,
    folder: Annotated[
        Path | None,
        typer.Option(help="Where to write them, such as /etc/systemd/system; printed if left out."),
    ] = None,
    user: Annotated[str, typer.Option(help="The system's user and group that they run as.")] = "saraban",
    config: Config = None,
) -> None:
    """Write units for depot, routers (saraban-router@NAME), enrolment and console, hardened; start none."""
    if not systemd:
        raise typer.BadParameter("say for what: --systemd", param_hint="units")
    place = (config or Path("bus.toml")).absolute()
    found = list(units_of(settings_of(place), place))
    if folder is None:
        say(None, json=False, words=(line for one in found for line in _printed(one, user)))
        return
    written = write_units(found, user, folder)
    router = "systemctl enable --now saraban-depot saraban-enrol saraban-console saraban-router@router-1"
    say(None, json=False, words=[*map(str, written), f"next: systemctl daemon-reload; {router}"])


def units_of(settings: BusSettings, config: Path) -> Iterator[Unit]:
    """Yield the units of these settings."""
    ledger, depot, home = settings.ledger, settings.depot, config.parent
    books = [*_folder_of(ledger.url), ledger.kept_head.parent]
    saraban = program("saraban-bus", "bus")

    def unit(
        name: str,
        command: str,
        what: str,
        writes: list[Path],
        secrets: dict[str, Path | None],
        weight: int | None = None,
        **environment: str,
    ) -> Unit:
        words = [*saraban, command, "--config", str(config)]
        return Unit(
            name=name, description=f"Saraban Bus: {what}", command=words, home=home, writes=writes,
            environment=environment, prefix=str(settings.model_config["env_prefix"]),
            secrets={"ledger.password_file": ledger.password_file, **secrets}, weight=weight,
        )  # fmt: skip

    yield unit(
        "saraban-depot.service",
        "serve",
        "depot, public log and enrolment",
        [depot.folder, *_folder_of(depot.database), *books],
        {"depot.key": depot.key, "depot.database_password_file": depot.database_password_file},
    )
    kept, seal = ledger.kept_head, {"seal.key": None if settings.seal.device else settings.seal.key}
    yield unit(
        "saraban-router@.service",
        "router",
        "router" if ledger.url.startswith("postgresql") else "router (one, as the ledger is a SQLite file)",
        books,
        {**seal, "ledger.key": ledger.key, **_of_brokers(settings, "password_file", "key")},
        SARABAN_BUS__ROUTER__NAME="%i",
        SARABAN_BUS__LEDGER__KEPT_HEAD=str(kept.with_name(f"{kept.stem}.%i{kept.suffix}")),
    )
    passwords = [broker.passwords_folder for broker in settings.brokers.values()]
    yield unit(
        "saraban-enrol.service",
        "enrol",
        "requests that need no person",
        [*passwords, *books],
        {**seal, **_of_brokers(settings, "management_password_file")},
    )
    console = settings.console
    yield unit(
        "saraban-console.service",
        "console",
        "pages for operators and auditors",
        [console.results, *_folder_of(console.database), *_folder_of(ledger.url)],
        {
            **(seal if console.seal else {}),
            "console.key": console.key,
            "console.database_password_file": console.database_password_file,
            "console.oidc_client_secret_file": console.oidc_client_secret_file,
            **_of_brokers(settings, "monitor_password_file"),
        },
        weight=_CONSOLE_WEIGHT,
    )


def _of_brokers(settings: BusSettings, *names: str) -> dict[str, Path | None]:
    """Return the files of these settings of each broker cluster; no variable can name one with a hyphen."""
    sections = {
        "broker": settings.broker,
        **{f"clusters.{name}": one for name, one in settings.clusters.items()},
    }
    return {
        f"{section}.{name}": getattr(broker, name)
        for section, broker in sections.items()
        for name in names
        if "-" not in section
    }


def _folder_of(url: str) -> list[Path]:
    return [Path(url.removeprefix(_SQLITE_FILE)).parent] if url.startswith(_SQLITE_FILE) else []


def _printed(unit: Unit, user: str) -> Iterator[str]:
    yield f"# {unit.name}"
    yield from unit.text(user).splitlines()
