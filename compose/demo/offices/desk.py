"""An office that has no system: a person at the adapter's own pages, the desk."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import httpx

from adapters.desk.face import ROSTER
from adapters.desk.store import Store
from bus.identifiers import AgencyCode
from bus.operators import DeskRole
from bus.people import People, Person
from bus.settings.adapter import load_adapter_settings
from bus.settings.writing import Values
from bus.thai import now
from compose.demo.centre import Centre
from compose.demo.offices.asking import AskingOffice
from compose.demo.offices.browser import send_form
from compose.demo.offices.office import Files, Held, Manifest, News, digests
from compose.local import free_port

CLERK = "suda-sample"
_SHOWN = "สุดา (ตัวอย่าง)"
_LASTS = timedelta(hours=12)


class DeskOffice(AskingOffice):
    """Looks at the inbox, opens what is new, and sends the forms of the pages."""

    door = "desk"
    every = 0.5

    def __init__(self, centre: Centre, code: AgencyCode, name: str) -> None:
        settings = load_adapter_settings(centre.adapter_settings(code))
        people = People.read(settings.desk.people, ROSTER)
        people.add(Person(CLERK, DeskRole.CLERK, now().replace(microsecond=0), _SHOWN)).write()
        super().__init__(
            code, name, httpx.Client(base_url=settings.desk.address, trust_env=False, timeout=30)
        )
        self._pages: dict[str, str] = {}
        """The page of each letter that has come, by its subject."""
        self._opened: set[int] = set()
        self._asked_back: set[int] = set()
        self._drafts: dict[str, str] = {}
        """The page of each letter that is written, by its subject."""
        self._unanswered: set[str] = set()
        """The subjects of the letters that the bus has not judged yet."""
        self._want(partial(self._enter, link(centre, code)))

    @staticmethod
    def settings(centre: Centre, code: AgencyCode) -> Values:
        """Return what opens its pages."""
        return {"desk": {"enabled": True, "listen_port": free_port()}}

    def send(self, manifest: Manifest, files: Files) -> None:
        """Write a letter on the page for it, and send it."""
        self._want(partial(self._write, manifest, files))

    def act(self, verb: str, subject: str, **fields: Any) -> None:
        """Send the form of an act about a letter that has come."""
        page = f"{self._pages[subject]}/{verb}"
        self._want(partial(send_form, self._ask, page, page, fields))

    def _enter(self, address: str) -> None:
        page = urlsplit(address)
        send_form(self._ask, f"{page.path}?{page.query}", "/sign-in/link", {})

    def _write(self, manifest: Manifest, files: Files) -> None:
        subject = manifest["subject"]
        if subject not in self._drafts:
            self._drafts[subject] = send_form(self._ask, "/write", "/write", {}).headers["Location"]
        page = self._drafts[subject]
        (signer,) = manifest["signers"]
        (recipient,) = manifest["to"]
        said = {name: manifest[name] for name in ("number", "date", "kind", "subject", "reference")}
        said |= {f"signers-1-{name}": value for name, value in signer.items()}
        brought = [("file", (name, content, "application/pdf")) for name, content in files.items()]
        send_form(self._ask, page, page, said, button=f"to:{recipient}", files=brought)
        send_form(self._ask, f"{page}/send", f"{page}/send", {})
        self._unanswered.add(subject)

    def _take(self) -> None:
        for part in ("waiting", "done"):
            for row in self._ask("GET", "/inbox.json", params={"show": part}).json()["letters"]:
                if row["id"] not in self._opened:
                    self._open(row["id"])
                if row["standing"].get("withdrawal") == "requested" and row["id"] not in self._asked_back:
                    self._asked_back.add(row["id"])
                    self._news.append(News("withdrawal-requested", row["subject"]))

        if self._unanswered:
            self._look_at_sent()

    def _look_at_sent(self) -> None:
        for row in self._ask("GET", "/sent.json").json()["letters"]:
            if row["subject"] in self._unanswered and row["state"] in ("accepted", "refused"):
                self._unanswered.remove(row["subject"])
                refusal = self._ask("GET", f"/sent/{row['id']}.json").json()["refusal"]
                event = "refused-by-bus" if refusal else "accepted"
                self._news.append(News(event, row["subject"], code=refusal["code"] if refusal else None))

    def _open(self, row: int) -> None:
        """Open a letter and its files, as who reads it does."""
        page = f"/inbox/{row}"
        letter = self._ask("GET", f"{page}.json").json()["letter"]
        files = [self._ask("GET", f"{page}/files/{each['position']}").content for each in letter["files"]]
        self._opened.add(row)
        self._pages[letter["subject"]] = page
        asks_number = letter["acknowledgement"] == "registration"
        self.held.append(Held(letter["subject"], letter["letter_id"], digests(files), asks_number))


def link(centre: Centre, code: AgencyCode) -> str:
    """Return an address that lets the sample clerk of an agency in, once within twelve hours."""
    settings = load_adapter_settings(centre.adapter_settings(code))
    person = People.read(settings.desk.people, ROSTER).must(CLERK)
    with Store(settings.mailbox.folder) as store:
        token = store.make_link(person.by("local"), _LASTS)
    return f"{settings.desk.address}/sign-in?link={token}"
