"""A country of agencies with keys, and its bus on a private broker."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bus.documents.making import new_seal, write_seal

GROUP = "everyone"
FIRST = 10_000


def codes_of(count: int) -> list[str]:
    """The codes of so many agencies, in order."""
    return [f"{FIRST + number:05}00000" for number in range(count)]


def make_keys(folder: Path, names: Sequence[str]) -> None:
    """Make a key pair for each."""
    for name in names:
        write_seal(new_seal(name), folder, name)


def directory_text(codes: Sequence[str], version: int = 1, **abbreviations: str) -> str:
    """The directory file: every agency has a key, and one group stands for all."""
    agencies = [
        f'[[agency]]\ncode = "{code}"\nname_th = "สำนักงานตัวอย่างแห่งที่ {code}"\nname_en = "Sample office {code}"\n'
        f'abbrev_th = "{abbreviations.get(f"a{code}", "สนง.")}"\n'
        f'certificates = [{{ file = "{code}.crt.pem" }}]\n'
        for code in codes
    ]
    head = f'version = {version}\n\n[bus]\ncertificates = [{{ file = "bus.crt.pem" }}]\n'
    group = f'[[group]]\nid = "{GROUP}"\nname_th = "ทุกหน่วยงาน"\nname_en = "Everyone"\nmembers = ["*"]\n'
    return "\n".join([head, *agencies, group])
