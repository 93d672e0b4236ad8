"""Tables of the demonstration: one that lives while it runs, and the reckoning at its end."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from time import monotonic
from typing import Any

from rich.table import Table

from bus.codes import load_codes
from bus.errors import RefusalCode
from bus.evidence.words import shown_state
from bus.identifiers import AgencyCode
from bus.ledger.state import LetterState
from bus.thai import thai_datetime
from compose.demo.play import Play
from compose.demo.story import AGENCIES, LETTERS

_MARKS = {
    "accepted": ("…", "dim"),
    "on-hold": ("‖", "yellow"),
    "consigned": ("→", "cyan"),
    "delivered": ("✓", "green"),
    "registered": ("✓✓", "bold green"),
    "refused": ("✗ clerk", "magenta"),
    "misdirected": ("↷ not ours", "magenta"),
    "disputed": ("? number", "yellow"),
    "withdrawn": ("↶ back", "magenta"),
    "handover-failed": ("! failed", "red"),
}


def live(play: Play) -> Table:
    """Return the letters and how far each has come with each agency."""
    elapsed = monotonic() - play.began
    table = Table(
        title=f"Saraban Bus · {elapsed:4.1f} s · routers killed: {play.router_kills}", title_justify="left"
    )
    table.add_column("letter")
    for code in AGENCIES:
        table.add_column(play.offices[code].name)
    states = {play.references.get(state.letter_id): state for state in play.states()}
    for item in LETTERS:
        state = states.get(item.key)
        cells = [_cell(state, item.sender, code) for code in AGENCIES]
        refused = item.key in play.refusals
        table.add_row(
            item.key,
            *(
                [
                    "refused" if refused and code == item.sender else cell
                    for code, cell in zip(AGENCIES, cells, strict=True)
                ]
            ),
        )
    return table


def _cell(state: LetterState | None, sender: str, code: AgencyCode) -> str:
    if code == sender:
        return "sender" if state else "·"
    if state is None or code not in state.recipients:
        return ""
    shown = shown_state(state.recipients[code])
    mark, style = _MARKS.get(shown, (shown, ""))
    return f"[{style}]{mark}[/]" if style else mark


def outcome(play: Play) -> Table:
    """Return each letter and recipient with its states and times, in both calendars."""
    table = Table(title="Every letter at every recipient", title_justify="left")
    for column in (
        "letter",
        "recipient",
        "role",
        "state",
        "เลขรับ",
        "consigned",
        "delivered",
        "answered",
        "พ.ศ.",
    ):
        table.add_column(column)
    for state in play.states():
        name = play.references.get(state.letter_id, state.letter_id[:8])
        for code, one in state.recipients.items():
            last = one.progress.effective
            table.add_row(
                name,
                play.offices[code].name,
                one.role,
                shown_state(one),
                one.answer.number if one.answer else "",
                _clock(one.consigned_at),
                _clock(one.receipt.at if one.receipt else None),
                _clock(one.answer.at if one.answer else None),
                thai_datetime(datetime.fromisoformat(last.at)) if last else "",
            )
            name = ""
        table.add_section()
    return table


def refusals(report: Mapping[str, Any]) -> Table:
    """Return what the bus refused, with code and advice."""
    table = Table(title="Refused by the bus", title_justify="left")
    for column in ("rawSha256", "code", "what · อะไร", "advice · ทำอย่างไร"):
        table.add_column(column, overflow="fold")
    codes = load_codes()
    for name, code in report["refusals"].items():
        if code is None:
            table.add_row(name, "[red]not refused[/]")
            continue
        said = codes.refusal(RefusalCode(code))
        table.add_row(name, code, f"{said.th}\n{said.en}", f"{said.advice_th}\n{said.advice_en}")
    return table


def _clock(at: str | None) -> str:
    return at[11:19] if at else ""
