"""`saraban-bus agency`: who is invited and approved, and what of an agency changes in the directory."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from bus.cli.common import Config, Json, opened, say, settings_of, steward
from bus.directory.model import Login
from bus.documents.enrolment import write_invitation
from bus.documents.keys import write_private
from bus.documents.notes import log_key
from bus.enrolment.brokers import broker_made_ready
from bus.enrolment.deciding import (
    Centre,
    Waiting,
    approve,
    decline,
    invite,
    waiting,
)
from bus.enrolment.logins import issued_by, require_issuing
from bus.errors import Misconfigured, Problem
from bus.identifiers import MAIN, AgencyCode
from bus.ledger.entry import Kind
from bus.ledger.reading import Reader
from bus.router.activation import directory_in_force
from bus.router.signers import bus_seal
from bus.settings.bus import BusSettings

app = typer.Typer(no_args_is_help=True, help="Agencies: invited, approved, suspended, renamed, merged.")

Code = Annotated[str, typer.Argument(help="The agency's code of ten digits.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; it stands in the ledger with your name.")]


@app.command("invite")
def agency_invite(
    code: Code,
    name_th: Annotated[str, typer.Option("--name", help="Its name in Thai.")],
    name_en: Annotated[str, typer.Option("--name-en", help="Its name in English.")] = "",
    days: Annotated[int, typer.Option(min=1, max=90, help="How long the invitation serves.")] = 7,
    cluster: Annotated[
        str | None, typer.Option(help="The broker cluster of its inbox; else the one that it is on, or main.")
    ] = None,
    login: Annotated[
        Login, typer.Option(help="How it logs in to the broker; a certificate is issued on approval.")
    ] = "password",
    auto: Annotated[
        bool, typer.Option("--auto", help="For trials: `saraban-bus enrol` approves it by itself.")
    ] = False,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Where it is written.")] = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Write the one file that an agency needs to join. Hand it over as you would a password."""
    settings, agency = settings_of(config), code_of(code)
    who = steward(settings)
    target = output or Path(f"invitation-{agency}.saraban")
    if target.exists():
        raise typer.BadParameter(f"{target} is there, and is never written over", param_hint="--output")
    seal = bus_seal(settings)
    with opened(settings) as ledger:
        with ledger.read() as reader:
            place = cluster or _cluster_of(reader, agency)
        if place not in settings.brokers:
            raise typer.BadParameter(f"the settings have no cluster {place}", param_hint="--cluster")
        centre = _centre(settings, place)
        if login == "certificate":
            require_issuing(settings, centre.broker)
        invitation = invite(
            ledger,
            centre,
            agency,
            seal,
            name_th=name_th,
            name_en=name_en or name_th,
            lasts=timedelta(days=days),
            operator=who,
            auto=auto,
            cluster=place,
            login=login,
        )
    write_private(target, write_invitation(invitation, seal).encode())
    say(
        {"agency": agency, "file": str(target), "until": invitation.until.isoformat()},
        json=json,
        words=[
            f"wrote {target}: it serves once, until {invitation.until:%Y-%m-%d %H:%M}",
            "hand it to the agency; there: saraban-adapter init FILE",
            f"then here: saraban-bus agency approve {agency}",
        ],
    )


@app.command("waiting")
def agency_waiting(config: Config = None, json: Json = False) -> None:
    """List the requests that nobody has answered: to join, and to renew a key."""
    with opened(settings_of(config)) as ledger, ledger.read() as reader:
        found = waiting(reader)
    values = [
        {
            "agency": one.request.agency,
            "kind": _kind_of(one),
            "fingerprint": one.request.fingerprint,
            "since": one.entry.body["at"],
        }
        for one in found
    ]
    words = [f"{one['agency']}: {one['kind']} since {one['since']}, {one['fingerprint']}" for one in values]
    say(values, json=json, words=words or ["nobody waits"])


