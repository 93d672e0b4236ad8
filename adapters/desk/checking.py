"""What `saraban-adapter doctor` looks at of the desk: who may sign in, and whether its address can be had."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from adapters.desk.face import ROSTER
from adapters.doctor.doors import look_at
from bus.doctor import Check, Found, in_thread, ok, warn
from bus.pages.local_users import LocalUsers
from bus.settings.adapter import AdapterSettings
from bus.settings.desk import Desk


def checks(settings: AdapterSettings) -> list[Check]:
    """The checks of a desk that is switched on."""
    desk = settings.desk
    if not desk.enabled:
        return []
    at = (desk.listen_host, desk.listen_port)
    return [
        Check("desk", in_thread(lambda: _people(desk))),
        Check("desk port", partial(look_at, settings, at, "desk", desk.certificate)),
    ]


def _people(desk: Desk) -> Iterator[Found]:
    """Raises Misconfigured for files that cannot be used, as any check does; it is a line then."""
    desk.client_secret_text()
    desk.serving_tls()
    if count := LocalUsers(desk.people, ROSTER).how_many():
        yield ok(f"{desk.people} is for its owner alone: {count} may sign in by a password")
    elif desk.oidc_issuer is not None:
        yield ok("people sign in by the OpenID provider alone")
    else:
        yield warn(
            "nobody may sign in at the desk", "Add somebody: saraban-adapter desk user add NAME --role clerk"
        )
