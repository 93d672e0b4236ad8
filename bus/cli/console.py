"""`saraban-bus console`: the process of the pages, and the local people with their roles, passwords and keys."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from bus.cli.common import Config, Json, say, settings_of
from bus.cli.running import run
from bus.documents.keys import write_private
from bus.operators import Role
from bus.people import People, Person, bound, hashing, keys
from bus.people.passwords import new_password
from bus.thai import now

app = typer.Typer(invoke_without_command=True, help="The pages for operators and auditors, and who they are.")
user = typer.Typer(
    no_args_is_help=True,
    help="People with a password or an operator's key here. Whoever may write their file may do this.",
)
app.add_typer(user, name="user")

Name = Annotated[str, typer.Argument(help="The name to sign in by; it stands in the ledger with each act.")]


@app.callback()
def console(context: typer.Context, config: Config = None) -> None:
    """Serve the pages for operators and auditors, and say who they are."""
    if context.invoked_subcommand is None:
        from bus.console.process import run_console

        run("console", config, run_console)


@app.command("link")
def link(
    name: Annotated[str, typer.Argument(help="A local person, by name.")],
    minutes: Annotated[int, typer.Option(min=1, max=1440, help="For how long it may be used.")] = 10,
    config: Config = None,
) -> None:
    """Print an address by which a local person signs in once, as for the first time, or without a password."""
    from bus.console.store import Store

    console = settings_of(config).console
    person = People.read(console.people).must(name)
    with Store(console.database_address()) as store:
        token = store.make_link(person.by("local"), timedelta(minutes=minutes))
    say({}, json=False, words=[f"{console.address}/sign-in?link={token}"])


@user.command("add")
def add(
    name: Name,
    role: Annotated[Role, typer.Option(help="What the person may do.")],
    display_name: Annotated[str, typer.Option("--display-name", help="How pages call the person.")] = "",
    password_file: Annotated[
        Path | None, typer.Option(help="A file with the password; without it, the password is asked for.")
    ] = None,
    no_password: Annotated[
        bool, typer.Option("--no-password", help="For a person who acts by an operator's key only.")
    ] = False,
    config: Config = None,
    json: Json = False,
) -> None:
    """Add a person who signs in to the console by a password, or acts by an operator's key (`console user key`)."""
    if no_password and password_file:
        raise typer.BadParameter("is one thing or the other", param_hint="--no-password and --password-file")
    people = People.read(settings_of(config).console.people)
    person = Person(name, role, now().replace(microsecond=0), display_name)
    people.add(person)  # a name that is taken is said before a password is asked for
    if not no_password:
        person = replace(person, password=hashing.hash_of(new_password(password_file)))
    people.add(person).write()
    words = [f"{name} is {role} now, in {people.file}", f"a key: saraban-bus console user key {name}"]
    say({"name": name, "role": role, "file": str(people.file)}, json=json, words=words)


@user.command("key")
def key(
    name: Name,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="A new file for it, instead of the screen.")
    ] = None,
    config: Config = None,
) -> None:
    """Make a new operator's key for a person, and print it once; the one before opens nothing any more."""
    people = People.read(settings_of(config).console.people)
    person, made = people.must(name), keys.new_key()
    if output:
        write_private(output, f"{made}\n".encode())
    people.replace(replace(person, key=keys.digest_of(made))).write()
    hint = (
        f"name its file in operator.key_file, or in SARABAN_BUS__OPERATOR__KEY_FILE: {output or '(none yet)'}"
    )
    say({}, json=False, words=[f"wrote {output}", hint] if output else [made])


@user.command("password")
def password(
    name: Name,
    password_file: Annotated[
        Path | None, typer.Option(help="A file with the password; without it, the password is asked for.")
    ] = None,
    none: Annotated[
        bool,
        typer.Option("--none", help="Take the password away: the person acts by an operator's key only."),
    ] = False,
    config: Config = None,
    json: Json = False,
) -> None:
    """Give a person another password, or none; who is signed in by the one before is signed out at once."""
    if none and password_file:
        raise typer.BadParameter("is one thing or the other", param_hint="--none and --password-file")
    people = People.read(settings_of(config).console.people)
    person = people.must(name)
    hashed = None if none else hashing.hash_of(new_password(password_file))
    people.replace(replace(person, password=hashed)).write()
    words = [f"{person.name} has {'no' if none else 'another'} password now, and is signed out"]
    say({"name": person.name, "password": not none}, json=json, words=words)


@user.command("role")
def role(
    name: Name,
    role: Annotated[Role, typer.Argument(help="What the person may do from now on.")],
    config: Config = None,
    json: Json = False,
) -> None:
    """Give a person another role, on pages and by the operator's key; who is signed in is signed out at once."""
    people = People.read(settings_of(config).console.people)
    person = people.must(name)
    people.replace(replace(person, role=role)).write()
    said = f"{person.name} is {role} already" if role == person.role else f"{person.name} is {role} now"
    say({"name": person.name, "role": role, "before": person.role}, json=json, words=[said])


@user.command("oidc")
def oidc(
    name: Name,
    subject: Annotated[
        str | None, typer.Argument(help="The person's `sub` at the provider of the settings; none: unbound.")
    ] = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Bind a person to the account at the OpenID provider that is the same human: both together are one of two."""
    settings = settings_of(config)
    people, issuer = People.read(settings.console.people), settings.console.oidc_issuer
    person = people.must(name)
    person = bound(person, subject, issuer, "console.oidc_issuer")
    people.replace(person).write()
    said = f"{person.name} is {person.oidc}" if person.oidc else f"{person.name} is nobody at a provider"
    say({"name": person.name, "oidc": person.oidc}, json=json, words=[said])


@user.command("list")
def list_people(config: Config = None, json: Json = False) -> None:
    """List the people here: role, and whether each has a password and a key."""
    people = People.read(settings_of(config).console.people)
    values = [
        {
            "name": one.name,
            "display_name": one.display_name,
            "role": one.role,
            "password": one.password is not None,
            "key": one.key is not None,
            "oidc": one.oidc,
            "added_at": one.added_at.isoformat(),
        }
        for one in people.persons
    ]
    words = [f"{one.name}: {one.role}, {_ways(one)}, since {one.added_at:%Y-%m-%d}" for one in people.persons]
    say({"people": values}, json=json, words=words or ["nobody is here yet"])


@user.command("remove")
def remove(name: Name, config: Config = None, json: Json = False) -> None:
    """Remove a person: password and key open nothing any more; what was done stays in the ledger by that name."""
    people = People.read(settings_of(config).console.people)
    people.remove(name).write()
    say({"removed": name}, json=json, words=[f"{name} may act here no more"])


def _ways(person: Person) -> str:
    ways = {
        "a password": person.password,
        "an operator's key": person.key,
        "an account at the provider": person.oidc,
    }
    return " and ".join(way for way, there in ways.items() if there) or "neither password nor key"
