"""The settings of pages for people, whichever program shows them: how they are reached, sign-in, and standing texts."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, ClassVar, Self

from pydantic import Field, SecretStr, model_validator

from bus.settings.loading import Section
from bus.settings.sections import HttpUrl, Port, secret
from bus.settings.tls import require_both, serving


class Pages(Section):
    """Pages for people."""

    table: ClassVar[str]
    """What this table is called in the file."""

    url: HttpUrl | None = None
    """The address by which people reach it, as behind a proxy; when not set, from `listen_host` and `listen_port`."""
    listen_host: Annotated[str, Field(min_length=1)] = "127.0.0.1"
    """The address to listen on; other machines are served over https only: by `certificate`, or by a proxy here."""
    listen_port: Port
    """The port to listen on."""
    certificate: Path | None = None
    """The certificate with which https is served, with the chain behind it, a PEM file."""
    key: Path | None = None
    """Its key, a PEM file readable by its owner only."""
    passphrase: SecretStr | None = None
    """That key's passphrase, by the environment only."""
    people: Path
    """The local users: names, roles and digests of passwords."""
    insecure_transport: bool = False
    """Whether people and provider may be reached unencrypted beyond this machine, in a protected network."""
    idle_minutes: Annotated[int, Field(ge=1, le=1440)] = 15
    """Minutes without a request after which a session ends."""
    session_hours: Annotated[int, Field(ge=1, le=168)] = 12
    """Hours after which a person signs in anew."""
    sign_in_attempts: Annotated[int, Field(ge=1, le=100)] = 5
    """Failed sign-ins in fifteen minutes, by name and by address, after which no more are looked at."""
    oidc_issuer: HttpUrl | None = None
    """The OpenID Connect provider by which people sign in; none when not set."""
    oidc_client_id: str = ""
    """The name of these pages at that provider."""
    oidc_client_secret: SecretStr | None = None
    """Their secret there, by the environment only."""
    oidc_client_secret_file: Path | None = None
    """A file with that secret, readable by its owner only; used when the secret is not set."""
    oidc_role_claim: Annotated[str, Field(min_length=1)] = "roles"
    """The claim of the identity token that holds a person's roles."""
    oidc_roles: Mapping[str, StrEnum]
    """Which value of that claim is which role."""
    logo: Path | None = None
    """The deployment's own logo, a PNG or SVG file."""
    banner_th: str
    """What the banner above each page says in Thai."""
    banner_en: str
    """What the banner above each page says in English."""
    contact_th: str
    """Whom to ask, in Thai."""
    contact_en: str
    """Whom to ask, in English."""
    terms_th: str
    """The terms of use, in Thai."""
    terms_en: str
    """The terms of use, in English."""
    privacy_th: str
    """The privacy notice, in Thai."""
    privacy_en: str
    """The privacy notice, in English."""
    security_th: str
    """The security policy, in Thai."""
    security_en: str
    """The security policy, in English."""

    @property
    def address(self) -> str:
        """The address by which people reach it, without a stroke at its end."""
        scheme = "http" if self.certificate is None else "https"
        return self.url or f"{scheme}://{self.listen_host}:{self.listen_port}"

    def serving_tls(self) -> ssl.SSLContext | None:
        """The context with which https is served; None where it is http."""
        if self.certificate is None or self.key is None:
            return None
        return serving(self.certificate, self.key, self.passphrase, self.table)

    def client_secret_text(self) -> str | None:
        """The secret at the OpenID provider, from wherever it is."""
        key = f"{self.table}.oidc_client_secret_file"
        return secret(key, self.oidc_client_secret, self.oidc_client_secret_file)

    @model_validator(mode="after")
    def _a_certificate_has_a_key(self) -> Self:
        require_both(self.certificate, self.key)
        return self

    @model_validator(mode="after")
    def _a_provider_knows_us(self) -> Self:
        if self.oidc_issuer is not None and not (self.oidc_client_id and self.oidc_roles):
            raise ValueError("with oidc_issuer, oidc_client_id and oidc_roles are needed")
        return self
