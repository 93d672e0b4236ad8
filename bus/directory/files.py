"""Which files a directory's file names."""

from __future__ import annotations

from pathlib import Path

from bus.toml import read_toml


def certificate_files(path: Path, *, certificates: Path | None = None) -> dict[str, Path]:
    """Return the certificate files that a directory names, there or not, by the name that stands in it.

    They are where `load_directory` looks for them. A name that leads out of their folder is left out.
    """
    values = read_toml(path).values
    stated = values.get("certificates_folder")
    folder = certificates or path.parent / (stated if isinstance(stated, str) else ".")
    agencies = values.get("agency")
    found: dict[str, Path] = {}
    for table in [values.get("bus"), *(agencies if isinstance(agencies, list) else [])]:
        pins = table.get("certificates") if isinstance(table, dict) else None
        for pin in pins if isinstance(pins, list) else []:
            name = pin.get("file") if isinstance(pin, dict) else None
            if isinstance(name, str) and _stays_inside(name):
                found[name] = folder / name
    return found


def _stays_inside(name: str) -> bool:
    place = Path(name)
    return not place.is_absolute() and ".." not in place.parts
