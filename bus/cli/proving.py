"""`saraban-bus ledger verify`, `prove`, `halt` and `resume`: what the ledger can be held to."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from bus.cli.common import Config, Json, opened, say, settings_of, steward
from bus.cli.heads import head_in
from bus.cli.progress import bars
from bus.documents.notes import log_key
from bus.exits import NEGATIVE
from bus.identifiers import LetterId
from bus.ledger import halt
from bus.ledger.findings import Report
from bus.ledger.reading import Reader
from bus.ledger.store import Ledger
from bus.ledger.verified import Leavings
from bus.ledger.verifying import NO_HEAD, verify
from bus.ledger.verifying_heads import CUT_OFF
from bus.ledger.verifying_workers import side_by_side, worth_starting
from bus.operators import of_the_bus
from bus.process import collect_rarely
from bus.router.signers import ledger_signer
from bus.settings.bus import BusSettings
from bus.thai import normalise_number
from bus.verifier.notes import Unreadable, VerifierKey
from bus.views.letters import ledger_number


def add_to(app: typer.Typer) -> None:
    """Add the commands to `saraban-bus ledger`."""
    app.command("verify")(check)
    app.command("prove")(prove)
    app.command("key")(key)
    app.command("halt")(stop)
    app.command("resume")(resume)


def check(
    config: Config = None,
    json: Json = False,
    since: Annotated[
        Path | None, typer.Option(help="A checkpoint that you trust: only what came after it is verified.")
    ] = None,
    signatures: Annotated[
        bool, typer.Option("--signatures", help="Check every document's signature too; takes far longer.")
    ] = False,
    log: Annotated[
        str | None, typer.Option("--log-key", help="The log's public key, as `ledger key` says it.")
    ] = None,
    new: Annotated[
        bool,
        typer.Option(
            "--new", help="Only what came after the head that the last one that passed here has left."
        ),
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the signatures where one that was stopped here was.")
    ] = False,
    processes: Annotated[
        int | None,
        typer.Option(min=1, max=64, help="Processes that verify side by side; the processors, if left out."),
    ] = None,
) -> None:
    """Verify the whole ledger from its rows; exit 1, and halt the ledger, if anything is not as it was signed."""
    collect_rarely()
    settings = settings_of(config)
    verifier = _verifier(settings, log)
    leavings = Leavings(settings.ledger.kept_head.parent)
    trusted = head_in(since, "--since") if since else leavings.head() if new else None
    left = leavings.left(verifier) if resume else None
    with opened(settings) as ledger, bars(json) as progress:
        count = processes or worth_starting(ledger.engine, trusted.size if trusted else 0)
        with side_by_side(ledger.engine, count) as (connection, team):
            known = () if log else tuple(filter(None, [ledger_signer(settings, ledger).remembered()]))
            report = verify(
                connection,
                verifier,
                since=trusted,
                known=known,
                signatures=signatures,
                progress=progress,
                team=team,
                resume=left,
                leave=leavings.leave,
            )
    if report.passed:
        leavings.passed(report.agreed)
    # Whoever brings a key along looks from outside; whoever has the log's own is its operator, and halts it. That no
    # head was signed yet is no contradiction to one: a new bus goes on.
    halting = log is None and any(one.code != NO_HEAD for one in report.findings)
    say({**report.as_json(), "halting": halting}, json=json, words=_words(report, halting))
    if halting:
        _halt(settings, report)
    if not report.passed:
        raise typer.Exit(NEGATIVE)


def prove(
    what: Annotated[str, typer.Argument(help="A ledger number, a LetterID or a letter number.")],
    config: Config = None,
    json: Json = False,
) -> None:
    """Prove that entries are in the ledger: by number one, by letter all that are about it."""
    with opened(settings_of(config)) as ledger, ledger.read() as reader:
        found = _proofs(reader, what)
    if not found["entries"]:
        say(found, json=json, words=[f"nothing in a signed head of this ledger is {what}"])
        raise typer.Exit(NEGATIVE)
    words = found["checkpoint"].splitlines()
    for one in found["entries"]:
        words += [f"entry {one['entry']}  leaf {one['leaf']}", *(f"  {each}" for each in one["proof"])]
    say(found, json=json, words=words)


def key(config: Config = None) -> None:
    """Print the log's public key: what auditors, agencies and `saraban-verify` are to know it by."""
    section = settings_of(config).ledger
    say({}, json=False, words=[str(log_key(section.key, section.origin, section.passphrase_text()).verifier)])


def stop(
    reason: Annotated[str, typer.Option(help="Why; another steward reads it.")], config: Config = None
) -> None:
    """Ask that the ledger be halted; a second steward's asking does it. Submissions then wait in the intake.

    Exit 0 when it is halted, 1 while another steward has still to ask for the same, within an hour.
    """
    _set(config, True, reason)


