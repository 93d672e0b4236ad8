"""An office at the desk: a person who fills in forms, without scripts, and presses a button again when nothing came."""

from __future__ import annotations

import json
import re
import socket
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

from httpx import Response

from tests.contract.console_rig import Visitor
from tests.contract.desk_office import CLERK, Desk
from tests.contract.doors.door import Files, Shown, Told, Values

_SEEN = re.compile(r'name="seen" value="([0-9a-f]{64})"')
_ALERT = re.compile(r'role="alert".*?</div>', re.S)


class DeskOffice:
    """Remembers which letter it wrote under which of its own references, as a clerk does."""

    name = "desk"
    steps_out: tuple[str, ...] = ()
    steps_in: tuple[str, ...] = ()

    def __init__(self, desk: Desk, opened: AbstractContextManager[Desk]) -> None:
        self._opened = opened
        self._desk = desk
        self._visitor: Visitor = desk.visited_by(CLERK)
        self._written: dict[str, str] = {}
        self._taken: dict[int, Shown] = {}

    def put(self, values: Values, files: Files) -> Told:
        """Write a letter, bring its files, look at what it will be, and send it; once more is nothing new."""
        key = json.dumps([values, list(files)], ensure_ascii=False)
        page = self._written.get(key) or self._begun(values)
        if key not in self._written:
            for name, content in files.items():
                told = self._told(partial(self._bring, page, name, content))
                if not told.taken:
                    return told
        wrong = [] if self._is_sent(page) else self._visitor.json(f"{page}/send")["reasons"]
        if wrong:
            return Told(json.dumps(wrong, ensure_ascii=False))
        self._written[key] = page
        seen = "" if self._is_sent(page) else self._seen(page)
        return self._told(lambda language: self._visitor.send(f"{page}/send?lang={language}", {"seen": seen}))

    def put_half(self, values: Values, files: Files) -> None:
        """The same, but the connection breaks while the last of the files comes."""
        page = self._begun(values)
        *whole, last = files
        for name in whole:
            assert self._bring(page, name, files[name]).status_code == 303
        self._cut(f"{page}/files", last, files[last])

    def go_on(self) -> None:
        """Nothing: a person looks at the page again."""

    def act(self, verb: str, **fields: Any) -> Told:
        """Fill in the form of an act."""
        if "letter_reference" in fields:
            return self._act_on_sent(verb, **fields)
        about, form = fields.pop("letter_id"), {name: str(each) for name, each in fields.items()}
        row = next(each for each in self._received() if each["letter_id"] == about)
        path = f"/inbox/{row['id']}/{verb}"
        return self._told(lambda language: self._visitor.send(f"{path}?lang={language}", form))

    def _act_on_sent(
        self, verb: str, letter_reference: str, recipients: list[str], reason: str = "ตัวอย่าง"
    ) -> Told:
        """Look for the letter that was written last under this reference, and say why; no form goes without that."""
        (row,) = (
            line
            for line in self._visitor.json("/sent")["letters"]
            if self._visitor.json(f"/sent/{line['id']}")["letter"]["sender_reference"] == letter_reference
        )
        path, (code,) = f"/sent/{row['id']}/{verb}", recipients
        form = {"recipient": code, "reason": reason}
        return self._told(lambda language: self._visitor.send(f"{path}?lang={language}", form))

    def letters(self) -> list[Shown]:
        """Read every letter of the list, with its files and the document that was signed."""
        for row in self._received():
            base = f"/inbox/{row['id']}"
            files = {
                each["name"]: self._visitor.get(f"{base}/files/{each['position']}").content
                for each in self._visitor.json(base)["letter"]["files"]
            }
            document = self._visitor.get(f"{base}/document").content
            self._taken[row["id"]] = Shown(row["letter_id"], document, files)
        return list(self._taken.values())

    def events(self) -> list[Values]:
        """What the pages say of letters sent and received, in the order of the letters."""
        found: list[Values] = []
        for line in self._visitor.json("/sent")["letters"]:
            letter = self._visitor.json(f"/sent/{line['id']}")
            if letter["answered_at"]:
                event = "refused-by-bus" if letter["refusal"] else "accepted"
                reference = letter["letter"]["sender_reference"]
                found.append({"event": event, "reference": reference, "answers": letter, "letter": letter})
        for row in self._received():
            history = self._visitor.json(f"/inbox/{row['id']}")["history"]
            found += [each for each in history if each["event"] != "delivered"]
        return found

    def dying_at(self, step: str) -> AbstractContextManager[None]:
        """It has no steps of its own: what it writes is one transaction of the mailbox."""
        return nullcontext()

    def close(self) -> None:
        """End the pages."""
        self._opened.__exit__(None, None, None)

    def _begun(self, values: Values) -> str:
        page = str(self._visitor.send("/write", {}).headers["location"])
        texts = {name: str(each) for name, each in values.items() if name not in ("to", "copy")}
        for role in ("to", "copy"):
            for each in values.get(role, ()):
                self._save(page, texts, f"{role}:{each}")
        self._save(page, texts, "save")
        return page

    def _save(self, page: str, texts: dict[str, str], do: str) -> None:
        version = str(self._visitor.json(page)["version"])
        answer = self._visitor.send(page, {"version": version, "do": do, **texts})
        assert answer.status_code == 303, answer.text

    def _bring(self, page: str, name: str, content: bytes, language: str = "th") -> Response:
        return self._visitor.send(
            f"{page}/files?lang={language}", {}, files=[("file", (name, content, "application/pdf"))]
        )

    def _cut(self, path: str, name: str, content: bytes) -> None:
        """Send the beginning of a form with a file, and close."""
        host, _, port = self._desk.address.removeprefix("http://").partition(":")
        cookie = "; ".join(f"{each.name}={each.value}" for each in self._visitor.client.cookies.jar)
        body = (
            f'--x\r\nContent-Disposition: form-data; name="form_token"\r\n\r\n{self._visitor.token}\r\n'
            f'--x\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
        ).encode() + content[:-3]
        head = (
            f"POST {path} HTTP/1.1\r\nHost: {host}\r\nCookie: {cookie}\r\n"
            f"Content-Type: multipart/form-data; boundary=x\r\nContent-Length: {len(body) + 11}\r\n\r\n"
        )
        with socket.create_connection((host, int(port)), timeout=30) as connection:
            connection.sendall(head.encode() + body)

    def _seen(self, page: str) -> str:
        found = _SEEN.search(self._visitor.get(f"{page}/send").text)
        assert found is not None
        return found[1]

    def _is_sent(self, page: str) -> bool:
        return self._visitor.get(page).status_code == 404

    def _received(self) -> list[Values]:
        return [
            row
            for part in ("waiting", "done")
            for row in self._visitor.json(f"/inbox?show={part}")["letters"]
        ]

    def _told(self, ask: Any) -> Told:
        """What a page says is wrong, in both languages; asked again, it says the same."""
        wrong = ""
        for language in ("th", "en"):
            answer: Response = ask(language)
            if answer.status_code == 303:
                return Told()
            alert = _ALERT.search(answer.text)
            wrong += alert[0] if alert else answer.text[answer.text.index("<main") :]
        return Told(wrong)
