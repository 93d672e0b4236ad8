"""An office whose system has a database: the SQL door, by rows that its program writes and reads."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from adapters.connectors.sql.creating import statements
from bus.identifiers import AgencyCode
from bus.settings.writing import Values
from compose.demo.centre import Centre
from compose.demo.offices.office import (
    Files,
    Held,
    Manifest,
    News,
    digests,
    letter_named,
    news_in,
    refused_act,
)

_LETTER = {"number": "letter_number", "date": "letter_date", "kind": "letter_kind"}
_ACT = {"number": "receiving_number", "reason": "reason_th"}
"""The columns whose recommended names are not those of the fields."""
_PLAIN = ("reference", "subject", "speed", "secrecy", "acknowledgement")
_BUSY = 30.0
"""Seconds that a statement waits where the adapter is writing."""


class SqlOffice:
    """Writes letters and acts into tables of its own database, and reads there what has come."""

    door = "SQL"

    def __init__(self, centre: Centre, code: AgencyCode, name: str) -> None:
        self.code, self.name = code, name
        self.held: list[Held] = []
        self.failed: list[str] = []
        self._database = sqlite3.connect(database(centre, code), timeout=_BUSY, isolation_level=None)
        self._database.row_factory = sqlite3.Row
        self._database.execute(
            "PRAGMA journal_mode = WAL"
        )  # so that neither of two programs keeps the other waiting
        for statement in statements("sqlite", "office"):  # what `saraban-adapter sql tables` prints
            self._database.execute(statement)
        self._sent: dict[str, str] = {}
        self._consignment = self._item = self._acts = 0

    @staticmethod
    def settings(centre: Centre, code: AgencyCode) -> Values:
        """Return what opens its door."""
        url = f"sqlite:///{database(centre, code)}"
        return {"connectors.sql": {"enabled": True, "url": url, "poll": 0.3}}

    def send(self, manifest: Manifest, files: Files) -> None:
        """Write a letter with its recipients and files, in one transaction."""
        key = manifest["reference"]
        self._sent[manifest["subject"]] = key
        said = {_LETTER[name]: manifest[name] for name in _LETTER if name in manifest}
        said |= {name: manifest[name] for name in _PLAIN if name in manifest}
        said |= {
            "letter_key": key,
            "status": "ready",
            "file_count": len(files),
            "send_to": ", ".join(manifest["to"]),
        }
        with self._database:
            self._database.execute("BEGIN IMMEDIATE")
            for position, (name, content) in enumerate(files.items()):
                values = {"letter_key": key, "file_position": position, "file_name": name}
                self._add("saraban_outbox_files", values | {"file_size": len(content), "content": content})
            self._add("saraban_outbox", said)

    def act(self, verb: str, subject: str, **fields: Any) -> None:
        """Write an act."""
        self._acts += 1
        said = {_ACT.get(name, name): value for name, value in fields.items()}
        which = letter_named(subject, self.held, self._sent)
        self._add(
            "saraban_acts", {"act_key": f"act-{self._acts}", "status": "ready", "verb": verb, **which, **said}
        )

    def look(self) -> list[News]:
        """Read what the adapter has written since the last look."""
        for row in self._rows("SELECT * FROM saraban_inbox WHERE consignment > ?", self._consignment):
            self._consignment = row["consignment"]
            self.held.append(self._held(row))
        events = self._rows("SELECT * FROM saraban_events WHERE item_number > ?", self._item, "item_number")
        self._item = max([self._item, *(row["item_number"] for row in events)])
        told = [json.loads(row["content"]) for row in events if row["event"] != "received"]
        self.failed += [*filter(None, map(refused_act, told)), *self._problems()]
        return [news for news in map(news_in, told) if news]

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    def _held(self, row: sqlite3.Row) -> Held:
        query = "SELECT content FROM saraban_inbox_files WHERE consignment = ?"
        files = digests(one["content"] for one in self._rows(query, row["consignment"], "file_position"))
        asks_number = json.loads(row["content"])["acknowledgement"] == "registration"
        return Held(row["subject"], row["letter_id"], files, asks_number)

    def _problems(self) -> list[str]:
        """What the door would not take, each once."""
        found = []
        for table in ("saraban_outbox", "saraban_acts"):
            for row in self._rows(f"SELECT problem FROM {table} WHERE status = ?", "failed", "1"):  # noqa: S608
                found.append(f"{self.name}: {row['problem']}")
        return [one for one in found if one not in self.failed]

    def _rows(self, query: str, value: Any, order: str = "consignment") -> list[sqlite3.Row]:
        return self._database.execute(f"{query} ORDER BY {order}", (value,)).fetchall()

    def _add(self, table: str, values: Mapping[str, Any]) -> None:
        marks = ", ".join("?" * len(values))
        self._database.execute(
            f"INSERT INTO {table} ({', '.join(values)}) VALUES ({marks})",  # noqa: S608 - names of ours
            list(values.values()),
        )


def database(centre: Centre, code: AgencyCode) -> Path:
    """Return the file of an office's own database."""
    return centre.agency_folder(code) / "office.db"
