"""Which files a bus consists of besides its databases and the depot: settings, and secrets with what each is for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from bus.directory.files import certificate_files
from bus.settings.bus import Broker, BusSettings

CONFIG, DIRECTORY, CALENDAR = "bus.toml", "directory.file", "calendar.file"
CERTIFICATE = "certificate "
"""Begins the setting of each certificate that the directory names."""
_SEAL = "signs acceptances, refusals and overdue notices: the bus's seal"
_AUTHORITY = "vouches for the bus's servers, and for who logs in to the broker: the private authority"
_PEOPLE = "says who may act and sign in: names, roles, hashes of passwords and of operators' keys"
_LOG = "signs the heads of the ledger: whoever has it can sign another ledger"


@dataclass(frozen=True, slots=True)
class Source:
    """A file, by the setting that names it; a secret has a purpose."""

    setting: str
    path: Path
    purpose: str = ""


def settings_files(settings: BusSettings, config: Path | None) -> Iterator[Source]:
    """Yield what people have written or were given, and is no secret, as far as it is there."""
    for one in _settings_files(settings, config):
        if one.path.is_file():
            yield one


def _settings_files(settings: BusSettings, config: Path | None) -> Iterator[Source]:
    if config is not None:
        yield Source(CONFIG, config)
    yield Source(DIRECTORY, settings.directory.file)
    yield Source(CALENDAR, settings.calendar.file)
    yield Source("seal.certificate", settings.seal.certificate)
    if settings.authority.certificate:
        yield Source("authority.certificate", settings.authority.certificate)
    authorities = {
        **{f"{section}.ca_file": broker.ca_file for section, broker in _brokers(settings)},
        "depot.ca_file": settings.depot.ca_file,
        "evidence.tsa_ca_file": settings.evidence.tsa_ca_file,
    }
    yield from (Source(setting, path) for setting, path in authorities.items() if path)
    for name, path in certificates_of(settings).items():
        yield Source(f"{CERTIFICATE}{name}", path)
    for path in sorted(settings.codes.folder.glob("*.toml")) if settings.codes.folder else ():
        yield Source(f"codes.folder {path.name}", path)


def certificates_of(settings: BusSettings) -> dict[str, Path]:
    """The certificate files that the directory's file names; none while it is not there."""
    section = settings.directory
    return (
        certificate_files(section.file, certificates=section.certificates) if section.file.is_file() else {}
    )


def place_of(setting: str, settings: BusSettings, config: Path | None) -> Path | None:
    """Return where these settings have the file of a setting; None where they have none, or it is not told."""
    if setting == CONFIG:
        return config
    if setting.startswith(CERTIFICATE):
        return certificates_of(settings).get(setting.removeprefix(CERTIFICATE))
    if setting.startswith("codes.folder ") and settings.codes.folder:
        return settings.codes.folder / PurePosixPath(setting.removeprefix("codes.folder ")).name
    known = {one.setting: one.path for one in (*_settings_files(settings, config), *_keys(settings))}
    section, folder, name = setting.partition(".passwords_folder/")
    passwords = dict(_brokers(settings)).get(section)
    if folder and passwords:
        return passwords.passwords_folder / PurePosixPath(name).name
    return known.get(setting)


def keys(settings: BusSettings) -> Iterator[Source]:
    """Yield every secret that is in a file, as far as it is there, each once."""
    seen: set[Path] = set()
    for one in _keys(settings):
        if one.path.is_file() and one.path not in seen:
            seen.add(one.path)
            yield one


def _keys(settings: BusSettings) -> Iterator[Source]:
    yield Source("seal.key", settings.seal.key, _SEAL)
    yield Source("ledger.key", settings.ledger.key, _LOG)
    yield Source("console.people", settings.console.people, _PEOPLE)
    if settings.authority.key:
        yield Source("authority.key", settings.authority.key, _AUTHORITY)
    for section, broker in _brokers(settings):
        files = {
            "password_file": (broker.password_file, "the routers' password at the broker"),
            "management_password_file": (
                broker.management_password_file,
                "the password of the broker's administrator",
            ),
            "monitor_password_file": (
                broker.monitor_password_file,
                "the password of who may look at the broker's queues",
            ),
        }
        yield from (
            Source(f"{section}.{name}", path, purpose) for name, (path, purpose) in files.items() if path
        )
        folder = broker.passwords_folder
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            yield Source(f"{section}.passwords_folder/{path.name}", path, f"the broker's user {path.name}")
    databases = {
        "ledger.password_file": settings.ledger.password_file,
        "ledger.owner_password_file": settings.ledger.owner_password_file,
        "depot.database_password_file": settings.depot.database_password_file,
        "console.database_password_file": settings.console.database_password_file,
    }
    yield from (Source(setting, path, "the database's user") for setting, path in databases.items() if path)
    if secret := settings.console.oidc_client_secret_file:
        yield Source("console.oidc_client_secret_file", secret, "the console at its OpenID provider")


def _brokers(settings: BusSettings) -> Iterator[tuple[str, Broker]]:
    yield "broker", settings.broker
    for name, broker in settings.clusters.items():
        yield f"clusters.{name}", broker
