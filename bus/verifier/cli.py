"""`saraban-verify PACK`: the checks, what became of the letter at each recipient, and a verdict."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bus.verifier.findings import Findings, Result
from bus.verifier.judging import judge
from bus.verifier.notes import LOG, WITNESS, Unreadable, VerifierKey

EXIT = {Result.PASS: 0, Result.FAIL: 1, Result.INDETERMINATE: 2}
USAGE = 64
_SIGNS = {Result.PASS: "✓", Result.FAIL: "✗", Result.INDETERMINATE: "?", Result.INFO: "·"}
_VERDICTS = {
    Result.PASS: "PASS · ผ่าน: everything in this pack is as it was signed",
    Result.FAIL: "FAIL · ไม่ผ่าน: this pack is not to be relied on",
    Result.INDETERMINATE: "INDETERMINATE · ยังสรุปไม่ได้: nothing is wrong, and something could not be checked",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return 0 for pass, 1 for fail, 2 for indeterminate."""
    parser = argparse.ArgumentParser(prog="saraban-verify", description=__doc__)
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
    options = parser.parse_args(arguments)
    try:
        key = _key(options.log_key, LOG) if options.log_key else None
        witnesses = [_key(text, WITNESS) for text in options.witness]
    except (Unreadable, OSError, UnicodeDecodeError) as error:
        sys.stderr.write(f"--log-key, --witness: {error}\n")
        return USAGE
    findings = judge(options.pack, key, witnesses)
    if options.json:
        sys.stdout.write(json.dumps(report_of(findings), ensure_ascii=False, indent=2) + "\n")
    else:
        _print(findings)
    return EXIT[findings.verdict]


def run() -> None:
    """Run as a program."""
    sys.exit(main())


def report_of(findings: Findings) -> dict[str, Any]:
    """Return the report as plain values."""
    return {
        "verdict": findings.verdict,
        "letter": findings.letter,
        "recipients": findings.outcomes,
        "checks": [asdict(check) for check in findings.checks],
    }


def _key(text: str, kind: int) -> VerifierKey:
    key = VerifierKey.parse(text if text.count("+") >= 2 else Path(text).read_text(encoding="utf-8"))
    if key.kind != kind:
        raise Unreadable(f"{key.name} is a {'witness' if key.kind == WITNESS else 'log'}'s key")
    return key


def _print(findings: Findings) -> None:
    lines = [
        f"{_SIGNS[check.result]} {check.name:<24} {check.about}{': ' if check.detail else ''}{check.detail}"
        for check in findings.checks
    ]
    if findings.letter:
        letter = findings.letter
        lines += [
            "",
            f"{letter['number'] or '(no number)'}  {letter['senderName']}",
            f"{letter['subject'] or ''}",
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
    sys.stdout.write("\n".join(lines) + "\n")
