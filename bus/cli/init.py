"""`saraban-bus init`: the centre in service, from few questions; run again it makes what is missing."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

import typer

from bus.cli.common import Json, say
from bus.documents.keys import write_private
from bus.documents.making import KeyFiles
from bus.errors import Misconfigured, Problem
from bus.installing import Step, Wanted, make
from bus.installing.wanted import BROKER, LOOPBACK, MANAGEMENT, SQLITE
from bus.people import People
from bus.settings.bus import BusSettings, load_bus_settings

_ADMIN = "bus.admin"


def init(
    folder: Annotated[Path, typer.Argument(help="Where settings, keys and data are to be.")] = Path(),
    sqlite: Annotated[
        bool, typer.Option("--sqlite", help="Keep the ledger in a SQLite file: one router.")
    ] = False,
    postgresql: Annotated[
        str | None, typer.Option(help="Keep it there: postgresql://USER@HOST/DATABASE, as routers.")
    ] = None,
    owner: Annotated[
        str | None, typer.Option(help="The same database as the owner of its tables; else USER_owner.")
    ] = None,
    broker: Annotated[str | None, typer.Option(help="amqps://HOST:5671, of a cluster each host.")] = None,
    management: Annotated[
        str | None, typer.Option(help="The broker's management, https://HOST:15671.")
    ] = None,
    host: Annotated[
        list[str] | None,
        typer.Option(help="A name or address by which agencies reach this machine; may be repeated."),
    ] = None,
    origin: Annotated[str | None, typer.Option(help="The ledger's name, for ever.")] = None,
    person: Annotated[
        str | None,
        typer.Option(help="The name of the first steward, who gets an operator's key; else nobody."),
    ] = None,
    admin_password_file: Annotated[
        Path | None,
        typer.Option(help="A file with the password of the broker's bus.admin; else one is made."),
    ] = None,
    ca_file: Annotated[
        Path | None, typer.Option(help="The deployment's authority; else a private one is made.")
    ] = None,
    depot_certificate: Annotated[Path | None, typer.Option(help="The depot's certificate by it.")] = None,
    depot_key: Annotated[Path | None, typer.Option(help="The key of that certificate.")] = None,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Ask nothing; what was not said is as shown.")
    ] = False,
    json: Json = False,
) -> None:
    """Make what the centre consists of: settings, seal, log key, private authority, certificates, ledger.

    It can be run again at any time: what is there stays as it is, and what is missing is made.
    """
    if sqlite and postgresql:
        raise typer.BadParameter("the ledger is in one place", param_hint="--sqlite and --postgresql")
    config = (folder / "bus.toml").absolute()
    ask = _asker(silent=yes or config.exists())
    database = postgresql or (SQLITE if sqlite else ask("Where the ledger is kept", SQLITE))
    wanted = Wanted(
        hosts=tuple(host or ask("By which name agencies reach this machine", LOOPBACK).split()),
        database=database,
        owner=owner,
        broker=broker or ask("The broker", BROKER),
        management=management or ask("Its management", MANAGEMENT),
        origin=origin or "",
        admin_password=admin_password_file,
        ca_file=ca_file,
        certificate=depot_certificate,
        key=depot_key,
        person=_person(ask) if person is None else person.strip(),
    )
    kept, password = folder / "passwords" / _ADMIN, ""
    if not (yes or config.exists() or admin_password_file or kept.exists()):
        password = _password()
    made = _keeping(password, kept, make(config, wanted))
    steps = list(_shown(made, json=json))
    commands = list(next_commands(load_bus_settings(config), config, steps))
    value = {
        "settings": str(config),
        "steps": [{"what": one.what, "path": one.path, "made": one.made} for one in steps],
        "next": commands,
    }
    say(value, json=json, words=["", "next:", *(f"  {command}" for command in commands)])


def next_commands(settings: BusSettings, config: Path, steps: list[Step]) -> Iterator[str]:
    """Yield what is to be typed next, each as it can be copied."""
    yield from _for_the_broker(settings, steps)
    file = settings.broker.management_password_file
    if file and any(one.path == str(file) and one.made for one in steps):
        user = shlex.quote(settings.broker.management_user)
        yield f"rabbitmqctl add_user {user} < {shlex.quote(str(file))}    # at the broker"
        yield f"rabbitmqctl set_user_tags {user} administrator"
    at = f"--config {shlex.quote(str(config))}"
    if not People.read(settings.console.people).persons:
        yield f"saraban-bus console user add NAME --role steward {at}"
        yield f"saraban-bus console user key NAME {at}    # into a file that [operator] key_file names"
    for words in ("topology apply", "calendar apply", "doctor", "serve", "router", "enrol"):
        beside = f"    # after a look at {settings.calendar.file}" if words == "calendar apply" else ""
        yield f"saraban-bus {words} {at}{beside}"
    yield f"saraban-bus agency invite 0000000001 --name ชื่อหน่วยงาน {at}"


def _for_the_broker(settings: BusSettings, steps: list[Step]) -> Iterator[str]:
    """Yield what is to be brought to the broker before it speaks TLS: the certificate that was made for it now."""
    authority = settings.authority.certificate
    if authority is None:
        return
    pair = KeyFiles.named(authority.parent, "broker")
    if any(one.path == str(pair.certificate) and one.made for one in steps):
        files = " ".join(shlex.quote(str(each)) for each in (authority, pair.certificate, pair.key))
        yield f"# bring to the broker: {files}    # then docs/operating.md, Encryption"


def _shown(steps: Iterator[Step], *, json: bool) -> Iterator[Step]:
    """Print each step when it is done, so that it is seen what was made before something went wrong."""
    for step in steps:
        if not json:
            say(None, json=False, words=[str(step)])
            sys.stdout.flush()
        yield step


def _asker(*, silent: bool) -> Callable[[str, str], str]:
    """Return what asks a person, with the answer that an empty line stands for; or gives that answer."""
    if silent:
        return lambda question, default: default
    if not sys.stdin.isatty():
        fix = "Give --yes, and say by options what is not as `saraban-bus init --help` shows it"
        raise Misconfigured(Problem("init", "questions", "cannot be asked without a terminal", fix))
    return lambda question, default: str(typer.prompt(question, default=default, err=True))


def _person(ask: Callable[[str, str], str]) -> str:
    return ask("The first steward, by the name that the ledger is to bear (- for nobody yet)", "-").strip(
        " -"
    )


def _password() -> str:
    """Ask for the administrator's password; none given: it is made."""
    question = f"The password of {_ADMIN} at the broker (empty: one is made)"
    return str(typer.prompt(question, default="", show_default=False, hide_input=True, err=True))


def _keeping(password: str, file: Path, steps: Iterator[Step]) -> Iterator[Step]:
    """Keep what was typed once the first step has made the settings: a mistake in them leaves nothing behind."""
    for step in steps:
        yield step
        if password and not file.exists():
            write_private(file, f"{password}\n".encode())