def resume(
    reason: Annotated[str, typer.Option(help="Why it is whole again.")], config: Config = None
) -> None:
    """Ask that the halt be lifted; a second steward's asking does it. Exit 0 when it is lifted, 1 before.

    A ledger that still does not continue what was signed is halted again at its next head.
    """
    _set(config, False, reason)


def _set(config: Path | None, halted: bool, reason: str) -> None:
    settings = settings_of(config)
    who = steward(settings)
    with opened(settings) as ledger:
        outcome = halt.ask(ledger.engine, halted, operator=who, reason=reason)
    if isinstance(outcome, halt.Wish):
        wanted = "halt the ledger" if halted else "lift the halt"
        until = f"{outcome.until:%H:%M}"
        said = f"{who.name} wants to {wanted}: a second steward has to run the same command, until {until}"
        say({}, json=False, words=[said])
        raise typer.Exit(NEGATIVE)
    say({}, json=False, words=["the ledger is halted" if halted else "the halt is lifted"])


def _halt(settings: BusSettings, report: Report) -> None:
    first = report.findings[0]
    reason = f"{first.code} at {first.where}; {report.found} findings in all"
    with Ledger(settings.ledger.address()) as ledger:
        halt.set_halted(ledger.engine, True, operator=of_the_bus("ledger verify"), reason=reason)


def _verifier(settings: BusSettings, text: str | None) -> VerifierKey:
    if text is None:
        section = settings.ledger
        return log_key(section.key, section.origin, section.passphrase_text()).verifier
    try:
        return VerifierKey.parse(text)
    except Unreadable as error:
        raise typer.BadParameter(str(error)) from error


def _proofs(reader: Reader, what: str) -> dict[str, Any]:
    if (number := ledger_number(what)) is not None:
        seqs = [number]
    else:
        rows = reader.find_letters(letter_id=LetterId(what.lower())) or reader.find_letters(
            number=normalise_number(what)
        )
        seqs = [entry.seq for row in rows for entry in reader.entries_of(row.letter)]
    head, tree = reader.heads.newest(), reader.tree()
    covered = [seq for seq in seqs if head and 0 < seq <= head.size]
    if head is None or not covered:
        return {"checkpoint": head.note if head else None, "entries": []}
    return {
        "checkpoint": head.note,
        "entries": [
            {
                "entry": seq,
                "leaf": b64encode(tree.leaf(seq)).decode(),
                "index": seq - 1,
                "size": head.size,
                "proof": [b64encode(each).decode() for each in tree.inclusion_proof(seq, head.size)],
            }
            for seq in covered
        ],
    }


_NOT_LOOKED_AT = (
    "entries 1 to {0} were not read again: the tree still has the hashes that were signed, and only a verification"
    " of the whole ledger shows that their text and what is listed beside them is unchanged",
    "ไม่ได้อ่านรายการที่ 1 ถึง {0} ซ้ำ: ค่าแฮชในต้นไม้ยังตรงกับหัวบัญชีที่ลงลายมือชื่อไว้"
    " แต่จะรู้ว่าข้อความและดัชนีของรายการเหล่านั้นไม่ถูกแก้ไข ต้องตรวจทั้งบัญชี",
)


def _words(report: Report, halting: bool) -> Iterator[str]:
    after = f", of which those after entry {report.since} were looked at" if report.since else ""
    counted = ", ".join(f"{count} {what}" for what, count in report.counts.items())
    yield f"{report.size} entries{after}; verified: {counted}"
    for one in report.findings:
        yield f"{one.code}  {one.where}: {one.detail}"
    if report.found > len(report.findings):
        yield f"… and {report.found - len(report.findings)} more"
    if (tail := report.size - report.signed) > 0:
        yield f"the newest {tail} entries are in no signed head yet"
    if report.since:
        yield from (each.format(report.since) for each in _NOT_LOOKED_AT)
    if report.resumed:
        yield (
            f"signatures up to entry {report.resumed} were checked by the one that was stopped, and not again: these"
            " entries are the same, by their root; the files listed for their letters were not compared again"
        )
    yield "pass: the ledger is what was signed" if report.passed else f"FAIL: {report.found} findings"
    if {one.code for one in report.findings} == {NO_HEAD}:
        yield "nothing else was found, and the ledger goes on: a router signs the first head within seconds"
    if any(one.code == CUT_OFF for one in report.findings):
        yield "bring the missing entries back: a later backup, the standby, the write-ahead log (docs/operating.md)"
    if halting:
        yield "the ledger is halted over this; `saraban-bus ledger resume` lifts that when it is whole again"
