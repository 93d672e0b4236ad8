"""Settings as they may be shown to others: no secret, and no user or password in a URL."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from pydantic import BaseModel, SecretStr


def shown(value: Any) -> Any:
    """Plain values for JSON; of a secret only whether it is set, of a type that nobody foresaw only its name."""
    if isinstance(value, SecretStr):
        return "(set, and not shown)"
    if isinstance(value, BaseModel):
        return {name: shown(getattr(value, name)) for name in type(value).model_fields}
    if isinstance(value, Mapping):
        return {str(name): shown(each) for name, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [shown(each) for each in value]
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, str):
        return _bare(str(value))
    return value if value is None or isinstance(value, bool | int | float) else f"({type(value).__name__})"


def _bare(text: str) -> str:
    if "://" not in text:
        return text
    parts = urlsplit(text)
    bare = parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="")
    return urlunsplit(bare) if parts.query or parts.fragment or "@" in parts.netloc else text
