"""Making what the centre consists of, one thing after another: what is there stays, and is written over by nothing.

Each step says whether it made a thing or found it. Whoever is interrupted, or has no database yet, runs it again.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from cryptography.x509 import Certificate

from bus import assets
from bus.broker.passwords import Passwords
from bus.directory import load_directory
from bus.documents.authority import Authority
from bus.documents.keys import write_private
from bus.documents.making import KeyFiles, new_key, new_seal, write_pair
from bus.errors import Misconfigured, Problem
from bus.installing.ledgers import make_ledger, make_log_key
from bus.installing.persons import first_person
from bus.installing.roles import roles_script, write_roles
from bus.installing.steps import Step
from bus.installing.wanted import Wanted
from bus.ledger.entry import Kind
from bus.ledger.store import Ledger
from bus.methods import SealPublicKey
from bus.operators import of_the_bus
from bus.people import People
from bus.router.activation import activate_directory
from bus.router.signers import bus_seal
from bus.settings.bus import BusSettings, load_bus_settings
from bus.settings.transport import each_host

DIRECTORY = """# ทะเบียนหน่วยงาน · The directory as it begins: the bus, and no agency.
#
# Agencies join by `saraban-bus agency invite`, and the directory in force is in the ledger. This file can be an import
# later on: the example that ships with the bus (config/agencies.toml) says what may stand here.

version = 1
certificates_folder = "{folder}"

