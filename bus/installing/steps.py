"""What `init` says of each thing that it makes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that the centre needs: made now, or there before."""

    what: str
    path: str
    made: bool

    def __str__(self) -> str:
        return f"{'made' if self.made else 'there'}  {self.what}: {self.path}"
