"""An office at the e-CMS door: a client that posts, pulls and deletes, and posts again when there was no answer."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import date
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import httpx

from adapters.connectors.ecms.door import EcmsDoor
from adapters.mailbox import Mailbox
from bus.codes import load_codes
from bus.settings.adapter import EcmsConnector
from bus.thai import parse_date
from tests.assets.factory import OCS
from tests.contract.doors.door import NO_DOCUMENT, Files, Shown, Told, Values
from tests.contract.doors.rest import Served
from tests.contract.ecms_rig import RAM, RSM, Answer, envelope

_ACTS = {
    "register": "AcceptLetterNotifier",
    "correct": "AcceptLetterNotifier",
    "refuse": "RejectLetterNotifier",
    "misdirected": "InvalidLetterNotifier",
    "dispute": "InvalidAcceptIDNotifier",
}
_EVENTS = {
    "ReceiveLetterNotifier": "delivered",
    "AcceptLetterNotifier": "registered",
    "RejectLetterNotifier": "refused",
    "InvalidLetterNotifier": "misdirected",
}
_FIELDS = {
    "Subject": "subject",
    " ID ": " number ",
    "CorrespondenceDate": "date",
    "SpeedCode": "speed",
    "ReceiverParty": "to",
}
"""The names on the wire, and the office's own; it shows its clerks the latter."""


class _Served(Served):
    def _door(self, mailbox: Mailbox) -> EcmsDoor:
        return EcmsDoor(mailbox, EcmsConnector(enabled=True, port=self.port, verdict_wait=0))


class EcmsOffice:
    """Keeps letters under number, date and departments, as e-CMS names them, and its own key beside."""

    name = "ecms"
    # The failpoints on the way of a letter from the office into the mailbox, and of a letter to the office.
    steps_out = ("ecms.before-put", "ecms.after-put")
    steps_in = ("ecms.before-serve", "ecms.after-serve", "ecms.before-delete", "ecms.after-delete")

    def __init__(self, mailbox: Mailbox, folder: Path) -> None:
        self._served = _Served(folder, mailbox.agency)
        self._served.start()
        self._http = httpx.Client(base_url=self._served.url, timeout=20)
        self._taken: dict[str, Shown] = {}
        self._names: dict[str, dict[str, str]] = {}
        self._heard: dict[str, Values] = {}
        self._sent: dict[str, Values] = {}
        self._last: tuple[Values, Files] | None = None

    def put(self, values: Values, files: Files) -> Told:
        """Post a letter."""
        self._last = (values, files)
        self._sent[values.get("number", "")] = values
        try:
            answer = self._ask(_outbound(_document(values, files)), values.get("reference", ""))
        except httpx.TransportError:
            return Told()  # the adapter has died: nothing is known
        told = _told(answer)
        if told.taken:
            assert answer.value("GovernmentDocument/CorrespondenceLetter/Subject") == values["subject"]
        return told

    def put_half(self, values: Values, files: Files) -> None:
        """Post the beginning of a request, up to the middle of its last file."""
        whole = envelope(_outbound(_document(values, files))).encode()
        cut = whole[: whole.rindex(b"</ram:") - 5]
        assert b"request.not-xml" in self._post(cut).content

    def go_on(self) -> None:
        """The same letter again, for there was no answer."""
        if self._last is not None:
            assert self.put(*self._last).taken

    def act(self, verb: str, **fields: Any) -> Told:
        """Post a notifier, or ask for a letter back, for each recipient that is meant."""
        if "letter_id" in fields:
            return self._notify(verb, self._names[fields["letter_id"]], fields.get("number", ""))
        (sent,) = (
            each for each in self._sent.values() if each.get("reference") == fields["letter_reference"]
        )
        name = {"LetterID": sent["number"], "CorrespondenceDate": _day(sent["date"])}
        found = Told()
        for code in fields["recipients"]:
            to = {"SenderDepartment": OCS, "AcceptDepartment": code}
            if verb == "withdraw":
                operation = "CorrespondenceDeleteGovernmentDocumentRequest"
                inner = _named(name | to)
                told = _told(self._ask(f"<{operation}>{inner}</{operation}>"))
            else:
                told = self._notify(verb, name | to, self._number_of(code))
            found = Told(found.wrong + told.wrong)
        return found

    def letters(self) -> list[Shown]:
        """Take what waits: pull, keep, delete."""
        with suppress(httpx.TransportError):
            self._pull()
        return list(self._taken.values())

    def events(self) -> list[Values]:
        """The same; its notifiers are the news."""
        self._pull()
        return list(self._heard.values())

    @contextmanager
    def dying_at(self, step: str) -> Iterator[None]:
        """Have the façade's process kill itself there."""
        self._served.stop()
        self._served.start(f"{step}=kill")
        yield
        self._served.killed()
        self._served.start()

    def close(self) -> None:
        """End the process."""
        self._http.close()
        self._served.stop()

    def _post(self, body: bytes) -> httpx.Response:
        headers = {"Content-Type": "text/xml; charset=utf-8"}
        return self._http.post("/ecms-ws01/service2", content=body, headers=headers)

    def _ask(self, operation: str, message_id: str = "") -> Answer:
        answer = self._post(envelope(operation, escape(message_id)).encode())
        assert answer.status_code == 200, answer.text
        return Answer(answer.content)

    def _pull(self) -> None:
        while (item := self._ask("<CorrespondenceLetterInboundRequest/>")).kind:
            if item.kind == "GovernmentDocument":
                self._take(item)
            else:
                self._hear(item)
            inner = f"<ProcessID>{item.process_id}</ProcessID>"
            self._ask(f"<CorrespondenceLetterDeleteRequest>{inner}</CorrespondenceLetterDeleteRequest>")

    def _take(self, item: Answer) -> None:
        at = "GovernmentDocument/CorrespondenceLetter"
        letter = item.response.find("/".join(f"{{*}}{step}" for step in at.split("/")))
        assert letter is not None
        files = {
            str(each.attrib["fileName"]): base64.b64decode(each.text or "")
            for each in letter.iterfind("{*}*[@mimeCode]")
        }
        self._names[item.process_id] = {
            "LetterID": item.value(f"{at}/ID") or "",
            "CorrespondenceDate": item.value(f"{at}/CorrespondenceDate") or "",
            "SenderDepartment": item.value(f"{at}/SenderParty/DepartmentOrganization/ID") or "",
            "AcceptDepartment": item.value(f"{at}/ReceiverParty/DepartmentOrganization/ID") or "",
        }
        self._taken[item.process_id] = Shown(item.process_id, NO_DOCUMENT, files)

    def _hear(self, item: Answer) -> None:
        said = {name: item.value(f"{item.kind}/{name}") for name in ("LetterID", "Subject", "AcceptID")}
        event = _EVENTS[item.kind or ""]
        if event == "misdirected" and self._status(said["LetterID"]) == "REFUSED":
            event = "refused-by-bus"
        recipient = {
            "agency": item.value(f"{item.kind}/AcceptDepartment/Code"),
            "receiving_number": said["AcceptID"],
        }
        self._heard[item.process_id] = {
            "event": event,
            "reference": self._sent[said["LetterID"] or ""]["reference"],
            "letter": {"subject": said["Subject"], "recipients": [recipient]},
        }

    def _status(self, number: str | None) -> str | None:
        answer = self._ask("<OutboundStatusRequest/>").response
        rows = [{each.tag: each.text for each in row} for row in answer.iter("Outbound")]
        return next((row["ProcessStatus"] for row in rows if row["LetterID"] == number), None)

    def _number_of(self, code: str) -> str:
        said = [each["letter"]["recipients"][0] for each in self.events()]
        return next(
            (
                each["receiving_number"]
                for each in said
                if each["agency"] == code and each["receiving_number"]
            ),
            "",
        )

    def _notify(self, verb: str, name: dict[str, str], number: str) -> Told:
        kind = _ACTS[verb]
        accept = f"<AcceptID>{escape(number)}</AcceptID>" if number else ""
        return _told(self._ask(_outbound(f"<{kind}>{_named(name)}{accept}<Subject/></{kind}>")))


