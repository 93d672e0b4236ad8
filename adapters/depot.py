"""The agency's side of the depot: files go up before the letter, and come down before the receipt.

Both ways go on where they broke off, in this process or in the next one, and neither believes anything: what came
down is hashed as it lies on the disk before it gets its name.
"""

from __future__ import annotations

import hashlib
import os
import re
import ssl
import time
import zlib
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Self

import anyio
import httpx
from anyio.to_thread import run_sync

from adapters.refusals import FileUnavailable, refusal
from bus.documents.seal import Seal
from bus.documents.tokens import request_token
from bus.errors import Transient
from bus.identifiers import RawDigest
from bus.platform.folders import sync_folder
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
        self._http = httpx.AsyncClient(
            base_url=url,
            verify=tls,
            timeout=timeout,
            headers={"Accept-Encoding": "identity"},
            trust_env=False,
        )

    async def upload(self, path: Path, sha256: RawDigest, size: int) -> None:
        """Show the depot this file; returns when it has all of it. Raises Transient or FileUnavailable."""
        await self._insist(_Upload(self, path, sha256, size))

    async def download(self, sha256: RawDigest, size: int, target: Path) -> None:
        """Fetch a file; `target` appears when all of it is verified and durable. Raises Transient or FileUnavailable.

        What is not whole waits beside it as `<name>.part`. One download per target at a time.
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
            response = await self._http.get("/readyz", timeout=_PROBE_WITHIN)
        except httpx.HTTPError as exc:
            return Probe(why=str(exc) or type(exc).__name__)
        if response.status_code != 200:
            return Probe(why=f"the depot answered {response.status_code}")
        try:
            stated = parsedate_to_datetime(response.headers.get("Date", "")).timestamp()
        except ValueError:
            return Probe()
        return Probe(ahead=(asked + time.time()) / 2 - stated)

    def request(
        self,
        method: str,
        path: str,
        headers: dict[str, str],
        content: AsyncIterator[bytes] | bytes | None = None,
    ) -> httpx.Request:
        """A request with a token of its own."""
        request = self._http.build_request(method, path, headers=headers, content=content)
        token = request_token(self._seal, self._agency, method, request.url.path)
        request.headers["Authorization"] = f"Bearer {token}"
        return request

    async def send(self, request: httpx.Request, *, stream: bool = False) -> httpx.Response:
        """The depot's answer, if it is a good one; raises Transient or FileUnavailable."""
        response = await self._http.send(request, stream=stream)
        if response.is_success:
            return response
        await response.aclose()
        raise refusal(request.method, response.status_code, response.headers.get("Saraban-Code", ""))

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
            await anyio.sleep(pause)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()


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
        small = await run_sync(self._read)
        offset = 0 if self._anew else await self._offset()
        self._anew = False
        self.reached = max(self.reached, offset)
        request = self._whole(small) if offset == 0 else self._rest(offset)
        try:
            response = await self._client.send(request)
        except FileUnavailable as exc:
            if offset == 0 or exc.code != "file.digest":
                raise
            # The part that lay there is not what was sent, as after a power failure: once more, all of it.
            self._anew = True
            raise Transient("the depot's part of the file was damaged") from exc
        if response.status_code == 204:
            raise Transient("the depot waits for more of the file")

    async def _offset(self) -> int:
        headers = {"Upload-Length": str(self._size)}
        response = await self._client.send(self._client.request("HEAD", f"/uploads/{self._sha256}", headers))
        offset = response.headers.get("Upload-Offset", "")
        if not offset.isdecimal():
            raise Transient("the depot does not say how far the upload got")
        return int(offset) if int(offset) <= self._size else 0

    def _whole(self, small: bytes | None) -> httpx.Request:
        headers = {"Content-Length": str(self._size)}
        content = self._blocks(0) if small is None else small
        return self._client.request("PUT", f"/files/{self._sha256}", headers, content)

    def _rest(self, offset: int) -> httpx.Request:
        headers = {
            "Content-Length": str(self._size - offset),
            "Upload-Offset": str(offset),
            "Upload-Length": str(self._size),
        }
        return self._client.request("PATCH", f"/uploads/{self._sha256}", headers, self._blocks(offset))

    async def _blocks(self, offset: int) -> AsyncIterator[bytes]:
        file = await run_sync(lambda: self._path.open("rb", buffering=0))
        with file:
            await run_sync(file.seek, offset)
            while block := await run_sync(file.read, _BLOCK):
                yield block

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
        start = await run_sync(self._received)
        if start is None:
            return
        if start < self._size or start == 0:
            start = await self._fetch(start)
        if await run_sync(self._finish):
            return
        if start == 0:
            raise FileUnavailable("file.digest")
        raise Transient("the part that lay here was damaged")

    async def _fetch(self, start: int) -> int:
        headers = {"Range": f"bytes={start}-", "If-Range": f'"{self._sha256}"'} if start else {}
        response = await self._client.send(
            self._client.request("GET", f"/files/{self._sha256}", headers), stream=True
        )
        try:
            start = self._where(response, start)
            received = start
            async for block in response.aiter_raw(_BLOCK):
                if received + len(block) > self._size:
                    raise FileUnavailable("file.size")
                await run_sync(self._write, received, block)
                received += len(block)
                self.reached = max(self.reached, received)
            if received == start:
                await run_sync(self._write, start, b"")
        finally:
            await response.aclose()
        if received < self._size:
            raise Transient("the depot stopped before the end of the file")
        return start

    def _where(self, response: httpx.Response, asked: int) -> int:
        if response.status_code == 206:
            match = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
            if match is None or int(match[1]) != asked:
                raise Transient("the depot sent another range than asked")
            start, total = asked, int(match[2])
        else:
            start, total = 0, int(response.headers.get("Content-Length", self._size))
        if total != self._size:
            raise FileUnavailable("file.size")
        return start

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

    def _finish(self) -> bool:
        """Give the part its name, if it is the file; else it is removed."""
        if not self._verified(self._part):
            self._part.unlink(missing_ok=True)
            return False
        with self._part.open("rb+") as file:  # Windows syncs no file that is open for reading alone
            os.fsync(file.fileno())
        self._part.replace(self._target)
        sync_folder(self._target.parent)
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
        request = self._client.request("GET", f"/directories/{self._digest}", headers)
        response = await self._client.send(request, stream=True)
        try:
            if response.status_code != 206:
                self._packed.clear()
            if response.headers.get("Content-Encoding") != "gzip":
                raise FileUnavailable("file.refused")
            async for block in response.aiter_raw(_BLOCK):
                self._packed += block
                if len(self._packed) > self._size + _BLOCK:
                    raise FileUnavailable("file.size")
        finally:
            await response.aclose()
        self.content = await run_sync(self._unpacked)

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
    except httpx.HTTPError as exc:
        raise Transient(f"the depot is away ({type(exc).__name__})") from exc
    except OSError as exc:
        # Whatever is wrong with this machine's disk, it says nothing about the file or the letter.
        raise Transient(f"this machine's disk failed ({exc.strerror})") from exc
