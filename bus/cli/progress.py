"""Bars that show people how far long work has come, on standard error and only where somebody looks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress, TaskID


@contextmanager
def bars(json: bool) -> Iterator[Callable[[str, int, int], None]]:
    """Give what shows a bar for each kind of thing: called with its name, how many are done, and of how many."""
    console = Console(stderr=True)
    if json or not console.is_terminal:
        yield lambda *_: None
        return
    known: dict[str, TaskID] = {}
    with Progress(console=console) as shown:

        def progress(what: str, done: int, total: int) -> None:
            if what not in known:
                known[what] = shown.add_task(what, total=total)
            shown.update(known[what], completed=done, total=total)

        yield progress
