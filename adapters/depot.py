"""The agency's side of the depot: files go up before the letter, and come down before the receipt.

Both ways go on where they broke off, in this process or in the next one, and neither believes anything: what came
down is hashed as it lies on the disk before it gets its name.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import ssl
import time
import zlib
from asyncio import to_thread
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Self

from adapters.http import Answer, Body, Connections, Failed
from adapters.refusals import FileUnavailable, refusal
from bus.documents.seal import Seal
from bus.documents.tokens import request_token
from bus.errors import Transient
from bus.identifiers import RawDigest
from bus.logs import in_words
from bus.retry import DEPOT, Policy

_BLOCK = 256 * 1024
_SMALL = 1024 * 1024
"""Bytes: a file up to this size is sent without asking first how much of it the depot has; that costs as much."""
_PROBE_WITHIN = 5.0
_CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Probe:
    """A sign of life: why there is none, and by how many seconds this machine's clock is ahead of the depot's."""

    why: str | None = None
    ahead: float | None = None


class DepotClient:
    """Uploads and downloads as one agency; an asynchronous context manager over its connections."""

    def __init__(
        self,
        url: str,
        agency: str,
        seal: Seal,
        *,
        tls: ssl.SSLContext | bool = True,
        policy: Policy = DEPOT,
        timeout: float = 60.0,
    ) -> None:
        self._agency = agency
        self._seal = seal
        self._policy = policy
        self._http = Connections(url, tls=tls, timeout=timeout)

    async def upload(self, path: Path, sha256: RawDigest, size: int) -> None:
        """Show the depot this file; returns when it has all of it. Raises Transient or FileUnavailable."""
        await self._insist(_Upload(self, path, sha256, size))

    async def download(self, sha256: RawDigest, size: int, target: Path) -> None:
        """Fetch a file; `target` appears when all of it is verified. Raises Transient or FileUnavailable.

        It is not durable yet; in another process it is verified again. What is not whole waits beside it as
        `<name>.part`. One download per target at a time.
        """
        await self._insist(_Download(self, sha256, size, target))

    async def directory(self, digest: RawDigest, size: int) -> bytes:
        """Return the content of a directory version, verified. Raises Transient or FileUnavailable."""
        whole = _Whole(self, digest, size)
        await self._insist(whole)
        return whole.content

    async def probe(self) -> Probe:
        """Ask whether the depot can work, and what time it has."""
        asked = time.time()
        try:
            answer = await self._http.ask("GET", f"{self._http.prefix}/readyz", {}, timeout=_PROBE_WITHIN)
        except Failed as exc:
            return Probe(why=exc.detail)
        await answer.close()
        if answer.status != 200:
            return Probe(why=f"the depot answered {answer.status}")
        try:
            stated = parsedate_to_datetime(answer.headers.get("date", "")).timestamp()
        except ValueError:
            return Probe()
        return Probe(ahead=(asked + time.time()) / 2 - stated)

    async def send(
        self, method: str, path: str, headers: Mapping[str, str], body: Body | None = None
    ) -> Answer:
        """The depot's answer to a request with a token of its own, if it is a good one; the caller closes it.

        Raises Transient or FileUnavailable.
        """
        path = self._http.prefix + path
        token = request_token(self._seal, self._agency, method, path)
        proven = {"Accept-Encoding": "identity", "Authorization": f"Bearer {token}", **headers}
        answer = await self._http.ask(method, path, proven, body)
        if 200 <= answer.status < 300:
            return answer
        await answer.close()
        raise refusal(method, answer.status, answer.headers.get("saraban-code", ""))

    async def _insist(self, work: _Upload | _Download | _Whole) -> None:
        waits, reached = self._policy.backoff(), 0
        while True:
            try:
                with _failures_named():
                    return await work.attempt()
            except Transient:
                # A bad line that carries some of the file each time gets it through in the end.
                if work.reached > reached:
                    waits, reached = self._policy.backoff(), work.reached
                pause = next(waits, None)
                if pause is None:
                    raise
            await asyncio.sleep(pause)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.close()


class _Upload:
    """One file on its way up."""

    def __init__(self, client: DepotClient, path: Path, sha256: RawDigest, size: int) -> None:
        self._client = client
        self._path = path
        self._sha256 = sha256
        self._size = size
        self._anew = size <= _SMALL
        """Whether to send all of it without asking."""
        self.reached = 0
        """The most bytes that the depot ever said it had."""

    async def attempt(self) -> None:
        """Ask how far it got, and send the rest; at first all of a small file, unasked."""
        small = await to_thread(self._read)
        offset = 0 if self._anew else await self._offset()
        self._anew = False
        self.reached = max(self.reached, offset)
        try:
            answer = await (self._whole(small) if offset == 0 else self._rest(offset))
        except FileUnavailable as exc:
            if offset == 0 or exc.code != "file.digest":
                raise
            # The part that lay there is not what was sent, as after a power failure: once more, all of it.
            self._anew = True
            raise Transient("the depot's part of the file was damaged") from exc
        await answer.close()
        if answer.status == 204:
            raise Transient("the depot waits for more of the file")

    async def _offset(self) -> int:
        headers = {"Upload-Length": str(self._size)}
        answer = await self._client.send("HEAD", f"/uploads/{self._sha256}", headers)
        await answer.close()
        offset = answer.headers.get("upload-offset", "")
        if not offset.isdecimal():
            raise Transient("the depot does not say how far the upload got")
        return int(offset) if int(offset) <= self._size else 0

    async def _whole(self, small: bytes | None) -> Answer:
        path = f"/files/{self._sha256}"
        if small is not None:
            return await self._client.send("PUT", path, {}, small)
        return await self._client.send("PUT", path, {"Content-Length": str(self._size)}, self._blocks(0))

    async def _rest(self, offset: int) -> Answer:
        headers = {
            "Content-Length": str(self._size - offset),
            "Upload-Offset": str(offset),
            "Upload-Length": str(self._size),
        }
        return await self._client.send("PATCH", f"/uploads/{self._sha256}", headers, self._blocks(offset))

    async def _blocks(self, offset: int) -> AsyncIterator[bytes]:
        while block := await to_thread(self._block, offset):
            yield block
            offset += len(block)

    def _block(self, offset: int) -> bytes:
        # Opened for each block: a request that is given up in the middle leaves no open file behind.
        with self._path.open("rb", buffering=0) as file:
            file.seek(offset)
            return file.read(_BLOCK)

    def _read(self) -> bytes | None:
        """The whole of a small file, None of another; FileUnavailable if it is not as long as it should be."""
        try:
            size = self._path.stat().st_size
        except FileNotFoundError as exc:
            raise FileUnavailable("file.unreadable") from exc
        if size != self._size:
            raise FileUnavailable("file.size")
        return self._path.read_bytes() if size <= _SMALL else None


class _Download:
    """One file on its way down."""

    def __init__(self, client: DepotClient, sha256: RawDigest, size: int, target: Path) -> None:
        self._client = client
        self._sha256 = sha256
        self._size = size
        self._target = target
        self._part = target.with_name(f"{target.name}.part")
        self.reached = 0
        """The most bytes that ever lay in the part."""

    async def attempt(self) -> None:
        """Take what is there already, fetch the rest, verify all of it and give it its name."""
        start = await to_thread(self._received) if self._begun() else 0
        if start is None:
            return
        last = b""
        if start < self._size or start == 0:
            start, last = await self._fetch(start)
        if await to_thread(self._finish, last):
            return
        if start == 0:
            raise FileUnavailable("file.digest")
        raise Transient("the part that lay here was damaged")

    async def _fetch(self, start: int) -> tuple[int, bytes]:
        """Fetch the rest; give where it began, and the last block of it, which is yet to be written."""
        headers = {"Range": f"bytes={start}-", "If-Range": f'"{self._sha256}"'} if start else {}
        answer = await self._client.send("GET", f"/files/{self._sha256}", headers)
        try:
            start = self._where(answer, start)
            received, last = start, b""
            async for block in answer.blocks(_BLOCK):
                before, received = received, received + len(block)
                if received > self._size:
                    raise FileUnavailable("file.size")
                if received == self._size:
                    last += block
                else:
                    await to_thread(self._write, before, block)
                self.reached = max(self.reached, received)
        finally:
            await answer.close()
        if received < self._size:
            raise Transient("the depot stopped before the end of the file")
        return start, last

    def _where(self, answer: Answer, asked: int) -> int:
        if answer.status == 206:
            match = _CONTENT_RANGE.fullmatch(answer.headers.get("content-range", ""))
            if match is None or int(match[1]) != asked:
                raise Transient("the depot sent another range than asked")
            start, total = asked, int(match[2])
        else:
            start, total = 0, int(answer.headers.get("content-length", self._size))
        if total != self._size:
            raise FileUnavailable("file.size")
        return start

    def _begun(self) -> bool:
        """Whether something of it may lie here; to ask that takes less than to have a thread look."""
        return self._target.exists() or self._part.exists()

    def _received(self) -> int | None:
        """The bytes of it that lie here; None once all of it has its name."""
        if self._verified(self._target):
            return None
        try:
            received = self._part.stat().st_size
        except FileNotFoundError:
            return 0
        return received if received <= self._size else 0

    def _write(self, offset: int, block: bytes) -> None:
        with os.fdopen(os.open(self._part, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
            file.truncate(offset)
            file.seek(offset)
            file.write(block)

    def _verified(self, path: Path) -> bool:
        try:
            with path.open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest() == self._sha256
        except FileNotFoundError:
            return False

    def _finish(self, last: bytes) -> bool:
        """Write what is left, and give the part its name if it is the file; else it is removed."""
        self._write(self._size - len(last), last)
        if not self._verified(self._part):
            self._part.unlink(missing_ok=True)
            return False
        self._part.replace(self._target)
        return True


class _Whole:
    """A directory on its way down, compressed; what has come is kept in memory from attempt to attempt."""

    def __init__(self, client: DepotClient, digest: RawDigest, size: int) -> None:
        self._client = client
        self._digest = digest
        self._size = size
        self._packed = bytearray()
        self.content = b""

    @property
    def reached(self) -> int:
        """The bytes that have come."""
        return len(self._packed)

    async def attempt(self) -> None:
        """Fetch the rest, unpack it and verify it."""
        headers = {"Accept-Encoding": "gzip"}
        if self._packed:
            headers |= {"Range": f"bytes={len(self._packed)}-", "If-Range": f'"{self._digest}-gzip"'}
        answer = await self._client.send("GET", f"/directories/{self._digest}", headers)
        try:
            if answer.status != 206:
                self._packed.clear()
            if answer.headers.get("content-encoding") != "gzip":
                raise FileUnavailable("file.refused")
            async for block in answer.blocks(_BLOCK):
                self._packed += block
                if len(self._packed) > self._size + _BLOCK:
                    raise FileUnavailable("file.size")
        finally:
            await answer.close()
        self.content = await to_thread(self._unpacked)

    def _unpacked(self) -> bytes:
        unpacking = zlib.decompressobj(wbits=31)
        try:
            content = unpacking.decompress(bytes(self._packed), self._size + 1)
        except zlib.error:
            content = b""
        if hashlib.sha256(content).hexdigest() == self._digest:
            return content
        self._packed.clear()
        raise FileUnavailable("file.digest")


@contextmanager
def _failures_named() -> Iterator[None]:
    try:
        yield
    except Failed as exc:
        raise Transient(f"the depot is away ({in_words(exc)})") from exc
    except OSError as exc:
        # Whatever is wrong with this machine's disk, it says nothing about the file or the letter.
        raise Transient(f"this machine's disk failed ({exc.strerror})") from exc
