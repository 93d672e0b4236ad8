"""`saraban-bus evidence`: packs that an outsider can verify."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, BinaryIO

import typer
from rich.console import Console
from rich.progress import track

from bus.cli import asking
from bus.cli.certificate import require_form, said_of, write_certificate
from bus.cli.common import Config, Json, note_reading, opened, say, settings_of
from bus.depot.store import local_contents
from bus.documents.seal import Seal
from bus.errors import Misconfigured, Problem
from bus.evidence.pack import Stamp, write_pack
from bus.evidence.page import letter_of
from bus.evidence.stamping import stamper
from bus.exits import NEGATIVE, USAGE, complain
from bus.identifiers import RawDigest
from bus.ledger.evidence import Evidence, NotSigned, gather
from bus.ledger.store import Ledger
from bus.operators import Role
from bus.people import acting
from bus.router.signers import bus_seal, ledger_signer
from bus.settings.bus import BusSettings
from bus.thai import normalise_number, now
from bus.views.asking import names_of
from bus.views.letters import ledger_number, letters_named, paged


def evidence(
    letter: Annotated[
        str | None, typer.Argument(help="LetterID, letter number, or the ledger number of the letter.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="The pack, or for several letters the folder of their packs; pack.asice if not given.",
        ),
    ] = None,
    certificate: Annotated[
        Path | None,
        typer.Option(
            help="A certificate of delivery of one letter: .pdf with the pack in it, or .html for printing."
        ),
    ] = None,
    span: Annotated[
        str | None, typer.Option("--range", help="Ledger numbers, as 100..200: every letter accepted there.")
    ] = None,
    number: Annotated[str | None, typer.Option(help="Letter number, Thai or Arabic digits.")] = None,
    sender: Annotated[
        str | None, typer.Option("--from", help="The sending agency: code, name or abbreviation.")
    ] = None,
    recipient: Annotated[
        str | None, typer.Option("--to", help="A recipient: code, name or abbreviation.")
    ] = None,
    date: Annotated[
        str | None, typer.Option(help="The letter's date, or two with `..` between them.")
    ] = None,
    query: Annotated[str | None, typer.Option(help="Words of the subject; all have to be in it.")] = None,
    files: Annotated[
        bool, typer.Option("--files", help="Put the letter's files in, from the depot.")
    ] = False,
    config: Config = None,
    json: Json = False,
) -> None:
    """Write evidence packs: for one letter, for a range, or for all that a query finds."""
    settings = settings_of(config)
    who = acting(settings, Role.AUDITOR, Role.STEWARD)
    if certificate is not None:
        require_form(certificate)
    seal, stamp = bus_seal(settings), stamper(settings.evidence)
    since, until = asking.dates(date)
    first, last = _span(span)
    asked = any(each is not None for each in (span, number, sender, recipient, date, query))
    with opened(settings) as ledger:
        with ledger.read() as reader:
            names = names_of(reader)
            matching = partial(
                reader.find_letters,
                number=normalise_number(number) if number else None,
                sender=asking.agency(names, sender, "--from"),
                recipient=asking.agency(names, recipient, "--to"),
                since=since,
                until=until,
                words=asking.words(query),
            )
            if letter is not None:
                wanted = [row.letter for row in letters_named(reader, letter)]
            else:
                pages = paged(matching) if asked else iter(())
                wanted = [row.letter for rows in pages for row in rows if first <= row.letter <= last]
        if not wanted:
            say({"packs": []}, json=json, words=["no letter is asked for, or none is found"])
            raise typer.Exit(NEGATIVE)
        alone = letter is not None and len(wanted) == 1
        if certificate is not None and not alone:
            raise typer.BadParameter("goes with one letter, named first", param_hint="--certificate")
        with _place(output, kept=output is not None or certificate is None) as place:
            paths = _paths(wanted, place, alone=alone)
            if certificate is not None:
                _require_place(certificate, made=None)
            # Entered first: a pack has the whole letter in it, and nobody reads unseen.
            read = {"from": min(wanted), "to": max(wanted)}
            note_reading(ledger, who, "evidence", read, len(wanted))
            doubts = {
                paths[one]: _write(
                    ledger, settings, one, paths[one], seal, stamp, files=files, certificate=certificate
                )
                for one in _shown(wanted, json)
            }
    packs = {} if certificate is not None and output is None else doubts
    _print_doubts(packs, json, certificate, [each for found in doubts.values() for each in found])


@contextmanager
def _place(output: Path | None, *, kept: bool) -> Iterator[Path]:
    """Where packs go: as asked, or for a moment only, where just a certificate is wanted."""
    if kept:
        yield output or Path("pack.asice")
        return
    with TemporaryDirectory(prefix="saraban-pack-") as folder:
        yield Path(folder, "pack.asice")


def _paths(wanted: list[int], output: Path, *, alone: bool) -> dict[int, Path]:
    """Where each letter's pack goes; ends with a usage error where none can be written."""
    _require_place(output if alone else output / "pack.asice", made=None if alone else output)
    return {one: output if alone else output / f"letter-{one}.asice" for one in wanted}


