"""How `ledger find` and `ledger show` tell of submissions that were refused or parked: with the reason, in full."""

from __future__ import annotations

from collections.abc import Sequence

from bus.cli.common import say
from bus.cli.output import listed
from bus.directory import Names
from bus.pages.columns import Column, Row, iso


def print_listed(found: Sequence[Row], names: Names) -> None:
    """Print a line for each; nothing when there are none."""
    if found:
        columns = [
            Column("entry", "entry", "ลำดับในบัญชี", plain=True),
            Column("at", "entered", "ลงบัญชีเมื่อ", iso),
            Column("agency", "from", "จาก", who="short"),
            Column("kind", "what", "ชนิด"),
            Column("code", "code", "รหัส"),
            Column("number", "number", "ที่"),
            Column("id", "LetterID", "รหัสหนังสือ"),
            Column("rawSha256", "SHA-256", "SHA-256"),
        ]
        say({}, json=False, words=[""])
        listed(f"{len(found)} submissions that were not accepted", columns, found, names)


def print_in_full(found: Sequence[Row]) -> None:
    """Print each with its refusal in both languages."""
    for one in found:
        say({}, json=False, words=_words(one))


def _words(one: Row) -> list[str]:
    claimed = "" if one["verified"] else " (as the document claims; its signature was not accepted)"
    lines = [
        f"entry {one['entry']}  {one['at'][:19]}  {one['kind']}  from {one['agency'] or 'nobody in the directory'}",
        f"  number {one['number'] or '–'}  LetterID {one['id'] or '–'}{claimed}",
        f"  SHA-256 {one['rawSha256']}",
    ]
    if one["digest"]:
        lines.append(f"  content {one['digest']}")
    if one["code"]:
        lines.append(f"  {one['code']}  {one['where'] or ''}".rstrip())
    if refusal := one.get("refusal"):
        lines += [f"  {refusal[name]}" for name in ("th", "en", "adviceTh", "adviceEn")]
    if one["kind"] == "parked":
        lines.append("  a fault of the bus met it: `saraban-bus parked list`")
    return [*lines, ""]
