"""How a database is named in the settings, and reached."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator

from bus.settings.sections import with_credentials


def _database_url(value: str) -> str:
    scheme = value.partition(":")[0]
    if scheme == "sqlite":
        if not value.startswith("sqlite:///") or len(value) == len("sqlite:///"):
            raise ValueError("should be sqlite:/// followed by the path of a file")
    elif scheme in ("postgresql", "postgresql+psycopg"):
        if urlsplit(value).password is not None:
            raise ValueError("should not carry a password, which has a setting of its own")
    else:
        raise ValueError("should begin with sqlite:/// or postgresql://")
    return value


def database_address(url: str, password: str | None) -> str:
    """The URL with its password: a secret, not to be logged."""
    if password is None or url.startswith("sqlite:"):
        return url
    return with_credentials(url, unquote(urlsplit(url).username or ""), password)


def user_in(url: str) -> str | None:
    """The database's user that a URL names; None where it names none."""
    return None if url.startswith("sqlite:") else unquote(urlsplit(url).username or "") or None


DatabaseUrl = Annotated[str, AfterValidator(_database_url)]
