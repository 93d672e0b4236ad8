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

_LOST_AT = datetime.fromisoformat("2026-01-05T09:00:00+07:00")


def join(centre: Centre, agencies: Sequence[AgencyCode], lost: Mapping[AgencyCode, Seal]) -> None:
    """Have agencies join a centre, all at the same time; `lost` are keys that some had and that are revoked.

    Depot and `saraban-bus enrol` run afterwards. Raises CommandFailed.
    """
    known = tomllib.loads(assets.path("config/agencies.toml").read_text(encoding="utf-8"))
    centre.start_depot()
    centre.begin("enrol", "bus", "enrol", "-c", str(centre.folder / "bus.toml"))
    centre.say("saraban-bus serve · saraban-bus enrol")
    _invite(centre, [one for one in known["agency"] if one["code"] in agencies])
    _ask(centre, agencies)
    _complete_directory(centre, known, lost)


def _invite(centre: Centre, agencies: Sequence[Mapping[str, Any]]) -> None:
    centre.say("saraban-bus agency invite CODE --name … --auto --output CODE.saraban        seven times")
    inviting = [
        centre.begin(
            f"invite-{one['code']}",
            "bus",
            *(
                "agency",
                "invite",
                one["code"],
                "--name",
                one["name_th"],
                "--name-en",
                one["name_en"],
                "--auto",
            ),
            *("--output", str(_invitation(centre, one["code"])), "-c", str(centre.folder / "bus.toml")),
        )
        for one in agencies
    ]
    for process in inviting:
        finish(process)


def _ask(centre: Centre, agencies: Sequence[AgencyCode]) -> None:
    centre.say(
        "saraban-adapter init CODE.saraban --folder agencies/CODE        each agency; its key is pinned:"
    )
    asking = {
        code: centre.begin(
            f"init-{code}",
            "adapters",
            *(
                "init",
                str(_invitation(centre, code)),
                "--folder",
                str(centre.agency_folder(code)),
                "--wait",
                "90",
            ),
        )
        for code in agencies
    }
    for code, process in asking.items():
        finish(process)
        centre.say(f"    {code}  {centre.seal(code).fingerprint}")
        _connect_office(centre, code)


def _connect_office(centre: Centre, code: AgencyCode) -> None:
    """Fill in what an agency sets by itself: the folder of its office system, which renames what it has written."""
    values: Values = {
        "": {"resend_after": 5.0},
        "broker": {"insecure_transport": isinstance(centre.broker, ExistingBroker)},
        "connectors.folder": {
            "enabled": True,
            "path": str(centre.exchange_folder(code)),
            "poll": 0.2,
            "quiet": 0,
        },
        "witness": {"poll": 2.0},
    }
    fill(centre.adapter_settings(code), values)


def _complete_directory(centre: Centre, known: dict[str, Any], lost: Mapping[AgencyCode, Seal]) -> None:
    """Add what no invitation says to the directory in force: abbreviations, prefixes, groups, topics, revoked keys."""
    folder = centre.folder / "directory"
    centre.command("directory", "export", str(folder))
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
    centre.command("directory", "apply")


def _invitation(centre: Centre, code: str) -> Path:
    return centre.folder / "invitations" / f"{code}.saraban"
