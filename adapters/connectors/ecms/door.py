"""The façade as a door of the adapter: served while the adapter runs."""

from __future__ import annotations

import asyncio
import ssl

from adapters.connectors.ecms.app import Face
from adapters.connectors.ecms.queue import NAME
from adapters.connectors.ecms.service import Service, Tuning
from adapters.connectors.ecms.wording import Wording
from adapters.mailbox import Mailbox
from adapters.mailbox.conditions import ConditionCode, Finding
from bus.connections import Limits
from bus.errors import BusError, Transient
from bus.logs import get
from bus.process import pause
from bus.settings.adapter import EcmsConnector
from bus.web import serving

_EVERY = 2.0
_LIMITS = Limits(most=100, most_body=None, window=60.0)
_LOG = get(__name__)


class EcmsDoor:
    """One façade for one agency; `run` serves it until the adapter stops."""

    name = NAME

    def __init__(self, mailbox: Mailbox, settings: EcmsConnector) -> None:
        """Raises Misconfigured for a certificate that cannot be used, and for words of what there is not."""
        self._mailbox = mailbox
        self._settings = settings
        self._tls: ssl.SSLContext | None = settings.tls()
        tuning = Tuning(
            digits=settings.code_digits,
            inline=settings.largest_inline,
            verdict_wait=settings.verdict_wait,
            default_kind=settings.default_kind,
            status_days=settings.status_days,
            withdrawal=settings.withdrawal,
            handover_failed=settings.handover_failed,
            subject_max=settings.subject_max,
            omit_signature=settings.omit_signature,
        )
        self.service = Service(mailbox, tuning, Wording.from_settings(settings))
        self.face = Face(
            self.service,
            mailbox.store,
            path=settings.path,
            networks=settings.networks,
            most=settings.largest_request,
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until `stop`, and give back by itself what nobody has been served."""
        at = (self._settings.host, self._settings.port)
        setting = "connectors.ecms.port"
        async with serving(self.face.app(), *at, setting=setting, limits=_LIMITS, tls=self._tls):
            while not stop.is_set():
                try:
                    await asyncio.to_thread(self.look)
                except Transient as exc:
                    _LOG.warning("connector-postponed", connector=NAME, reason=exc)
                except BusError:
                    _LOG.exception("connector-failed", connector=NAME)
                await pause(stop, _EVERY)

    def look(self) -> None:
        """Fill the queue, and say so where the client does not get past an item."""
        self.service.queue.fill()
        head = self._mailbox.ecms.head()
        found = []
        if head is not None and head.served > self._settings.stuck_after:
            th = f"รับแล้ว {head.served} ครั้งโดยไม่ลบ"
            en = f"pulled {head.served} times and not deleted"
            found.append(Finding(ConditionCode.ECMS_STUCK, f"ProcessID {head.process_id}", th, en))
        self._mailbox.conditions.report(NAME, found)
