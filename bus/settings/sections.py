"""Sections that the bus and an adapter have in common."""

from __future__ import annotations

import codecs
import os
import ssl
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import quote, urlsplit, urlunsplit

from pydantic import AfterValidator, Field, SecretStr, model_validator

from bus.errors import Misconfigured, Problem
from bus.platform.process import open_to_others
from bus.settings.loading import Section
from bus.settings.tls import require_both, show, trusting
from bus.settings.transport import each_host

Port = Annotated[int, Field(ge=1, le=65535)]
_LONGEST_SECRET = 4096
PortOrOff = Annotated[int, Field(ge=0, le=65535)]
Seconds = Annotated[float, Field(gt=0, le=86400)]


def _bare_url(value: str, *schemes: str) -> str:
    """A URL of one of these schemes, without user, password, query or fragment."""
    parts = urlsplit(value)
    if parts.scheme not in schemes or not parts.hostname:
        raise ValueError(f"should be a URL that begins with {' or '.join(f'{each}://' for each in schemes)}")
    if parts.username is not None or parts.password is not None:
        raise ValueError("should not carry a user or a password, which have settings of their own")
    if parts.query or parts.fragment:
        raise ValueError("should end before any ? or #")
    _ = parts.port  # a port that is no number raises its own ValueError
    return value.rstrip("/")


def _http_url(value: str) -> str:
    return _bare_url(value, "http", "https")


def _broker_url(value: str) -> str:
    """A URL of one host or of several, each of which would be right alone."""
    hosts = each_host(value)
    if len(hosts) <= urlsplit(value).netloc.count(","):
        raise ValueError("should name each host once")
    for one in hosts.values():
        if urlsplit(_bare_url(one, "amqp", "amqps")).path:
            raise ValueError("should end after host and port; the virtual host has a setting of its own")
    return value.rstrip("/")


HttpUrl = Annotated[str, AfterValidator(_http_url)]
BrokerUrl = Annotated[str, AfterValidator(_broker_url)]


def secret(key: str, value: SecretStr | None, file: Path | None) -> str | None:
    """A secret from the environment, or else from a file that only its owner can read; None when neither is set."""
    if value is not None or file is None:
        return value.get_secret_value() if value is not None else None
    return read_secret(file, key)


def read_secret(file: Path, key: str) -> str:
    """The one line of a file that only its owner can read. Raises Misconfigured, which never shows any of it."""
    try:
        with file.open("rb") as opened:
            # One descriptor for both, so that the rights looked at are those of the bytes read.
            is_open, raw = open_to_others(opened.fileno()), opened.read(_LONGEST_SECRET + 1)
    except OSError as exc:
        wrong, fix = (
            f"cannot be read: {os.strerror(exc.errno or 0).lower()}",
            "Put it there, or mend the path",
        )
        raise Misconfigured(Problem(str(file), key, wrong, fix)) from exc
    if is_open:
        raise Misconfigured(Problem(str(file), key, "can be read by others", f"Run chmod 600 {file}"))
    if unfit := _no_secret(raw):
        fix = "Write one line of plain UTF-8, without a byte order mark"
        raise Misconfigured(Problem(str(file), key, unfit, fix))
    return raw.decode("utf-8").rstrip("\r\n")


