"""Tables of the demonstration: one that lives while it runs, and the reckoning at its end."""

from __future__ import annotations

from collections.abc import Mapping
from time import monotonic
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from bus.codes import load_codes
from bus.errors import RefusalCode
from bus.evidence.words import shown_state
from bus.identifiers import AgencyCode
from bus.ledger.state import LetterState
from bus.thai import now, thai_date
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
_AT_DOORS = {
    "sent": "sent",
    "accepted": "accepted\nby the bus",
    "refused": "refused\nby the bus",
    "delivered": "delivered\nto it",
    "held": "held by\nits office",
    "registered": "registered\nby it",
    "otherwise": "refused,\nreturned",
}


def live(play: Play) -> Table:
    """Return the letters and how far each has come with each agency."""
    elapsed = monotonic() - play.began
    table = Table(
        title=f"Saraban Bus · {elapsed:4.1f} s · routers killed: {play.router_kills}", title_justify="left"
    )
    table.add_column("letter")
    for code in AGENCIES:
        table.add_column(f"{play.offices[code].name}\n{play.offices[code].door}")
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
    """Return each letter and recipient with its states and times, a line each."""
    day = now()
    title = f"Every letter at every recipient, {thai_date(day)} ({day.date()})"
    table = Table(title=title, title_justify="left")
    for column in ("letter", "recipient", "role", "state", "เลขรับ", "consigned", "delivered", "answered"):
        table.add_column(column, no_wrap=True)
    for state in play.states():
        name = play.references[state.letter_id]
        for code, one in state.recipients.items():
            table.add_row(
                name,
                play.offices[code].name,
                one.role,
                shown_state(one),
                one.answer.number if one.answer else "",
                _clock(one.consigned_at),
                _clock(one.receipt.at if one.receipt else None),
                _clock(one.answer.at if one.answer else None),
            )
            name = ""
    return table


def doors(report: Mapping[str, Any]) -> Table:
    """Return what each agency has sent and received by the ledger, and what its office holds, a line each."""
    table = Table(title="Every agency at its door", title_justify="left")
    for column in ("agency", "door"):
        table.add_column(column, no_wrap=True)
    for words in _AT_DOORS.values():
        table.add_column(words, justify="right")
    for one in report["doors"]:
        table.add_row(one["name"], one["door"], *(str(one[figure]) for figure in _AT_DOORS))
    return table


def refusals(report: Mapping[str, Any]) -> Group:
    """Return what the bus refused, with code and advice, in Thai and English."""
    codes = load_codes()
    lines: list[RenderableType] = [Text("Refused by the bus", style="italic")]
    for name, code in report["refusals"].items():
        if code is None:
            lines.append(Text(f"{name}: not refused", style="red"))
            continue
        said = codes.refusal(RefusalCode(code))
        lines.append(Text(f"{name}: ").append(code, style="bold"))
        for words in (f"{said.th} {said.advice_th}", f"{said.en} {said.advice_en}"):
            lines.append(Padding(Text(words), (0, 0, 0, 2)))
    return Group(*lines)


def _clock(at: str | None) -> str:
    return at[11:19] if at else ""