def _print_doubts(
    doubts: Mapping[Path, tuple[str, ...]], json: bool, certificate: Path | None, all_doubts: list[str]
) -> None:
    words = []
    for path, found in doubts.items():
        words += [f"{path}: check it with saraban-verify {path} --log-key KEY"]
        words += [f"{path}: IN DOUBT: {each}" for each in found]
    value: dict[str, Any] = {
        "packs": list(map(str, doubts)),
        "doubts": {str(path): found for path, found in doubts.items() if found},
    }
    if certificate is not None:
        value |= {"certificate": str(certificate), "certificateDoubts": all_doubts}
        words += said_of(certificate, all_doubts if not doubts else ())
    say(value, json=json, words=words)


def _write(
    ledger: Ledger,
    settings: BusSettings,
    letter: int,
    path: Path,
    seal: Seal,
    stamp: Stamp | None,
    *,
    files: bool,
    certificate: Path | None,
) -> tuple[str, ...]:
    found = gathered(ledger, settings, letter)
    opened_files = _files(found, settings) if files else None
    at = now()
    doubts = write_pack(path, found, seal, at=at, files=opened_files, stamp=stamp)
    if certificate is not None:
        write_certificate(certificate, found, at, path, stamped=stamp is not None, doubts=doubts)
    return doubts


def _require_place(path: Path, *, made: Path | None) -> None:
    """End with the status of a usage error where no pack can be written, before anything is entered or gathered."""
    try:
        if made is not None:
            made.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, "it is a folder")
        trial = path.with_name(f".{path.name}.part")
        trial.open("wb").close()
        trial.unlink()
    except (OSError, ValueError) as error:
        complain(f"{path} cannot be written: {getattr(error, 'strerror', None) or error}")
        raise typer.Exit(USAGE) from error


def gathered(ledger: Ledger, settings: BusSettings, letter: int) -> Evidence:
    """Gather; where no head covers the letter yet, sign one, if the log's key is here. Raises Misconfigured."""
    try:
        with suppress(NotSigned), ledger.read() as reader:
            return gather(reader, letter)
        with suppress(Misconfigured):
            ledger_signer(settings, ledger).sign()
        with ledger.read() as reader:
            return gather(reader, letter)
    except LookupError as error:
        wrong, fix = "is not whole any more in this ledger", "Run `saraban-bus ledger verify`."
        raise Misconfigured(Problem("the ledger", f"letter {letter}", wrong, fix)) from error


def _files(found: Evidence, settings: BusSettings) -> dict[RawDigest, Callable[[], BinaryIO]]:
    store = local_contents(settings.depot.folder)
    document = letter_of(found)
    lost = [file.name for file in document.all_files if store.size(file.digest) is None]
    if lost:
        fix = "Run it where the depot's folder is, or without --files."
        where = str(settings.depot.folder)
        raise Misconfigured(Problem(where, "depot.folder", f"does not have {', '.join(lost)}", fix))
    return {file.digest: partial(store.open, file.digest) for file in document.all_files}


def _span(text: str | None) -> tuple[int, int]:
    if text is None:
        return 0, 2**63 - 1
    first, separator, last = text.partition("..")
    if not separator or any(ledger_number(each) is None for each in (first, last) if each):
        raise typer.BadParameter(f"{text!r} is no range such as 100..200")
    lowest, highest = int(first or 0), int(last or 2**63 - 1)
    if lowest > highest:
        raise typer.BadParameter(f"{text!r} ends before it begins", param_hint="--range")
    return lowest, highest


def _shown(wanted: list[int], json: bool) -> Iterator[int]:
    console = Console(stderr=True)
    if json or len(wanted) == 1 or not console.is_terminal:
        return iter(wanted)
    return iter(track(wanted, "packs", console=console))
