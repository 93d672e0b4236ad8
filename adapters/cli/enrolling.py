"""`saraban-adapter init`: from the centre's invitation to an adapter that can run."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from adapters.cli.output import AsJson, say
from adapters.enrol import Joining
from bus.documents.enrolment import read_invitation
from bus.errors import Misconfigured, Problem, Transient
from bus.exits import complain
from bus.logs import in_words
from bus.text import print_json

_LOOK_EVERY = 2.0
_SAY_EVERY = 60.0


def init(
    invitation: Annotated[Path, typer.Argument(help="The file that the centre handed over.")],
    folder: Annotated[Path, typer.Option(help="Where keys, settings and mailbox are to be.")] = Path(),
    wait: Annotated[
        float, typer.Option(min=0, help="Seconds to wait for the centre's approval; run it again to go on.")
    ] = 86400.0,
    as_json: AsJson = False,
) -> None:
    """Make this agency's keys and settings, ask the centre to pin the key, and fetch what it answers.

    It can be run again at any time, and goes on where it was.
    """
    joining = Joining(folder, read_invitation(_text_of(invitation)))
    seal = joining.prepare()
    if not joining.ready:
        name = _until_reached(joining.ask, time.monotonic() + wait)
        complain(f"โปรดอ่านให้ศูนย์กลางฟังทางโทรศัพท์ · read this to the centre: {seal.fingerprint}")
        _until_approved(joining, name, time.monotonic() + wait)
    view = {
        "agency": joining.invitation.agency,
        "settings": str(joining.settings),
        "fingerprint": seal.fingerprint,
        "bus_fingerprint": joining.bus_fingerprint,
    }
    if as_json:
        print_json(view)
        return
    say(False, None, f"พร้อมใช้งาน · ready: {joining.settings}")
    say(False, None, f"ต่อไป · next: saraban-adapter --config {joining.settings} run")


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as wrong:
        fix = "Name the file that the centre handed over"
        raise Misconfigured(
            Problem(str(path), "(file)", f"cannot be read ({in_words(wrong)})", fix)
        ) from wrong


def _until_reached(ask: Callable[[], str], end: float) -> str:
    """Send the request, once a minute while the centre cannot be reached. Raises Transient at the end."""
    while True:
        try:
            return ask()
        except Transient as away:
            if time.monotonic() + _SAY_EVERY > end:
                raise
            complain(f"not now: {away}; it is tried again in a minute")
            time.sleep(_SAY_EVERY)


def _until_approved(joining: Joining, name: str, end: float) -> None:
    """Look for the answer until it is there. Raises Transient at the end, and what it brings."""
    said = False
    while not _finished(joining, name):
        if time.monotonic() > end:
            raise Transient("the centre has not approved yet; run the same command again later")
        if not said:
            complain("รอศูนย์กลางอนุมัติ · waiting for the centre's approval; this may be stopped and run again")
        said = True
        time.sleep(_LOOK_EVERY)


def _finished(joining: Joining, name: str) -> bool:
    try:
        return joining.finish(name)
    except Transient:
        return False
