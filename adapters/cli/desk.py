"""`saraban-adapter desk`: the local people of the desk, and a link by which one signs in."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from adapters.cli.output import AsJson, Config, say, settings_of
from adapters.cli.tables import listing
from adapters.desk.face import ROSTER
from adapters.desk.store import Store
from bus.operators import DeskRole
from bus.people import People, Person, bound, hashing
from bus.people.passwords import new_password
from bus.text import print_json
from bus.thai import now

app = typer.Typer(no_args_is_help=True, help="The desk: the people who use its pages.")
user = typer.Typer(no_args_is_help=True, help="The people with a password here.")
app.add_typer(user, name="user")

Name = Annotated[str, typer.Argument(help="The name to sign in by; it is kept with each act.")]
PasswordFile = Annotated[
    Path | None, typer.Option(help="A file with the password; without it, the password is asked for.")
]


@app.command()
def link(
    name: Name,
    minutes: Annotated[int, typer.Option(min=1, max=1440, help="For how long it may be used.")] = 10,
    config: Config = None,
) -> None:
    """Print an address by which a local person signs in once, as for the first time, or without a password."""
    settings = settings_of(config)
    person = People.read(settings.desk.people, ROSTER).must(name)
    with Store(settings.mailbox.folder) as store:
        token = store.make_link(person.by("local"), timedelta(minutes=minutes))
    say(False, None, f"{settings.desk.address}/sign-in?link={token}")


@user.command()
def add(
    name: Name,
    role: Annotated[DeskRole, typer.Option(help="What the person may do.")],
    display_name: Annotated[str, typer.Option("--display-name", help="The person's full name.")] = "",
    password_file: PasswordFile = None,
    no_password: Annotated[
        bool, typer.Option("--no-password", help="For a person who signs in by `desk link` only.")
    ] = False,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Add a person."""
    if no_password and password_file:
        raise typer.BadParameter("is one thing or the other", param_hint="--no-password and --password-file")
    people = People.read(settings_of(config).desk.people, ROSTER)
    person = Person(name, role, now().replace(microsecond=0), display_name)
    people.add(person)  # a name that is taken is said before a password is asked for
    if not no_password:
        person = replace(person, password=hashing.hash_of(new_password(password_file)))
    people.add(person).write()
    say(as_json, {"name": name, "role": role, "file": str(people.file)}, f"{name}: {role} ({people.file})")


@user.command()
def password(name: Name, password_file: PasswordFile = None, config: Config = None) -> None:
    """Give a person another password; whoever is signed in by the one before is signed out."""
    people = People.read(settings_of(config).desk.people, ROSTER)
    person = people.must(name)
    people.replace(replace(person, password=hashing.hash_of(new_password(password_file)))).write()
    say(False, None, f"{name}: รหัสผ่านใหม่ · has a new password")


@user.command()
def role(
    name: Name,
    role: Annotated[DeskRole, typer.Argument(help="What the person may do from now on.")],
    config: Config = None,
) -> None:
    """Give a person another role; whoever is signed in is signed out."""
    people = People.read(settings_of(config).desk.people, ROSTER)
    people.replace(replace(people.must(name), role=role)).write()
    say(False, None, f"{name}: {role}")


@user.command()
def oidc(
    name: Name,
    subject: Annotated[
        str | None, typer.Argument(help="The person's `sub` at the provider of the settings; none: unbound.")
    ] = None,
    config: Config = None,
) -> None:
    """Bind a person to the account at the OpenID provider that is the same human."""
    settings = settings_of(config)
    people, issuer = People.read(settings.desk.people, ROSTER), settings.desk.oidc_issuer
    person = people.must(name)
    person = bound(person, subject, issuer, "desk.oidc_issuer")
    people.replace(person).write()
    said = f"บัญชีของหน่วยงาน · is {person.oidc}" if person.oidc else "ไม่ผูกกับบัญชีใด · is nobody at a provider"
    say(False, None, f"{name}: {said}")


@user.command("list")
def list_people(config: Config = None, as_json: AsJson = False) -> None:
    """List the people: role, and whether each has a password, and an account at the provider."""
    people = People.read(settings_of(config).desk.people, ROSTER)
    if as_json:
        print_json(
            [
                {
                    "name": one.name,
                    "display_name": one.display_name,
                    "role": one.role,
                    "password": one.password is not None,
                    "oidc": one.oidc,
                    "added_at": one.added_at.isoformat(),
                }
                for one in people.persons
            ]
        )
        return
    rows = [
        (
            one.name,
            one.display_name,
            one.role,
            "yes" if one.password else "no",
            "yes" if one.oidc else "no",
            f"{one.added_at:%Y-%m-%d}",
        )
        for one in people.persons
    ]
    heads = ("name", "full name", "role", "password", "provider", "since")
    listing("ผู้ใช้โต๊ะสารบรรณ · people of the desk", heads, rows)


@user.command()
def remove(name: Name, config: Config = None) -> None:
    """Remove a person: the password opens nothing any more; what was done stays under that name."""
    people = People.read(settings_of(config).desk.people, ROSTER)
    people.remove(name).write()
    say(False, None, f"{name}: ไม่มีสิทธิ์แล้ว · has no access any more")
