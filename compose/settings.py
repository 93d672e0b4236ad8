"""Sections of the settings of a bus that is composed in a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit


def ledger_settings(folder: Path, url: str, key: Path, origin: str, **more: Any) -> dict[str, Any]:
    """Return the ledger's section; a password in the URL goes into a file of its own, as in production."""
    parts = urlsplit(url)
    settings = {"origin": origin, "key": str(key), "kept_head": str(folder / "log.head"), **more}
    if parts.password is None:
        return {"url": url, **settings}
    file = secret_file(folder, "ledger", unquote(parts.password))
    bare = parts._replace(netloc=f"{parts.username}@{parts.netloc.rpartition('@')[2]}")
    return {"url": bare.geturl(), "password_file": str(file), **settings}


def secret_file(folder: Path, name: str, secret: str) -> Path:
    """Write a secret into a file that only its owner can read, and return where it is."""
    file = folder / "passwords" / name
    file.parent.mkdir(mode=0o700, exist_ok=True)
    file.touch(mode=0o600)
    file.write_text(secret, encoding="utf-8")
    return file


def console_settings(folder: Path, port: int) -> dict[str, Any]:
    """Return the console's section."""
    return {
        "listen_port": port,
        "people": str(folder / "people.toml"),
        "database": f"sqlite:///{folder / 'console.db'}",
        "results": str(folder / "console"),
    }
