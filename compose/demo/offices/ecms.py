"""An office whose system was built for an e-CMS node: the façade, by SOAP requests as such clients write them."""

from __future__ import annotations

from functools import partial
from typing import Any

import httpx

from bus.identifiers import AgencyCode
from bus.settings.adapter import load_adapter_settings
from bus.settings.writing import Values
from compose.demo.centre import Centre
from compose.demo.offices import soap
from compose.demo.offices.asking import AskingOffice, Wrong
from compose.demo.offices.office import Files, Held, Manifest, News, digests
from compose.demo.offices.soap import Element, Named
from compose.local import LOOPBACK, free_port

_SAYS = {
    "register": "AcceptLetterNotifier",
    "correct": "AcceptLetterNotifier",
    "refuse": "RejectLetterNotifier",
    "misdirected": "InvalidLetterNotifier",
    "dispute": "InvalidAcceptIDNotifier",
}
_TOLD = {
    "ReceiveLetterNotifier": "delivered",
    "AcceptLetterNotifier": "registered",
    "RejectLetterNotifier": "refused",
    "InvalidLetterNotifier": "misdirected",
    "InvalidAcceptIDNotifier": "number-disputed",
}


class EcmsOffice(AskingOffice):
    """Posts letters and notifiers, pulls what has come, and deletes it once it is kept."""

    door = "e-CMS"

    def __init__(self, centre: Centre, code: AgencyCode, name: str) -> None:
        section = load_adapter_settings(centre.adapter_settings(code)).connectors.ecms
        self._path = section.path
        address = f"http://{LOOPBACK}:{section.port}"
        super().__init__(code, name, httpx.Client(base_url=address, trust_env=False, timeout=30))
        self._named: dict[str, Named] = {}
        """By the subject, how e-CMS names each letter that was posted or has come."""
        self._numbers: dict[str, str] = {}
        """The receiving number of each posted letter, as it was told last."""
        self._waiting: dict[str, str] = {}
        """The subject of each posted letter that the bus has not judged yet, by its ProcessID."""
        self._deleted: set[str] = set()

    @staticmethod
    def settings(centre: Centre, code: AgencyCode) -> Values:
        """Return what opens its door; a post is answered at once, and the bus's verdict is asked for afterwards."""
        return {"connectors.ecms": {"enabled": True, "port": free_port(), "verdict_wait": 0.0}}

    def send(self, manifest: Manifest, files: Files) -> None:
        """Post a letter; one of e-CMS has one recipient."""
        (recipient,) = manifest["to"]
        subject = manifest["subject"]
        self._named[subject] = Named(manifest["number"], manifest["date"], self.code, recipient)
        self._want(partial(self._post, subject, soap.document(self.code, recipient, manifest, files)))

    def act(self, verb: str, subject: str, **fields: Any) -> None:
        """Post a notifier about a letter, with the receiving number that is said or meant."""
        number = fields.get("number") or self._numbers.get(subject, "")
        said = soap.notifier(_SAYS[verb], self._named[subject], subject, number)
        self._want(partial(self._call, "CorrespondenceLetterOutboundRequest", said))

    def _post(self, subject: str, document: str) -> None:
        answer = self._call("CorrespondenceLetterOutboundRequest", document)
        self._waiting[answer.value("ProcessID")] = subject

    def _take(self) -> None:
        while (item := self._call("CorrespondenceLetterInboundRequest")).has("ProcessID"):
            process = item.value("ProcessID")
            if process not in self._deleted:  # as where the answer to a deletion was lost
                self._deleted.add(process)
                self._keep(item)
            self._call("CorrespondenceLetterDeleteRequest", f"<ProcessID>{process}</ProcessID>")
        if self._waiting:
            self._ask_status()

    def _keep(self, item: Element) -> None:
        letter = item.find("GovernmentDocument/CorrespondenceLetter")
        if letter is not None:
            subject, named = letter.value("Subject"), soap.named(letter)
            self._named[subject] = named
            self.held.append(Held(subject, named.number, digests(letter.files())))
            return
        for kind, event in _TOLD.items():
            if (notifier := item.find(kind)) is not None:
                subject, number = notifier.value("Subject"), notifier.value("AcceptID")
                self._numbers[subject] = number
                self._news.append(News(event, subject, number or None))

    def _ask_status(self) -> None:
        for one in self._call("OutboundStatusRequest").all("Outbound"):
            process, status = one.value("ProcessID"), one.value("ProcessStatus")
            if process in self._waiting and status not in ("WAITING", "REFUSED"):
                self._news.append(News("accepted", self._waiting.pop(process)))

    def _call(self, operation: str, inner: str = "") -> Element:
        """Return the Response of an operation. Raises Wrong for one that has an ErrorDetail."""
        body = soap.envelope(f"<{operation}>{inner}</{operation}>")
        headers = {"Content-Type": "text/xml; charset=utf-8", "SOAPAction": '""'}
        answer = soap.opened(self._ask("POST", self._path, content=body.encode(), headers=headers).content)
        if (detail := answer.find("ErrorDetail")) is not None:
            raise Wrong(
                f"{self.name} {operation}: {detail.value('ErrorCode')} {detail.value('ErrorDescription')}"
            )
        return answer
