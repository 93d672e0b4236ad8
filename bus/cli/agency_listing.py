"""`saraban-bus agency list` and `show`: every agency, when its certificate ends, and how its invitation stands."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any

import typer

from bus.cli.common import AsCsv, Config, Json, opened, say, settings_of
from bus.cli.output import exported, listed
from bus.directory import Agency
from bus.directory.ends import end_of
from bus.ledger.entry import Entry, Kind, timestamp
from bus.ledger.reading import Reader
from bus.pages.columns import About, Column, Row, iso
from bus.router.activation import directory_in_force
from bus.thai import now
from bus.views.finding import head_of

_COLUMNS = (
    Column("code", "agency", "หน่วยงาน"),
    Column("nameTh", "name", "ชื่อ"),
    Column("state", "state", "สถานะ"),
    Column("inbox", "inbox", "ตู้หนังสือ"),
    Column("certificateEnds", "certificate ends", "ใบรับรองหมดอายุ", iso, plain=True),
    Column("invitation", "invitation", "คำเชิญ"),
)


def agency_list(config: Config = None, json: Json = False, as_csv: AsCsv = False) -> None:
    """List every agency of the directory, and those that are invited; whose certificate ends first comes first."""
    with opened(settings_of(config)) as ledger, ledger.read() as reader:
        rows = sorted(_rows(reader), key=lambda row: (row["certificateEnds"] or "9", row["code"]))
        head = head_of(reader)
    if json:
        say(rows, json=True, words=())
    elif as_csv:
        exported(_COLUMNS, rows, About({}, head))
    else:
        listed(f"{len(rows)} agencies", _COLUMNS, rows)


def agency_show(
    code: Annotated[str, typer.Argument(help="The agency's code of ten digits.")],
    config: Config = None,
    json: Json = False,
) -> None:
    """Show one agency: its certificates, their ends, and how its invitation stands."""
    with opened(settings_of(config)) as ledger, ledger.read() as reader:
        found = next((row for row in _rows(reader) if row["code"] == code), None)
        if found is None:
            raise typer.BadParameter(f"there is no agency {code}, and none was invited", param_hint="CODE")
        agency = directory_in_force(reader)[1].agencies.get(found["code"])
    pins = list(_pins(agency)) if agency else []
    words = [f"{name}: {value}" for name, value in found.items() if value is not None]
    words += [f"certificate: {pin['fingerprint']} until {pin['until']}{_revoked(pin)}" for pin in pins]
    vouched = list(_vouched(agency)) if agency else []
    words += [f"organization: {pin['organization']} by {pin['authority']}{_revoked(pin)}" for pin in vouched]
    say({**found, "certificates": pins, "organizations": vouched}, json=json, words=words)


def _rows(reader: Reader) -> Iterator[Row]:
    directory, invited = directory_in_force(reader)[1], _invitations(reader)
    for code, agency in directory.agencies.items():
        end = end_of(agency)
        yield {
            "code": code,
            "nameTh": agency.name_th,
            "nameEn": agency.name_en,
            "state": agency.state,
            "inbox": agency.cluster if agency.inbox else "none",
            "certificateEnds": timestamp(end) if end else None,
            "invitation": invited[code][1] if code in invited else None,
        }
    for stranger, (entry, standing) in invited.items():
        if stranger not in directory.agencies:
            yield {
                "code": stranger,
                "nameTh": entry.body["name_th"],
                "nameEn": entry.body["name_en"],
                "state": "invited",
                "inbox": "none",
                "certificateEnds": None,
                "invitation": standing,
            }


def _invitations(reader: Reader) -> dict[str, tuple[Entry, str]]:
    """Return the newest invitation of each agency, and how it stands in words."""
    outcomes = {one.body["request"]: one.body["outcome"] for one in reader.every(Kind.ENROLMENT_ANSWERED)}
    made = {one.body.get("invitation"): str(one.document) for one in reader.every(Kind.ENROLMENT_REQUESTED)}

    def standing(entry: Entry) -> str:
        if request := made.get(entry.seq):
            return str(outcomes.get(request, "waits for approval"))
        until = entry.body["until"]
        return f"open until {iso(until)}" if now() <= datetime.fromisoformat(until) else "ended unused"

    return {one.body["agency"]: (one, standing(one)) for one in reader.every(Kind.INVITED)}


def _pins(agency: Agency) -> Iterator[dict[str, Any]]:
    for pin in agency.certificates:
        yield {
            "fingerprint": pin.fingerprint,
            "until": timestamp(pin.certificate.not_valid_after_utc),
            "revokedAt": timestamp(pin.revoked_at) if pin.revoked_at else None,
        }


def _vouched(agency: Agency) -> Iterator[dict[str, Any]]:
    for pin in agency.vouched:
        yield {
            "authority": pin.authority,
            "organization": pin.organization,
            "revokedAt": timestamp(pin.revoked_at) if pin.revoked_at else None,
        }


def _revoked(pin: dict[str, Any]) -> str:
    return f", revoked at {pin['revokedAt']}" if pin["revokedAt"] else ""
