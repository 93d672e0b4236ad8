"""`saraban-adapter unit`: the adapter as a service."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from adapters.cli.output import Config, config_before_command, say, settings_of
from bus.settings.adapter import AdapterSettings
from bus.units import Unit, program, write_units


def unit(
    systemd: Annotated[
        bool, typer.Option("--systemd", help="As systemd has it, the one kind there is.")
    ] = False,
    folder: Annotated[
        Path | None, typer.Option(help="Where to write it, such as /etc/systemd/system; printed if left out.")
    ] = None,
    user: Annotated[str, typer.Option(help="The system's user and group that it runs as.")] = "saraban",
    config: Config = None,
) -> None:
    """Write the unit of this adapter, hardened; it is not started."""
    if not systemd:
        raise typer.BadParameter("say for what: --systemd", param_hint="unit")
    place = (config or config_before_command.get() or Path("adapter.toml")).absolute()
    found = unit_of(settings_of(place), place)
    if folder is None:
        say(False, None, f"# {found.name}")
        for line in found.text(user).splitlines():
            say(False, None, line)
        return
    for file in write_units([found], user, folder):
        say(False, None, f"{file}\nต่อไป · next: systemctl daemon-reload; systemctl enable --now {found.name}")


def unit_of(settings: AdapterSettings, config: Path) -> Unit:
    """Return the unit of these settings; several agencies on one machine have one each."""
    office, seal, witness = settings.connectors.folder, settings.seal, settings.witness
    # What the adapter renews it has to write: such a key is no credential, which is a copy.
    renewed = bool(seal.renew_days) and seal.device is None
    kept = None if renewed or seal.device else seal.key
    return Unit(
        name=f"saraban-adapter-{settings.agency}.service",
        description=f"Saraban Bus: adapter of agency {settings.agency}",
        command=[*program("saraban-adapter", "adapters"), "--config", str(config), "run"],
        home=config.parent,
        writes=[
            settings.mailbox.folder,
            *([office.path] if office.enabled else []),
            *([seal.key.parent, seal.certificate.parent] if renewed else []),
        ],
        prefix=str(settings.model_config["env_prefix"]),
        secrets={
            "broker.password_file": settings.broker.password_file,
            "seal.key": kept,
            "witness.key": witness.key if witness.log_key else None,
        },
    )
