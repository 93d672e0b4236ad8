"""Which files a directory's file names: those of certificates, and those of public authorities."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bus.toml import read_toml


def certificate_files(path: Path, *, certificates: Path | None = None) -> dict[str, Path]:
    """Return the certificate files that a directory names, there or not, by the name that stands in it.

    They are where `load_directory` looks for them. A name that leads out of their folder is left out.
    """
    values = read_toml(path).values
    stated = values.get("certificates_folder")
    folder = certificates or path.parent / (stated if isinstance(stated, str) else ".")
    holders = [values.get("bus"), *_listed(values.get("agency"))]
    pins = [pin for one in holders if isinstance(one, dict) for pin in _listed(one.get("certificates"))]
    names = [pin.get("file") for pin in pins if isinstance(pin, dict)]
    for authority in _listed(values.get("public_authority")):
        if isinstance(authority, dict):
            names += [authority.get("chain"), *_listed(authority.get("lists"))]
    return {name: folder / name for name in names if isinstance(name, str) and _stays_inside(name)}


def _listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _stays_inside(name: str) -> bool:
    place = Path(name)
    return not place.is_absolute() and ".." not in place.parts