[bus]
certificates = [{{ file = "{file}" }}]
"""


def make(config: Path, wanted: Wanted) -> Iterator[Step]:
    """Make everything that is missing of the centre whose settings are in `config`; `wanted` is for these alone.

    Raises Misconfigured for what cannot be made or used, and Transient while the database is away, after all the rest.
    """
    yield _settings(config, wanted)
    settings = load_bus_settings(config)
    yield from _folders(config.parent, settings)
    seal = KeyFiles(settings.seal.key, settings.seal.certificate)
    yield _pair("the bus's seal", seal, lambda: _write_seal(settings, seal))
    yield from _certificates(settings, wanted)
    yield _file("the directory, without agencies", settings.directory.file, _directory(settings))
    calendar = assets.path("config/calendar.toml").read_text(encoding="utf-8")
    yield _file("the calendar, of examples to be checked", settings.calendar.file, calendar)
    yield from _passwords(settings)
    yield from first_person(config, settings, wanted.person)
    yield from _ledger(settings, wanted.person)


def _settings(config: Path, wanted: Wanted) -> Step:
    if config.exists():
        return Step("settings, left as they are", str(config), False)
    text = wanted.settings_text().encode()
    draft = config.with_name(f".{config.name}.{secrets.token_hex(4)}")
    write_private(draft, text)
    try:
        load_bus_settings(draft)
    except Misconfigured as wrong:
        raise Misconfigured(
            *(Problem("init", one.key, one.wrong, one.fix) for one in wrong.problems)
        ) from wrong
    finally:
        draft.unlink()
    write_private(config, text)
    return Step("settings", str(config), True)


def _folders(home: Path, settings: BusSettings) -> Iterator[Step]:
    wanted = {home / "keys", home / "passwords", settings.depot.folder, settings.ledger.kept_head.parent}
    for folder in sorted(wanted):
        if not folder.exists():
            folder.mkdir(parents=True, mode=0o700)
            yield Step("folder", str(folder), True)


def _pair(what: str, files: KeyFiles, write: Callable[[], None]) -> Step:
    """Make a key with its certificate, or find both; of one without the other, nobody can say what it was."""
    there = [path for path in (files.key, files.certificate) if path.exists()]
    if len(there) == 1:
        (lacking,) = {files.key, files.certificate} - set(there)
        fix = "Bring it back, or move the other one away as well: then a new pair is made."
        wrong = f"is not there, though {there[0].name} is"
        raise Misconfigured(Problem(str(lacking), what, wrong, fix))
    if not there:
        write()
    return Step(what, str(files.certificate), not there)


def _write_seal(settings: BusSettings, files: KeyFiles) -> None:
    seal = new_seal("Saraban Bus")
    write_pair(seal.private_key, seal.certificate, files, passphrase=settings.seal.passphrase_text())


def _certificates(settings: BusSettings, wanted: Wanted) -> Iterator[Step]:
    """The private authority, and what it issues; nothing where the deployment has an authority of its own."""
    section = settings.authority
    if section.key is None or section.certificate is None:
        return
    files = KeyFiles(section.key, section.certificate)
    passphrase = section.passphrase.get_secret_value() if section.passphrase else None

    def write() -> None:
        Authority.make(f"{wanted.hosts[0]} authority"[:64]).write(files, passphrase=passphrase)

    yield _pair("the private authority", files, write)
    issue = _Issuing(files, passphrase)
    depot, broker = settings.depot, settings.broker
    if depot.certificate and depot.key:
        hosts = list(dict.fromkeys([urlsplit(depot.url).hostname or "", *wanted.hosts]))
        yield issue.server("the depot's certificate", KeyFiles(depot.key, depot.certificate), hosts)
    if broker.ca_file == section.certificate:
        hosts = [urlsplit(one).hostname or "" for one in each_host(broker.url).values()]
        hosts = list(dict.fromkeys([*hosts, urlsplit(broker.management_url).hostname or ""]))
        at = KeyFiles.named(section.certificate.parent, "broker")
        yield issue.server("the broker's certificate, to be brought there", at, hosts)


@dataclass(frozen=True, slots=True)
class _Issuing:
    """What the authority issues here; its key is read only for what is missing, for it may be kept elsewhere."""

    authority: KeyFiles
    passphrase: str | None

    def server(self, what: str, files: KeyFiles, hosts: list[str]) -> Step:
        def issued(public: SealPublicKey) -> Certificate:
            return Authority.from_files(self.authority, self.passphrase).server(public, hosts)

        def write() -> None:
            key = new_key()
            write_pair(key, issued(key.public_key()), files)

        step = _pair(what, files, write)
        return Step(f"{what} ({', '.join(hosts)})", step.path, step.made) if step.made else step


def _directory(settings: BusSettings) -> str:
    certificate = settings.seal.certificate
    folder = settings.directory.certificates or certificate.parent
    return DIRECTORY.format(folder=folder.absolute(), file=certificate.name)


def _file(what: str, path: Path, text: str) -> Step:
    if path.exists():
        return Step(what.partition(",")[0], str(path), False)
    write_private(path, text.encode())
    return Step(what, str(path), True)


def _passwords(settings: BusSettings) -> Iterator[Step]:
    """Passwords that this machine may choose; who has none of these files sets the variable instead."""
    broker, ledger = settings.broker, settings.ledger
    yield from _password("the password of the broker's administrator", broker.management_password_file)
    new = [
        *_password("the password of the database's user", ledger.password_file),
        *_password("the password of the owner of its tables", ledger.owner_password_file),
    ]
    yield from new
    if ledger.owner_url and any(step.made for step in new):
        yield Step("the database's roles, for its administrator", str(write_roles(settings)), True)
        raise _without_roles(settings)


def _without_roles(settings: BusSettings) -> Misconfigured:
    script = roles_script(settings)
    fix = f"As its administrator run: psql --file {script}; then this command again, and delete that file"
    return Misconfigured(Problem("the ledger's database", "roles", "were not made yet", fix))


def _password(what: str, file: Path | None) -> Iterator[Step]:
    if file is not None:
        there = file.exists()
        Passwords(file.parent).of(file.name)
        yield Step(what, str(file), not there)


def _ledger(settings: BusSettings, person: str) -> Iterator[Step]:
    """Tables, key, and the first directory: that has nothing to decide, while a calendar's holidays are examples."""
    make_ledger(settings)
    shown = settings.ledger.url
    made = make_log_key(settings)
    yield Step("the log's key", str(settings.ledger.key), made)
    with Ledger(settings.ledger.address()) as ledger:
        with ledger.read() as reader:
            in_force = reader.latest_seq(Kind.DIRECTORY)
        if not in_force:
            section = settings.directory
            directory = load_directory(section.file, certificates=section.certificates)
            steward = People.read(settings.console.people).by_name(person)
            operator = steward.by("key") if steward else of_the_bus("saraban-bus init")
            activate_directory(ledger, directory, bus_seal(settings), operator=operator)
    yield Step("the ledger, with a directory in force", shown, not in_force)