@app.command("approve")
def agency_approve(
    code: Code,
    fingerprint: Annotated[
        str | None,
        typer.Option("--fingerprint", help="What the agency read out, instead of being asked for it."),
    ] = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Pin an agency's key and make its inbox, exchange and user, once its fingerprint was compared by telephone."""
    settings = settings_of(config)
    who, seal = steward(settings), bus_seal(settings)
    with opened(settings) as ledger:
        with ledger.read() as reader:
            asked = _newest_of(reader, code_of(code))
        _compare(asked, fingerprint)
        ready, issue = broker_made_ready(settings), issued_by(settings)
        version = approve(ledger, asked, seal, ready, operator=who, issue=issue)
    words = f"{asked.request.agency} is in the directory (version {version}), and its inbox is there"
    if asked.request.renews_login:
        words = f"{asked.request.agency} has its next certificate for the broker"
    say({"agency": asked.request.agency, "directory": version}, json=json, words=[words])


@app.command("decline")
def agency_decline(code: Code, reason: Reason, config: Config = None, json: Json = False) -> None:
    """Answer an agency's request with no; it is told the reason."""
    settings = settings_of(config)
    who, seal = steward(settings), bus_seal(settings)
    with opened(settings) as ledger:
        with ledger.read() as reader:
            asked = _newest_of(reader, code_of(code))
        decline(ledger, asked, seal, operator=who, reason=reason)
    say({"agency": code, "declined": asked.name}, json=json, words=[f"the request of {code} was declined"])


def _cluster_of(reader: Reader, code: AgencyCode) -> str:
    """Return where an agency is that is in the directory already, as one that lost its key; main for a new one."""
    if not reader.latest_seq(Kind.DIRECTORY):
        return MAIN
    known = directory_in_force(reader)[1].agencies.get(code)
    return known.cluster if known else MAIN


def _newest_of(reader: Reader, code: AgencyCode) -> Waiting:
    found = [one for one in waiting(reader) if one.request.agency == code]
    if not found:
        raise Misconfigured(
            Problem(
                "the ledger", "request", f"no request of {code} waits", "Run `saraban-bus agency waiting`"
            )
        )
    return found[-1]


def _kind_of(asked: Waiting) -> str:
    if asked.invitation:
        return "enrolment"
    return "renewal of the log-in" if asked.request.renews_login else "renewal"


def _compare(asked: Waiting, stated: str | None) -> None:
    """Have the fingerprint compared with what the agency reads out: it is what tells it from a thief of its file."""
    shown = asked.request.fingerprint
    if stated is None:
        typer.echo(
            f"{asked.request.agency}: ask by telephone for the fingerprint that saraban-adapter showed."
        )
        typer.echo(f"  {shown}")
        typer.confirm("Is it the same?", abort=True)
    elif len(stated) < 16 or not shown.startswith(stated.lower()):
        raise Misconfigured(
            Problem(
                "--fingerprint",
                "(whole)",
                f"is not that of the request, {shown}",
                "Decline it if the agency has another",
            )
        )


def _centre(settings: BusSettings, cluster: str) -> Centre:
    section, broker, ledger = settings.enrolment, settings.brokers[cluster], settings.ledger
    authorities = (broker.ca_file, settings.depot.ca_file)
    return Centre(
        centre=section.centre or settings.depot.url,
        broker=section.broker if section.broker and cluster == MAIN else broker.url,
        vhost=broker.vhost,
        bus=settings.seal.certificate.read_text(encoding="ascii").strip(),
        log_key=str(log_key(ledger.key, ledger.origin, ledger.passphrase_text()).verifier),
        authority="".join(
            dict.fromkeys(file.read_text(encoding="ascii") for file in authorities if file)
        ).strip(),
    )


def code_of(text: str) -> AgencyCode:
    """Return an agency's code. Raises typer.BadParameter for what is none."""
    if len(text) != 10 or not (text.isascii() and text.isdigit()):
        raise typer.BadParameter("an agency's code has ten digits", param_hint="CODE")
    return AgencyCode(text)
