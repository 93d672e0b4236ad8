"""An office whose system writes and reads files: the folder door."""

from __future__ import annotations

from typing import Any

from bus.identifiers import AgencyCode
from bus.settings.writing import Values
from compose.demo.centre import Centre
from compose.demo.offices.exchange import Exchange
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


class FolderOffice:
    """Lays letters and acts into its outbox, and reads inbox and receipts."""

    door = "folder"

    def __init__(self, centre: Centre, code: AgencyCode, name: str) -> None:
        self.code, self.name = code, name
        self.held: list[Held] = []
        self.failed: list[str] = []
        self._exchange = Exchange(code, centre.exchange_folder(code))
        self._sent: dict[str, str] = {}
        self._acts = 0

    @staticmethod
    def settings(centre: Centre, code: AgencyCode) -> Values:
        """Return what opens its door. It renames what it has written: nothing has to be quiet for a time."""
        path = str(centre.exchange_folder(code))
        return {"connectors.folder": {"enabled": True, "path": path, "poll": 0.2, "quiet": 0}}

    def send(self, manifest: Manifest, files: Files) -> None:
        """Put a letter into the outbox."""
        self._sent[manifest["subject"]] = manifest["reference"]
        self._exchange.send(manifest["reference"], manifest, files)

    def act(self, verb: str, subject: str, **fields: Any) -> None:
        """Put an act into the outbox."""
        self._acts += 1
        which = letter_named(subject, self.held, self._sent)
        self._exchange.act(verb, f"{self._acts:03d}", **which, **fields)

    def look(self) -> list[News]:
        """Read what has come."""
        self.held += map(_held, self._exchange.letters())
        receipts = list(self._exchange.receipts())
        self.failed += [*filter(None, map(refused_act, receipts)), *self._exchange.reasons()]
        return [news for news in map(news_in, receipts) if news]

    def close(self) -> None:
        """Nothing is open."""


def _held(letter: dict[str, Any]) -> Held:
    files = digests((letter["place"] / each["saved_as"]).read_bytes() for each in letter["files"])
    asks_number = letter["acknowledgement"] == "registration"
    return Held(letter["subject"], letter["letter_id"], files, asks_number)
