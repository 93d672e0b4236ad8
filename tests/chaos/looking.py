"""What a run has left, read without the product's code: SQL on ledger and mailboxes, folders, the broker's HTTP API."""

from __future__ import annotations

import base64
import json
import sqlite3
import urllib.request
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import psycopg
from psycopg.rows import dict_row

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where everything is."""

    ledger: str
    """The path of an SQLite file, or a PostgreSQL URL."""
    entries: Path
    """A file into which the ledger's entries are copied, a line each: a run's database may end with it."""
    mailboxes: Mapping[str, Path]
    folders: Mapping[str, Path]
    logs: Path
    management: str
    vhost: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """The rows of one mailbox."""

    path: Path
    outbox: Sequence[Row]
    arrivals: Sequence[Row]
    inbox: Sequence[Row]
    notices: Sequence[Row]
    last_news: int
    told: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """One office's folder."""

    path: Path
    letters: Sequence[tuple[Path, Row]]
    """Each letter that was shown: its folder and its `letter.json`."""
    receipts: Sequence[tuple[Path, Row]]
    failed: Mapping[str, str]
    """The reason of each thing that could not be taken."""


@dataclass(frozen=True, kw_only=True)
class Ledger:
    """The rows of the ledger."""

    entries: Sequence[Row]
    """The bodies, in order."""
    documents: Mapping[str, bytes] = field(repr=False)
    letters: Sequence[Row]
    recipients: Sequence[Row]
    submissions: Sequence[Row]
    consignments: Sequence[Row]
    pending: Sequence[Row]

    @cached_property
    def frozen(self) -> Mapping[int, set[str]]:
        """The frozen recipient set of each letter."""
        found: dict[int, set[str]] = {row["letter"]: set() for row in self.letters}
        for row in self.recipients:
            found.setdefault(row["letter"], set()).add(row["agency"])
        return found

    @cached_property
    def about(self) -> Mapping[int, list[Row]]:
        """The entries about each letter, in order."""
        found: dict[int, list[Row]] = {}
        for body in self.entries:
            if body.get("letter"):
                found.setdefault(body["letter"], []).append(body)
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Everything that a run is judged by."""

    places: Places
    ledger: Ledger
    boxes: Mapping[str, Box]
    folders: Mapping[str, Folder]
    queues: Mapping[str, int]
    """Messages in each queue, those that were handed over and not acknowledged included."""


def look(places: Places) -> Found:
    """Read everything."""
    ledger = _ledger(places.ledger)
    lines = (json.dumps(body, ensure_ascii=False) for body in ledger.entries)
    places.entries.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return Found(
        places=places,
        ledger=ledger,
        boxes={code: box(path) for code, path in places.mailboxes.items()},
        folders={code: folder(path) for code, path in places.folders.items()},
        queues=queues(places),
    )


def query(ledger: str, *statements: str) -> list[list[Row]]:
    """What each statement finds in the ledger, all as of one moment."""
    if not ledger.startswith("postgresql"):
        return _sqlite(Path(ledger), *statements)
    with psycopg.connect(ledger, row_factory=dict_row, connect_timeout=5) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        return [list(connection.execute(each.encode()).fetchall()) for each in statements]


def _sqlite(file: Path, *statements: str) -> list[list[Row]]:
    connection = sqlite3.connect(f"file:{file}?mode=ro", uri=True, isolation_level=None, timeout=10)
    connection.row_factory = sqlite3.Row
    try:
        connection.execute("BEGIN")
        return [[dict(row) for row in connection.execute(each)] for each in statements]
    finally:
        connection.close()


def _ledger(where: str) -> Ledger:
    entries, documents, letters, recipients, submissions, consignments, pending = query(
        where,
        "SELECT body FROM entries ORDER BY seq",
        "SELECT sha256, bytes FROM documents",
        "SELECT * FROM letters ORDER BY letter",
        "SELECT * FROM recipients",
        "SELECT * FROM submissions ORDER BY agency, answer",
        "SELECT * FROM consignments ORDER BY agency, number",
        "SELECT * FROM pending",
    )
    return Ledger(
        entries=[json.loads(row["body"]) for row in entries],
        documents={bytes(row["sha256"]).hex(): bytes(row["bytes"]) for row in documents},
        letters=letters,
        recipients=recipients,
        submissions=submissions,
        consignments=[{**row, "document": bytes(row["document"]).hex()} for row in consignments],
        pending=pending,
    )


def box(path: Path) -> Box:
    """The rows of a mailbox."""
    outbox, arrivals, inbox, notices, news, bookmarks = _sqlite(
        path / "mailbox.sqlite",
        "SELECT * FROM outbox ORDER BY id",
        "SELECT * FROM arrivals ORDER BY id",
        "SELECT * FROM inbox ORDER BY id",
        "SELECT * FROM notices ORDER BY id",
        "SELECT coalesce(max(id), 0) AS last FROM news",
        "SELECT coalesce(max(told), 0) AS told FROM bookmarks",
    )
    return Box(
        path=path,
        outbox=outbox,
        arrivals=arrivals,
        inbox=inbox,
        notices=notices,
        last_news=news[0]["last"],
        told=bookmarks[0]["told"],
    )


def folder(path: Path) -> Folder:
    """What lies in an office's folder."""
    return Folder(
        path=path,
        letters=[(place, _json(place / "letter.json")) for place in _visible(path / "inbox")],
        receipts=[(place, _json(place)) for place in _visible(path / "receipts")],
        failed={
            place.name.removesuffix(".reason.txt"): place.read_text(encoding="utf-8")
            for place in _visible(path / "failed")
            if place.name.endswith(".reason.txt")
        },
    )


def left_in(path: Path) -> list[str]:
    """What an office has put into its folder and its adapter has not taken."""
    return [f"{part}/{place.name}" for part in ("outbox", "working") for place in _visible(path / part)]


def _visible(path: Path) -> Iterable[Path]:
    return sorted(each for each in path.glob("*") if not each.name.startswith("."))


def _json(path: Path) -> Row:
    found: Row = json.loads(path.read_text(encoding="utf-8"))
    return found


def queues(places: Places) -> dict[str, int]:
    """Messages in each queue of the vhost, as the broker last counted them (every five seconds)."""
    parts = urlsplit(places.management)
    secret = base64.b64encode(f"{parts.username}:{parts.password}".encode()).decode()
    address = f"{parts.scheme}://{parts.hostname}:{parts.port}/api/queues/{quote(places.vhost, safe='')}"
    request = urllib.request.Request(address, headers={"Authorization": f"Basic {secret}"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return {one["name"]: int(one.get("messages") or 0) for one in json.load(answer)}