def _outbound(inner: str) -> str:
    return f"<CorrespondenceLetterOutboundRequest>{inner}</CorrespondenceLetterOutboundRequest>"


def _named(name: dict[str, str]) -> str:
    return "".join(
        f"<{key}><Code>{value}</Code></{key}>"
        if key.endswith("Department")
        else f"<{key}>{escape(value)}</{key}>"
        for key, value in name.items()
    )


def _day(text: str) -> str:
    """The date as e-CMS has it; one that is none as it is."""
    try:
        return parse_date(text).isoformat()
    except ValueError:
        return text


def _document(values: Values, files: Files) -> str:
    receivers = "".join(
        f"<ram:ReceiverParty><ram:DepartmentOrganization><ram:ID>{escape(code)}</ram:ID>"
        "</ram:DepartmentOrganization></ram:ReceiverParty>"
        for code in values["to"]
    )
    contents: list[str] = []
    for name, content in files.items():
        kind = load_codes().media_type_of(name)
        element = "AttachmentBinaryObject" if contents else "MainLetterBinaryObject"
        shown = quoteattr(kind.value if kind else f"application/{name.rpartition('.')[2]}")
        coded = base64.b64encode(content).decode()
        contents.append(f"<ram:{element} mimeCode={shown} fileName={quoteattr(name)}>{coded}</ram:{element}>")
    day = _day(values.get("date", date.today().isoformat()))
    return (
        f'<rsm:GovernmentDocument xmlns:rsm="{RSM}" xmlns:ram="{RAM}"><ram:CorrespondenceLetter ID="Letter">'
        f"<ram:ID>{escape(values.get('number', ''))}</ram:ID><ram:CorrespondenceDate>{day}</ram:CorrespondenceDate>"
        f"<ram:Subject>{escape(values.get('subject', ''))}</ram:Subject><ram:SecretCode>001</ram:SecretCode>"
        f"<ram:SpeedCode>{values.get('speed', '001')}</ram:SpeedCode><ram:SenderParty><ram:DepartmentOrganization>"
        f"<ram:ID>{OCS}</ram:ID></ram:DepartmentOrganization></ram:SenderParty>{receivers}{''.join(contents)}"
        "</ram:CorrespondenceLetter></rsm:GovernmentDocument>"
    )


def _told(answer: Answer) -> Told:
    words = " ".join(each.text or "" for each in answer.response.iter("ErrorDescription"))
    for theirs, ours in _FIELDS.items():
        words = words.replace(theirs, ours)
    return Told(words)
