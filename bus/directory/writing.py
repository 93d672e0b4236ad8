"""Writing a directory as the file and the certificate files that `load_directory` reads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import tomli_w

from bus.directory.lines import AGENCY, AUTHORITY, GROUP, TOPIC, records_of
from bus.directory.model import BUS, Directory, PinnedCertificate
from bus.errors import Misconfigured, Problem

_HEAD = """\
# ทะเบียนหน่วยงาน · The directory, as it was in force in version {version}. To change it by hand: change this file and run
# `saraban-bus directory apply`, which takes it only while that version is still the one in force.
"""


def write_directory(directory: Directory, folder: Path) -> Path:
    """Write `agencies.toml`, of the next version, and its certificates into a folder; return the file.

    Reading it gives the same records. Raises Misconfigured for a folder that has anything in it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        fix = "Name a new folder, or an empty one"
        raise Misconfigured(
            Problem(str(folder), "(folder)", "is not empty, and nothing is written over", fix)
        )
    file = folder / "agencies.toml"
    values = _values(directory, folder)
    file.write_text(_HEAD.format(version=directory.version) + tomli_w.dumps(values), encoding="utf-8")
    return file


def _values(directory: Directory, folder: Path) -> dict[str, Any]:
    values: dict[str, Any] = {"version": directory.version + 1, "follows": directory.version}
    tables: dict[str, list[Any]] = {kind.rstrip("/"): [] for kind in (AUTHORITY, AGENCY, GROUP, TOPIC)}
    for key, line in sorted(records_of(directory).items()):
        record = json.loads(line.partition(b" ")[2])
        holder = key.removeprefix(AGENCY)
        if key.startswith(AUTHORITY):
            _write_authority(record, folder)
        for pin in record.get("certificates", ()):
            if "pem" in pin:
                pin["file"] = _certificate_file(holder, PinnedCertificate(pem=pin.pop("pem")), folder)
        if key == BUS:
            values[BUS] = record
        else:
            tables[key.partition("/")[0]].append(record)
    return values | {kind: records for kind, records in tables.items() if records}


def _write_authority(record: dict[str, Any], folder: Path) -> None:
    chain, lists = record.pop("chain"), record.pop("lists")
    record["chain"] = f"{record['id']}.chain.pem"
    (folder / record["chain"]).write_text("\n".join(chain) + "\n", encoding="ascii")
    record["lists"] = [f"{record['id']}-{place}.crl.pem" for place in range(1, len(lists) + 1)]
    for name, pem in zip(record["lists"], lists, strict=True):
        (folder / name).write_text(pem + "\n", encoding="ascii")


def _certificate_file(holder: str, pin: PinnedCertificate, folder: Path) -> str:
    name = f"{holder}-{pin.fingerprint[:16]}.crt.pem"
    (folder / name).write_text(pin.pem + "\n", encoding="ascii")
    return name
