"""Where the pair lies that is to follow another one, until it is in its place."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bus.documents.making import KeyFiles
from bus.identifiers import AgencyCode


@dataclass(frozen=True, slots=True)
class NextPair:
    """The files of a pair that is asked for, named after those in use; the request is written last.

    For `agency.key.pem` they are `agency.next.key.pem`, `agency.next.crt.pem` and `agency.next.jws`.
    """

    agency: AgencyCode
    files: KeyFiles
    """Where the pair in use lies, by the settings."""

    @property
    def next(self) -> KeyFiles:
        """Where the next pair lies until it is in place."""
        return self.beside("next")

    @property
    def request_file(self) -> Path:
        """Where the signed request lies: without it, nothing was asked for."""
        return self.files.key.with_name(f"{self._name}.next.jws")

    @property
    def asked(self) -> bool:
        """Whether there is a next key for which a certificate may have been asked."""
        return self.request_file.exists()

    def beside(self, which: str) -> KeyFiles:
        """Return the names of another pair in the same folder."""
        return KeyFiles.named(self.files.key.parent, f"{self._name}.{which}")

    def discard(self) -> None:
        """Forget the next pair: it is asked for no more, and another one is made when it is time."""
        for path in (self.request_file, self.next.key, self.next.certificate):
            path.unlink(missing_ok=True)

    @property
    def _name(self) -> str:
        return self.files.key.name.removesuffix(".pem").removesuffix(".key")
