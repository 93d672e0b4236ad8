"""How the agencies of the demonstration join: each by one file that the centre hands over, and with keys of its own."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import tomli_w
from cryptography.hazmat.primitives.serialization import Encoding

from bus import assets
from bus.documents.seal import Seal
from bus.identifiers import AgencyCode
from bus.settings.writing import Values
from compose.borrowed import ExistingBroker
from compose.demo.centre import Centre, fill, finish
from compose.demo.doors import DOORS
from compose.process import Process

_LOST_AT = datetime.fromisoformat("2026-01-05T09:00:00+07:00")


def join(centre: Centre, agencies: Sequence[AgencyCode], lost: Mapping[AgencyCode, Seal]) -> None:
    """Put a centre in service and have agencies join it; `lost` are keys that some had once and that are revoked.

    The broker, the depot and `saraban-bus enrol` run afterwards. Raises CommandFailed.
    """
    known = tomllib.loads(assets.path("config/agencies.toml").read_text(encoding="utf-8"))
    inviting = [_invite(centre, one) for one in known["agency"] if one["code"] in agencies]
    inviting.append(centre.command("calendar", "apply"))
    centre.start_broker()
    finish(*inviting, centre.command("topology", "apply"))
    centre.say("saraban-bus topology apply, calendar apply, serve, enrol")
    centre.command("enrol")
    centre.start_depot()
    centre.say("saraban-bus agency invite CODE --name … --auto --output CODE.saraban")
    centre.say("saraban-adapter init CODE.saraban --folder agencies/CODE")
    names = {one["code"]: one["name_th"] for one in known["agency"]}
    for code, asking in {code: _ask(centre, code) for code in agencies}.items():
        finish(asking)
        _connect_office(centre, code)
        centre.say(f"  {code} has joined, with the key {centre.seal(code).fingerprint[:16]}…  {names[code]}")
    _complete_directory(centre, known, lost)


def _invite(centre: Centre, agency: Mapping[str, Any]) -> Process:
    names = ("--name", agency["name_th"], "--name-en", agency["name_en"])
    file = str(_invitation(centre, agency["code"]))
    return centre.command("agency", "invite", agency["code"], *names, "--auto", "--output", file)


def _ask(centre: Centre, code: AgencyCode) -> Process:
    words = (
        "init",
        str(_invitation(centre, code)),
        "--folder",
        str(centre.agency_folder(code)),
        "--wait",
        "240",
    )
    return centre.begin(f"init-{code}", "adapters", *words)


def _connect_office(centre: Centre, code: AgencyCode) -> None:
    """Fill in what an agency sets by itself: the door of its office system."""
    values: Values = {
        "": {"resend_after": 5.0},
        "broker": {"insecure_transport": isinstance(centre.broker, ExistingBroker)},
        "witness": {"poll": 2.0},
        **DOORS[code].settings(centre, code),
    }
    fill(centre.adapter_settings(code), values)


def _complete_directory(centre: Centre, known: dict[str, Any], lost: Mapping[AgencyCode, Seal]) -> None:
    """Add what no invitation says to the directory in force: abbreviations, prefixes, groups, topics, revoked keys."""
    folder = centre.folder / "directory"
    centre.say(
        "saraban-bus directory export, apply: with abbreviations, groups, a topic, and a key that was revoked"
    )
    finish(centre.command("directory", "export", str(folder)))
    content = tomllib.loads((folder / "agencies.toml").read_text(encoding="utf-8"))
    said = {one["code"]: {**one, "certificates": []} for one in known["agency"]}
    for agency in content["agency"]:
        agency |= {**said[agency["code"]], "certificates": agency["certificates"]}
    for code, seal in lost.items():
        (agency,) = (one for one in content["agency"] if one["code"] == code)
        file = folder / f"{code}-lost.crt.pem"
        file.write_bytes(seal.certificate.public_bytes(Encoding.PEM))
        agency["certificates"].append({"file": file.name, "revoked_at": _LOST_AT})
    content |= {"group": known["group"], "topic": known["topic"], "certificates_folder": folder.name}
    (centre.folder / "agencies.toml").write_text(tomli_w.dumps(content), encoding="utf-8")
    finish(centre.command("directory", "apply"))


def _invitation(centre: Centre, code: str) -> Path:
    return centre.folder / "invitations" / f"{code}.saraban"