def _no_secret(raw: bytes) -> str | None:
    """What keeps these bytes from being one line of text, in words that tell nothing of it."""
    if raw.startswith((codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "begins with a byte order mark, as some editors write it"
    if len(raw) > _LONGEST_SECRET:
        return "is far too long for a password"
    try:
        text = raw.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError:
        return "is not UTF-8 text"
    if "\0" in text:
        return "is not UTF-8 text, but UTF-16 perhaps"
    if not text:
        return "is empty"
    return None if text.isprintable() else "holds more than one line, or characters that are no letters"


def with_credentials(url: str, user: str | None, password: str | None, *, path: str | None = None) -> str:
    """The URL with user and password quoted into it, and with another path where one is given."""
    parts = urlsplit(url)
    login = quote(user or "", safe="") + (f":{quote(password, safe='')}" if password is not None else "")
    host = f"{login}@{parts.netloc.rpartition('@')[2]}" if login else parts.netloc
    return urlunsplit(parts._replace(netloc=host, path=parts.path if path is None else path))


class BrokerAccess(Section):
    """How a program reaches the broker."""

    url: BrokerUrl = "amqp://127.0.0.1:5672"
    """Scheme (amqp or amqps) and `host:port` of the broker, of each node with a comma between, and nothing else."""
    vhost: Annotated[str, Field(min_length=1)] = "saraban"
    """The broker's virtual host."""
    user: str = ""
    """The broker's user; when empty, an adapter is `agency.<code>`."""
    password: SecretStr | None = None
    """That user's password, by the environment only."""
    password_file: Path | None = None
    """A file with that user's password, readable by its owner only; used when the password is not set."""
    certificate: Path | None = None
    """A certificate to log in with instead of a password (SASL EXTERNAL): its common name is the user; for amqps."""
    key: Path | None = None
    """Its key, a PEM file readable by its owner only."""
    passphrase: SecretStr | None = None
    """That key's passphrase, by the environment only."""
    ca_file: Path | None = None
    """Certificates of the authority that signed the broker's own, for amqps and https; when not set, the system's."""
    insecure_transport: bool = False
    """Whether the broker may be reached unencrypted beyond this machine, where other means protect the network."""
    heartbeat: Annotated[int, Field(ge=5, le=600)] = 30
    """Seconds after which a silent connection counts as lost."""

    @model_validator(mode="after")
    def _one_way_to_log_in(self) -> Self:
        require_both(self.certificate, self.key)
        if self.certificate is None:
            return self
        if self.password is not None or self.password_file is not None:
            raise ValueError("certificate and password are two ways to log in: keep one of them")
        if not self.url.startswith("amqps:"):
            raise ValueError("certificate needs a url that begins with amqps://")
        return self

    def address(self) -> str:
        """The URL with user, password and virtual host: a secret, not to be logged.

        Without a password it is that of somebody who logs in by certificate.
        """
        if not self.user:
            # A library's own fallback would be the broker's guest.
            raise Misconfigured(Problem("settings", "broker.user", "is empty", "Name the broker's user"))
        path = "/" + quote(self.vhost, safe="")
        if self.certificate is not None:
            return with_credentials(self.url, self.user, None, path=path)
        password = secret("broker.password_file", self.password, self.password_file)
        if password is None:
            fix = "Name a file with it, or set the variable that ends in __BROKER__PASSWORD"
            raise Misconfigured(Problem("settings", "broker.password_file", "no password is set", fix))
        return with_credentials(self.url, self.user, password, path=path)

    def tls(self) -> ssl.SSLContext | None:
        """The context for amqps, with verification of name and chain; None for amqp."""
        if not self.url.startswith("amqps:"):
            return None
        context = trusting(self.ca_file, "broker.ca_file")
        if self.certificate is not None and self.key is not None:
            show(context, self.certificate, self.key, self.passphrase, "broker")
        return context


class Seal(Section):
    """The key that documents are signed with."""

    key: Path
    """The private key, a PEM file readable by its owner only."""
    certificate: Path
    """Its certificate, a PEM file; the same as the directory pins."""
    device: str | None = None
    """A key in a device instead of the file: `pkcs11:token=…;object=…?module-path=…` (RFC 7512), without the PIN."""
    passphrase: SecretStr | None = None
    """The key's passphrase, or the device's PIN, by the environment only."""

    def passphrase_text(self) -> str | None:
        """The passphrase itself, or None for a key without one."""
        return self.passphrase.get_secret_value() if self.passphrase is not None else None


class Log(Section):
    """What is logged, as JSON on standard error."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """The least important level that is logged."""
