"""Who asks, and may he: the key of every request, its right, its rate; and what every request needs of the adapter."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from adapters.connectors.rest.keys import Rates, recognised
from adapters.connectors.rest.problems import Problem
from adapters.mailbox import Mailbox
from adapters.mailbox.doors import DoorKey

_BEARER = HTTPBearer(auto_error=False, description="a key that `saraban-adapter rest key make` has made")


@dataclass(frozen=True, slots=True)
class Shared:
    """What the requests of one door share."""

    mailbox: Mailbox
    rates: Rates
    largest_file: int


def shared_of(request: Request) -> Shared:
    """Return what the requests of this application share."""
    shared: Shared = request.app.state.shared
    return shared


def caller(scope: str) -> Callable[..., DoorKey]:
    """Return what finds the key of a request that has this right. It raises Problem."""

    def found(
        request: Request,
        shared: Annotated[Shared, Depends(shared_of)],
        given: Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)],
    ) -> DoorKey:
        key = recognised(shared.mailbox, given.credentials) if given is not None else None
        if key is None:
            shared.rates.take(f"address {request.client.host if request.client else ''}")
            raise Problem("key.missing")
        request.state.key = key.id
        shared.rates.take(key.id)
        if scope not in key.scopes:
            raise Problem("key.scope", f"ต้องมีสิทธิ์ {scope}", f"it takes the right `{scope}`")
        return key

    return found


TheShared = Annotated[Shared, Depends(shared_of)]
Reader = Annotated[DoorKey, Depends(caller("read"))]
Writer = Annotated[DoorKey, Depends(caller("write"))]
Clerk = Annotated[DoorKey, Depends(caller("acts"))]
