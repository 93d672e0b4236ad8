"""`saraban-bus agency suspend`, `resume`, `rename`, `merge`, `revoke`: a version of the directory changes an agency."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from bus.broker.topology import user_of
from bus.cli.agency import Code, Reason, code_of
from bus.cli.common import Config, Json, opened, say, settings_of, steward
from bus.directory import Agency, Directory
from bus.documents.seal import Seal
from bus.enrolment.deciding import change_directory, decline_waiting, with_agency
from bus.enrolment.merging import lock_out, require_drained, require_nothing_waits
from bus.errors import Transient
from bus.exits import complain
from bus.identifiers import MAIN, AgencyCode
from bus.ledger.store import Writer
from bus.router.activation import directory_in_force
from bus.router.signers import bus_seal
from bus.settings.bus import BusSettings
from bus.thai import now

_FEWEST = 8
"""Digits of a fingerprint that name a certificate."""


def register(app: typer.Typer) -> None:
    """Add the commands to those of `saraban-bus agency`."""
    commands = (agency_suspend, agency_resume, agency_rename, agency_merge, agency_revoke)
    for command in commands:
        app.command(command.__name__.removeprefix("agency_"))(command)


def agency_suspend(code: Code, reason: Reason, config: Config = None, json: Json = False) -> None:
    """Take nothing more from an agency, and hold what it is to get."""
    _change(config, code, lambda _, agency: replace(agency, state="suspended"), reason, json=json)


def agency_resume(code: Code, reason: Reason, config: Config = None, json: Json = False) -> None:
    """Let a suspended agency send again, and release what was held for it."""
    _change(config, code, lambda _, agency: replace(agency, state="active"), reason, json=json)


def agency_rename(
    code: Code,
    name_th: Annotated[str, typer.Option("--name", help="Its new name in Thai.")],
    reason: Reason,
    name_en: Annotated[str | None, typer.Option("--name-en", help="Its new name in English.")] = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Give an agency another name; its code stays."""

    def renamed(_: Directory, agency: Agency) -> Agency:
        return replace(agency, name_th=name_th, name_en=name_en or agency.name_en)

    _change(config, code, renamed, reason, json=json)


def agency_merge(
    code: Code,
    into: Annotated[str, typer.Option("--into", help="The code of the agency that takes over.")],
    reason: Reason,
    config: Config = None,
    json: Json = False,
) -> None:
    """Have letters for an agency go to the inbox of the one that took over; what it sent stays verifiable.

    Refused while anything is on its way to or from it. Its adapter has to have ended; its user is removed.
    """
    settings, successor, wanted = settings_of(config), code_of(into), code_of(code)
    with opened(settings) as ledger, ledger.read() as reader:
        leaving = _known(directory_in_force(reader)[1], wanted)
    if leaving.inbox:
        require_drained(settings, leaving)

    def merged(directory: Directory, agency: Agency) -> Agency:
        if not agency.inbox:
            raise typer.BadParameter(f"{wanted} has no inbox of its own", param_hint="CODE")
        if not directory.has_inbox(successor) or successor == wanted:
            raise typer.BadParameter(f"{successor} has no inbox of its own to take over", param_hint="--into")
        return replace(agency, inbox=False, cluster=MAIN, parent=successor, successor=successor)

    def nothing_waits(writer: Writer, _: Seal) -> None:
        require_nothing_waits(writer, wanted)

    _change(config, code, merged, reason, json=json, also=nothing_waits)
    lock_out(settings, leaving)


def agency_revoke(
    code: Code,
    fingerprint: Annotated[str, typer.Argument(help="The certificate's fingerprint, or how it begins.")],
    reason: Reason,
    config: Config = None,
    json: Json = False,
) -> None:
    """Believe nothing more that is signed with a key from now on; what was signed before stands.

    Renewals that the agency asked for are declined: who has the key may have asked. With its last key, the agency's
    user at the broker is removed, however it logs in.
    """
    moment = now()
    settings = settings_of(config)

    def revoked(_: Directory, agency: Agency) -> Agency:
        found = [pin for pin in agency.certificates if pin.fingerprint.startswith(fingerprint.lower())]
        if len(found) != 1 or len(fingerprint) < _FEWEST:
            known = ", ".join(pin.fingerprint[:16] for pin in agency.certificates) or "none"
            raise typer.BadParameter(
                f"names {len(found)} certificates of {agency.code}; pinned: {known}", param_hint="FINGERPRINT"
            )
        pins = tuple(
            replace(pin, revoked_at=min(pin.revoked_at or moment, moment)) if pin in found else pin
            for pin in agency.certificates
        )
        return replace(agency, certificates=pins)

    who = steward(settings)

    def renewals_declined(writer: Writer, seal: Seal) -> None:
        why = "a key of the agency was revoked after it was asked"
        decline_waiting(writer, code_of(code), seal, operator=who, reason=why, renewals=True)

    _change(config, code, revoked, reason, json=json, also=renewals_declined)
    with opened(settings) as ledger, ledger.read() as reader:
        left = _known(directory_in_force(reader)[1], code_of(code))
    if left.without_key(now()) and left.inbox:
        _lock_out_now(settings, left)


def _lock_out_now(settings: BusSettings, agency: Agency) -> None:
    """Remove the user of an agency; where the broker is away, say so, for the revocation is in force all the same."""
    try:
        lock_out(settings, agency)
    except Transient as away:
        user = user_of(agency.code)
        complain(
            f"{user} is still at the broker ({away}): remove it there, by rabbitmqctl delete_user {user}"
        )


def _change(
    config: Path | None,
    code: str,
    change: Callable[[Directory, Agency], Agency],
    reason: str,
    *,
    json: bool,
    also: Callable[[Writer, Seal], None] = lambda writer, seal: None,
) -> None:
    settings, wanted = settings_of(config), code_of(code)
    if not reason.strip():
        raise typer.BadParameter("says nothing", param_hint="--reason")
    who, seal = steward(settings), bus_seal(settings)

    def changed(directory: Directory) -> Directory:
        agency = _known(directory, wanted)
        after = change(directory, agency)
        if after == agency:
            raise typer.BadParameter(f"{wanted} is so already", param_hint="CODE")
        return with_agency(directory, after)

    with opened(settings) as ledger:
        version = change_directory(
            ledger,
            changed,
            seal,
            operator=who,
            reason=reason,
            also=lambda writer, _: also(writer, seal),
        )
    say(
        {"agency": wanted, "directory": version},
        json=json,
        words=[f"directory version {version} is in force"],
    )


def _known(directory: Directory, code: AgencyCode) -> Agency:
    agency = directory.agencies.get(code)
    if agency is None:
        raise typer.BadParameter(f"the directory has no agency {code}", param_hint="CODE")
    return agency
