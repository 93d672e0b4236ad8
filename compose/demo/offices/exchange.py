"""The exchange folder as an office system sees it that can do nothing but write and read files."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any


class Exchange:
    """An office's side of the folder that it shares with its adapter."""

    def __init__(self, code: str, folder: Path) -> None:
        self.code = code
        self._folder = folder
        self._seen: set[str] = set()
        for place in ("outbox", "inbox", "receipts"):
            (folder / place).mkdir(parents=True, exist_ok=True)

    def send(self, key: str, manifest: Mapping[str, Any], files: Mapping[str, bytes]) -> None:
        """Put a letter into the outbox: a folder under a hidden name, complete once renamed."""
        hidden = self._folder / "outbox" / f".{key}.part"
        shutil.rmtree(hidden, ignore_errors=True)
        hidden.mkdir()
        for name, content in files.items():
            (hidden / name).write_bytes(content)
        letter = {**manifest, "reference": key, "files": list(files)}
        (hidden / "letter.json").write_text(
            json.dumps(letter, ensure_ascii=False, default=str), encoding="utf-8"
        )
        hidden.rename(hidden.with_name(key))

    def act(self, verb: str, key: str, **fields: Any) -> None:
        """Put an act of the clerk into the outbox: register, refuse, dispute, correct, withdraw, grant …"""
        hidden = self._folder / "outbox" / f".{key}.{verb}.json.part"
        manifest = {**fields, "reference": f"{key}/{verb}"}
        hidden.write_text(json.dumps(manifest, ensure_ascii=False, default=str), encoding="utf-8")
        hidden.rename(hidden.with_name(f"{key}.{verb}.json"))

    def letters(self) -> Iterator[dict[str, Any]]:
        """Yield the letters that have come since the last look; `place` is the folder of each."""
        for place in sorted((self._folder / "inbox").iterdir()):
            if not place.name.startswith(".") and self._new(place):
                yield json.loads((place / "letter.json").read_text(encoding="utf-8")) | {"place": place}

    def receipts(self) -> Iterator[dict[str, Any]]:
        """Yield what has been said about letters since the last look."""
        for place in sorted((self._folder / "receipts").glob("[!.]*.json")):
            if self._new(place):
                yield json.loads(place.read_text(encoding="utf-8"))

    def reasons(self) -> Iterator[str]:
        """Yield the reasons for what the connector could not take since the last look."""
        for place in sorted((self._folder / "failed").rglob("*.reason.txt")):
            if self._new(place):
                yield place.read_text(encoding="utf-8")

    def _new(self, place: Path) -> bool:
        if str(place) in self._seen:
            return False
        self._seen.add(str(place))
        return True
