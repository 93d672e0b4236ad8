"""An office whose system makes HTTP requests: the REST door."""

from __future__ import annotations

import base64
import hashlib
from functools import partial
from typing import Any
from urllib.parse import quote

import httpx

from adapters.connectors.rest.keys import SCOPES, make_key
from adapters.mailbox import Mailbox
from bus.documents.keys import write_private
from bus.identifiers import AgencyCode
from bus.settings.adapter import load_adapter_settings
from bus.settings.writing import Values
from compose.demo.centre import Centre
from compose.demo.offices.asking import AskingOffice
from compose.demo.offices.office import Files, Held, Manifest, digests, letter_named, news_in, refused_act
from compose.local import LOOPBACK, free_port

KEY = "rest.key"
"""The file in the adapter's folder in which the office keeps its key."""


class RestOffice(AskingOffice):
    """Sends by requests, takes letters under a lease, and follows the feed of news."""

    door = "REST"

    def __init__(self, centre: Centre, code: AgencyCode, name: str) -> None:
        with Mailbox(load_adapter_settings(centre.adapter_settings(code)).mailbox.folder, code) as mailbox:
            _, key = make_key(mailbox, "sample office", SCOPES)
        write_private(centre.agency_folder(code) / KEY, f"{key}\n".encode())
        headers = {"Authorization": f"Bearer {key}"}
        super().__init__(
            code, name, httpx.Client(base_url=address(centre, code), headers=headers, trust_env=False)
        )
        self._cursor = self._acts = 0
        self._sent: dict[str, str] = {}
        self._taken: set[int] = set()

    @staticmethod
    def settings(centre: Centre, code: AgencyCode) -> Values:
        """Return what opens its door."""
        return {"connectors.rest": {"enabled": True, "listen_port": free_port()}}

    def send(self, manifest: Manifest, files: Files) -> None:
        """Begin a letter, bring its files, submit it."""
        self._sent[manifest["subject"]] = manifest["reference"]
        self._want(partial(self._send, {**manifest, "files": list(files)}, files))

    def act(self, verb: str, subject: str, **fields: Any) -> None:
        """Ask for it."""
        self._acts += 1
        act = {**fields, **letter_named(subject, self.held, self._sent), "reference": f"{verb}-{self._acts}"}
        self._want(partial(self._ask, "POST", f"/v1/acts/{verb}", json=act))

    def _send(self, letter: dict[str, Any], files: Files) -> None:
        """Any of these requests may be made again: the key of the letter says that it is the same."""
        begun = self._ask(
            "POST", "/v1/letters", json=letter, headers={"Idempotency-Key": letter["reference"]}
        )
        path = f"/v1/letters/{begun.json()['id']}"
        for name, content in files.items():
            digest = base64.b64encode(hashlib.sha256(content).digest()).decode("ascii")
            headers = {"Content-Digest": f"sha-256=:{digest}:", "Content-Type": "application/octet-stream"}
            self._ask("PUT", f"{path}/files/{quote(name, safe='')}", content=content, headers=headers)
        self._ask("POST", f"{path}/submit")

    def _take(self) -> None:
        for item in self._ask("GET", "/v1/inbox").json()["items"]:
            self._take_letter(item["consignment"])
        page = self._ask("GET", "/v1/events", params={"after": self._cursor}).json()
        self._cursor = page["cursor"]
        self.failed += filter(None, map(refused_act, page["events"]))
        told = [event for event in page["events"] if event["event"] != "received"]  # those are in the inbox
        self._news += [news for news in map(news_in, told) if news]

    def _take_letter(self, consignment: int) -> None:
        path = f"/v1/inbox/{consignment}"
        lease = self._ask("POST", f"{path}/lease", json={}).json()["lease"]
        letter = self._ask("GET", path).json()
        files = [self._ask("GET", f"{path}/files/{at}").content for at in range(len(letter["files"]))]
        if consignment not in self._taken:  # as where the answer to an acknowledgement was lost
            self._taken.add(consignment)
            asks_number = letter["acknowledgement"] == "registration"
            self.held.append(Held(letter["subject"], letter["letter_id"], digests(files), asks_number))
        taken = {"lease": lease, "local_id": f"รับ-{consignment}"}
        self._ask("POST", f"{path}/acknowledge", json=taken)


def address(centre: Centre, code: AgencyCode) -> str:
    """Return where an agency's REST door is."""
    section = load_adapter_settings(centre.adapter_settings(code)).connectors.rest
    return f"http://{LOOPBACK}:{section.listen_port}"
