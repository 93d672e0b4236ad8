"""An office at the REST door: a program that asks by HTTP, and asks again when there was no answer."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

from adapters.connectors.rest.door import RestDoor
from adapters.connectors.rest.keys import SCOPES, make_key
from adapters.mailbox import Mailbox
from bus import failpoints
from compose.local import free_port
from tests.contract.doors.door import Files, Shown, Told, Values


class Served:
    """The REST door of a mailbox in a process of its own, which can be killed and begun again."""

    def __init__(self, folder: Path, agency: Any, **options: Any) -> None:
        self.port = free_port()
        tls = options.get("tls")
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        self._folder, self._agency, self._options = folder, agency, options
        self._child = 0

    def start(self, armed: str = "", verify: Any = True) -> None:
        """Begin it, and wait until it answers; `verify` is how https is asked."""
        child = os.fork()
        if child == 0:
            try:
                failpoints.arm(armed)
                with Mailbox(self._folder, self._agency) as mailbox:
                    asyncio.run(self._door(mailbox).run(asyncio.Event()))
            finally:
                os._exit(3)
        self._child = child
        for _ in range(12_000):
            with suppress(httpx.TransportError):
                httpx.get(f"{self.url}/", timeout=20, verify=verify)
                return
            time.sleep(0.005)
        raise AssertionError("the door does not answer")

    def _door(self, mailbox: Mailbox) -> Any:
        return RestDoor(mailbox, "127.0.0.1", self.port, **self._options)

    def killed(self) -> None:
        """Wait for the end that a failpoint made."""
        _, status = os.waitpid(self._child, 0)
        self._child = 0
        assert os.WIFSIGNALED(status)
        assert os.WTERMSIG(status) == signal.SIGKILL

    def stop(self) -> None:
        """End it."""
        if self._child:
            os.kill(self._child, signal.SIGKILL)
            os.waitpid(self._child, 0)
            self._child = 0


class RestOffice:
    """Keeps what it has read, as a program keeps it in its own database."""

    name = "rest"
    # The failpoints on the way of a letter from the office into the mailbox, and of a letter to the office.
    steps_out = ("rest.after-create", "rest.after-file", "rest.before-put", "rest.after-put")
    steps_in = ("rest.after-lease", "rest.before-acknowledge", "rest.after-acknowledge")

    def __init__(self, mailbox: Mailbox, folder: Path) -> None:
        _, key = make_key(mailbox, "office", SCOPES)
        self._served = Served(folder, mailbox.agency, per_minute=100_000)
        self._served.start()
        self._http = httpx.Client(
            base_url=self._served.url, headers={"Authorization": f"Bearer {key}"}, timeout=20
        )
        self._taken: dict[int, Shown] = {}
        self._heard: list[Values] = []
        self._cursor = 0
        self._last: tuple[Values, Files] | None = None

    def put(self, values: Values, files: Files) -> Told:
        """Begin a letter, bring its files, submit it."""
        self._last = (values, files)
        try:
            letter = self._begun(values, files)
            if isinstance(letter, Told):
                return letter
            for name, content in files.items():
                if (told := self._bring(letter, name, content)).wrong:
                    return told
            return _told(self._http.post(f"/v1/letters/{letter}/submit"))
        except httpx.TransportError:
            return Told()  # the adapter has died: nothing is known

    def put_half(self, values: Values, files: Files) -> None:
        """The same without the end of the last file, and submitted all the same."""
        letter = self._begun(values, files)
        assert isinstance(letter, str)
        *whole, last = files
        for name in whole:
            assert self._bring(letter, name, files[name]).taken
        cut = self._bring(letter, last, files[last][:-3], whole=files[last])
        assert "file.digest" in cut.wrong
        assert "files" in _told(self._http.post(f"/v1/letters/{letter}/submit")).wrong

    def go_on(self) -> None:
        """The same requests again, for there was no answer."""
        if self._last is not None:
            assert self.put(*self._last).taken

    def act(self, verb: str, **fields: Any) -> Told:
        """Ask for it."""
        return _told(self._http.post(f"/v1/acts/{verb}", json=fields))

    def letters(self) -> list[Shown]:
        """Take what waits: lease, fetch, keep, acknowledge."""
        with suppress(httpx.TransportError):
            for item in self._get("/v1/inbox")["items"]:
                self._take(item["consignment"])
        return list(self._taken.values())

    def events(self) -> list[Values]:
        """Read the feed on from where this program was; of letters it hears by the inbox."""
        while (page := self._get("/v1/events", after=self._cursor))["events"]:
            self._heard += [each for each in page["events"] if each["event"] != "received"]
            self._cursor = page["cursor"]
        return list(self._heard)

    @contextmanager
    def dying_at(self, step: str) -> Iterator[None]:
        """Have the door's process kill itself there."""
        self._served.stop()
        self._served.start(f"{step}=kill")
        yield
        self._served.killed()
        self._served.start()

    def close(self) -> None:
        """End the process."""
        self._http.close()
        self._served.stop()

    def _get(self, path: str, **params: Any) -> Any:
        answer = self._http.get(path, params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def _begun(self, values: Values, files: Files) -> str | Told:
        content = values | {"files": list(files)}
        key = hashlib.sha256(json.dumps(content).encode()).hexdigest()
        answer = self._http.post("/v1/letters", json=content, headers={"Idempotency-Key": key})
        return str(answer.json()["id"]) if answer.status_code == 201 else _told(answer)

    def _bring(self, letter: str, name: str, content: bytes, whole: bytes | None = None) -> Told:
        stated = base64.b64encode(hashlib.sha256(content if whole is None else whole).digest()).decode()
        headers = {"Content-Digest": f"sha-256=:{stated}:", "Content-Type": "application/octet-stream"}
        path = f"/v1/letters/{letter}/files/{quote(name, safe='')}"
        return _told(self._http.put(path, content=content, headers=headers))

    def _take(self, consignment: int) -> None:
        path = f"/v1/inbox/{consignment}"
        lease = self._http.post(f"{path}/lease", json={}).json()["lease"]
        said = self._get(path)
        files = {
            each["name"]: self._http.get(f"{path}/files/{position}").content
            for position, each in enumerate(said["files"])
        }
        raw = self._http.get(f"{path}/document").content
        self._taken[consignment] = Shown(said["letter_id"], raw, files)
        answer = self._http.post(
            f"{path}/acknowledge", json={"lease": lease, "local_id": f"ours-{consignment}"}
        )
        assert answer.status_code == 200, answer.text


def _told(answer: httpx.Response) -> Told:
    if answer.is_success:
        return Told()
    assert answer.headers["Content-Type"] == "application/problem+json"
    return Told(json.dumps(answer.json(), ensure_ascii=False))
