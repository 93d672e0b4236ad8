"""The memory of tokens already used, so that a token changes something at most once."""

from __future__ import annotations

from bus.depot.refusals import Refusal, RequestRefused
from bus.documents.tokens import Denied, Doubt, RequestClaims


class Replays:
    """Token ids of the last three minutes, per issuer; bounded, and shut rather than forgetful when full.

    It lives in one process. What a token stolen from a TLS connection could repeat at another process, or after
    a restart, is bound to the same method and path: it uploads the same bytes, or renews the same kind of hold.
    """

    def __init__(self, *, per_issuer: int = 20_000, altogether: int = 400_000) -> None:
        self._per_issuer = per_issuer
        self._altogether = altogether
        self._seen: dict[str, dict[str, int]] = {}
        self._count = 0

    def use(self, claims: RequestClaims, now: float) -> None:
        """Remember the token; raises Denied when it was used before, RequestRefused when there is no room to know."""
        mine = self._seen.setdefault(claims.issuer, {})
        if claims.token_id in mine:
            raise Denied(Doubt.REPLAYED, "used before")
        self._forget_dead(mine, now)
        if self._count >= self._altogether:
            for ids in self._seen.values():
                self._forget_dead(ids, now)
        if len(mine) >= self._per_issuer or self._count >= self._altogether:
            raise RequestRefused(Refusal.TOO_MANY)
        mine[claims.token_id] = claims.dead_after
        self._count += 1

    def _forget_dead(self, ids: dict[str, int], now: float) -> None:
        # Ids stand in order of use, and none lives longer than three minutes: a live one in front keeps a dead
        # one behind it for that long at most, and the common case costs one look.
        while ids:
            oldest = next(iter(ids))
            if ids[oldest] > now:
                return
            del ids[oldest]
            self._count -= 1

    def __len__(self) -> int:
        return self._count
