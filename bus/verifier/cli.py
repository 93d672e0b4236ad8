"""`saraban-verify PACK`: the checks, what became of the letter at each recipient, and a verdict."""

from __future__ import annotations

import argparse
import sys
import traceback
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NoReturn

from bus.verifier.checking import judge
from bus.verifier.findings import Findings, Result
from bus.verifier.notes import LOG, WITNESS, Unreadable, VerifierKey
from bus.verifier.printing import can_print, harmless_streams, print_json, printable

EXIT = {Result.PASS: 0, Result.FAIL: 1, Result.INDETERMINATE: 2}
USAGE, FAULT, IO_ERROR, STOPPED = 64, 70, 74, 130
"""No verdicts (sysexits.h): asked wrongly, a bug of the verifier, a disk or a pipe that failed, a key pressed."""
_SIGNS = {Result.PASS: "✓", Result.FAIL: "✗", Result.INDETERMINATE: "?", Result.INFO: "·"}
_PLAIN_SIGNS = {Result.PASS: "+", Result.FAIL: "x", Result.INDETERMINATE: "?", Result.INFO: "-"}
"""For consoles that have not the others."""
_VERDICTS = {
    Result.PASS: "PASS · ผ่าน: everything in this pack is as it was signed",
    Result.FAIL: "FAIL · ไม่ผ่าน: this pack is not to be relied on",
    Result.INDETERMINATE: "INDETERMINATE · ยังสรุปไม่ได้: nothing is wrong, and something could not be checked",
}


class _Misused(Exception):
    """Asked wrongly: nothing was judged."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Say what is wrong with the command line; argparse itself would exit with the status of a verdict."""
        raise _Misused(f"{message}; see saraban-verify --help")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return 0 for pass, 1 for fail, 2 for indeterminate, and anything else for no verdict."""
    harmless_streams()
    try:
        status = _run(arguments)
        sys.stdout.flush()
    except _Misused as error:
        return _no_verdict(USAGE, error)
    except KeyboardInterrupt:
        return _no_verdict(STOPPED, "stopped")
    except OSError as error:
        where = f": {error.filename}" if error.filename is not None else ""
        return _no_verdict(IO_ERROR, f"{error.strerror or type(error).__name__}{where}")
    except Exception as error:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{Path(frame.filename).name}:{frame.lineno}"
        fault = f"a fault of the verifier itself ({type(error).__name__} at {place}); please report it"
        return _no_verdict(FAULT, fault)
    return status


def report_of(findings: Findings) -> dict[str, Any]:
    """Return the report as plain values."""
    return {
        "verdict": findings.verdict,
        "letter": findings.letter,
        "recipients": findings.outcomes,
        "checks": [asdict(check) for check in findings.checks],
    }


def _run(arguments: Sequence[str] | None) -> int:
    options = _options(arguments)
    key = _key(options.log_key, LOG) if options.log_key else None
    witnesses = [_key(text, WITNESS) for text in options.witness]
    _require_file(options.pack)
    findings = judge(options.pack, key, witnesses)
    if options.json:
        print_json(report_of(findings))
    else:
        _print(findings)
    return EXIT[findings.verdict]


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = _Parser(prog="saraban-verify", description=__doc__)
    parser.add_argument("pack", type=Path, help="the evidence pack, a file that ends in .asice")
    parser.add_argument(
        "--log-key", metavar="KEY", help="the log's public key: name+id+base64, or a file with it"
    )
    parser.add_argument(
        "--witness",
        metavar="KEY",
        action="append",
        default=[],
        help="the public key of a witness that must have cosigned the checkpoint; may be repeated",
    )
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.add_argument("--version", action="version", version=_version(), help="print the version, and end")
    return parser.parse_args(arguments)


def _version() -> str:
    try:
        return f"saraban-verify {version('saraban-bus')}"
    except PackageNotFoundError:
        return "saraban-verify, copied by itself: whoever copied it knows of which version it is"


def _require_file(pack: Path) -> None:
    """What is no file, or may not be read, is a mistyped name and not a bad pack."""
    try:
        if not pack.is_file():
            raise _Misused(f"{pack} is {'no file' if pack.exists() else 'not there'}")
        pack.open("rb").close()
    except (OSError, ValueError) as error:
        raise _Misused(f"{pack} cannot be opened: {getattr(error, 'strerror', None) or error}") from error


def _key(text: str, kind: int) -> VerifierKey:
    try:
        key = VerifierKey.parse(text if text.count("+") >= 2 else Path(text).read_text(encoding="utf-8"))
        if key.kind != kind:
            raise Unreadable(f"{key.name} is a {'witness' if key.kind == WITNESS else 'log'}'s key")
    except (Unreadable, OSError, ValueError) as error:
        raise _Misused(f"--log-key, --witness: {error}") from error
    return key


def _no_verdict(status: int, sentence: object) -> int:
    sys.stderr.write(f"saraban-verify: no verdict: {printable(sentence)}\n")
    return status


def _print(findings: Findings) -> None:
    signs = _SIGNS if can_print("".join(_SIGNS.values())) else _PLAIN_SIGNS
    lines = [
        f"{signs[check.result]} {check.name:<24} {check.about}{': ' if check.detail else ''}{check.detail}"
        for check in findings.checks
    ]
    if findings.letter:
        letter = findings.letter
        lines += [
            "",
            f"{letter.get('number') or '(no number)'}  {letter.get('senderName') or ''}",
            f"{letter.get('subject') or ''}",
            "",
        ]
    for one in findings.outcomes:
        word = "acknowledged" if one["acknowledged"] else "NOT acknowledged"
        number = f"  เลขรับ {one['receivingNumber']}" if one.get("receivingNumber") else ""
        lines.append(f"  {one['agency']}  {one['outcome']:<16} {word:<16}{number}  {one['name']}")
    if findings.outcomes and "through" in findings.letter:
        through, size = findings.letter["through"], findings.letter["ledgerEntries"]
        lines += [
            "",
            f"As of entry {through}; the ledger had {size}. What was said later is not in this pack.",
        ]
    lines += ["", _VERDICTS[findings.verdict]]
    sys.stdout.writelines(f"{printable(line)}\n" for line in lines)
