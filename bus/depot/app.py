"""The depot over HTTP.

| Request | Who | Answer |
|---|---|---|
| PUT /files/{sha256} | an agency | 201 (200 when it had shown the file before), 422 when the bytes are others |
| GET, HEAD /files/{sha256} | parties of a letter, and who has shown it | 200, 206, 416; 404 for everybody else |
| HEAD /uploads/{sha256} | an agency | 200 with Upload-Offset |
| PATCH /uploads/{sha256}, with Upload-Offset and Upload-Length | an agency | 204 before the end, then as PUT |
| GET /directories/{sha256} | an agency | 200, 206, 416: a version of the directory, packed by gzip; 404 |
| POST /presence | the router | {"results": ["ok", "missing", "size", …]} in the order of the checks |
| GET /healthz, /readyz, /metrics | anybody in the network | |

Each of the first five bears a token of its own (`bus.documents.tokens`); one that changes something is used once.
Every error is JSON: {"code", "th", "en"}; the code stands in the header Saraban-Code too, as HEAD has no body.
"""

from __future__ import annotations

import gzip
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import BinaryIO

import anyio
from anyio.to_thread import run_sync
from prometheus_client import CollectorRegistry, Counter, Gauge
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from bus import logs
from bus.depot.answers import Cut, FileResponse, refusal, stored
from bus.depot.contents import BLOCK
from bus.depot.presence import AGENCY, read_checks, write_results
from bus.depot.refusals import Refusal, RequestRefused
from bus.depot.replay import Replays
from bus.depot.requests import number_of, range_of, sha256_of, short_body
from bus.depot.store import Depot, Upload
from bus.directory import PinnedCertificate, Vouched
from bus.documents.notice import BUS
from bus.documents.tokens import Denied, Doubt, RequestClaims, open_request_token
from bus.errors import Transient
from bus.identifiers import AgencyCode, RawDigest
from bus.metrics import CONTENT_TYPE, exposition

_LASTING = {"Cache-Control": "private, max-age=31536000, immutable", "Vary": "Accept-Encoding"}

_log = logs.get(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What the depot asks the directory in force."""

    pins_of: Callable[[AgencyCode], Sequence[PinnedCertificate]]
    """The certificates pinned for an agency, or for `bus`; none for a stranger."""
    suspended: Callable[[AgencyCode], bool]
    """Whether an agency may fetch files and not send any."""
    vouched_of: Callable[[AgencyCode], Sequence[Vouched]] = lambda code: ()
    """The organizations pinned for an agency."""
    renewed: Callable[[], bool] = lambda: False
    """Looks for a newer version now, and says whether there was one: a key is used as soon as it is pinned."""
    directory: Callable[[RawDigest], bytes | None] = lambda digest: None
    """The content of the directory version of this digest, packed by gzip; None where there is none."""


def build_app(
    depot: Depot,
    access: Access,
    *,
    idle_seconds: float = 30.0,
    clock: Callable[[], float] = time.time,
    beside: Sequence[BaseRoute] = (),
    reasons: Callable[[], Sequence[str]] = tuple,
    registry: CollectorRegistry | None = None,
) -> Starlette:
    """The depot's HTTP application; an upload that stands still for `idle_seconds` gives way.

    `beside` are routes of others, served at the same address; `reasons` say why the process is not ready besides.
    """
    handlers = _Handlers(depot, access, idle_seconds, clock, reasons, registry or CollectorRegistry())
    file, upload = "/files/{sha256}", "/uploads/{sha256}"
    return Starlette(
        routes=[
            Route(file, handlers.counted(handlers.fetch), methods=["GET", "HEAD"]),
            Route(file, handlers.counted(handlers.put), methods=["PUT"]),
            Route(upload, handlers.counted(handlers.offset), methods=["HEAD"]),
            Route(upload, handlers.counted(handlers.go_on), methods=["PATCH"]),
            Route("/directories/{sha256}", handlers.counted(handlers.directory), methods=["GET"]),
            Route("/presence", handlers.counted(handlers.holds), methods=["POST"]),
            Route("/healthz", _healthz),
            Route("/readyz", handlers.readyz),
            Route("/metrics", handlers.metrics),
            *beside,
        ],
        exception_handlers={HTTPException: _no_such_route, Exception: _internal},
    )


async def collect_for_ever(depot: Depot, *, every: float = 3600.0) -> None:
    """Collect what nobody wants any more, again and again, until cancelled."""
    while True:
        try:
            done = await run_sync(lambda: depot.collect(int(time.time())))
        except (Transient, OSError) as exc:
            _log.warning("collection-postponed", reason=type(exc.__cause__ or exc).__name__)
        else:
            _log.info("collected", files=done.files, bytes=done.bytes, uploads=done.uploads)
        await anyio.sleep(every)


Endpoint = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """A file, from `start` to `stop` of its `size` bytes: open, or read where that is little."""

    size: int
    start: int
    stop: int
    status: int
    content: bytes = b""
    file: BinaryIO | None = None


class _Handlers:
    """The endpoints, each a coroutine from a request to its answer."""

    def __init__(
        self,
        depot: Depot,
        access: Access,
        idle_seconds: float,
        clock: Callable[[], float],
        reasons: Callable[[], Sequence[str]],
        registry: CollectorRegistry,
    ) -> None:
        self._depot = depot
        self._access = access
        self._idle_seconds = idle_seconds
        self._clock = clock
        self._replays = Replays()
        self._reasons = reasons
        self._registry = registry
        self._answers = Counter(
            "saraban_depot_answers_total",
            "Requests answered, by method, status and code of the refusal.",
            ["method", "status", "code"],
            registry=self._registry,
        )
        self._received = Counter(
            "saraban_depot_received_bytes_total", "Bytes of files received.", registry=self._registry
        )
        self._sent = Counter(
            "saraban_depot_sent_bytes_total", "Bytes of files sent.", registry=self._registry
        )
        self._uploads = Gauge("saraban_depot_uploads", "Uploads in progress.", registry=self._registry)

    def counted(self, endpoint: Endpoint) -> Endpoint:
        """Answer in place of every expected error, and count the answer."""

        async def answer(request: Request) -> Response:
            code = ""
            try:
                response = await endpoint(request)
            except RequestRefused as exc:
                code, response = exc.refusal, refusal(exc.refusal, offset=exc.offset)
            except Denied as exc:
                code, response = exc.doubt, refusal(exc.doubt)
            except (Transient, OSError) as exc:
                _log.warning("depot-away", reason=type(exc.__cause__ or exc).__name__)
                code, response = Refusal.AWAY, refusal(Refusal.AWAY)
            self._answers.labels(request.method, response.status_code, code).inc()
            return response

        return answer

    # ── endpoints ──────────────────────────────────────────────────────────────────────────────────

    async def fetch(self, request: Request) -> Response:
        """GET and HEAD of a file."""
        agency, sha256 = self._agency(request), sha256_of(request)
        etag = f'"{sha256}"'
        headers = {"ETag": etag, "Accept-Ranges": "bytes", "Cache-Control": "private, no-transform"}
        if request.method == "HEAD":
            headers["Content-Length"] = str(await run_sync(self._depot.size, agency, sha256))
            return Response(headers=headers, media_type="application/octet-stream")
        # Ranges are defined for GET only (RFC 9110, 14.2).
        asked = request.headers.get("Range", "") if request.headers.get("If-Range", etag) == etag else ""
        # Opened while it can still be answered that something is away: behind the headers there is only the cut.
        found = await run_sync(self._found, agency, sha256, asked)
        if found.status == 416:
            return refusal(Refusal.RANGE, headers={**headers, "Content-Range": f"bytes */{found.size}"})
        length = found.stop - found.start
        headers["Content-Length"] = str(length)
        if found.status == 206:
            headers["Content-Range"] = f"bytes {found.start}-{found.stop - 1}/{found.size}"
        if found.file is None:
            self._sent.inc(length)
            return Response(found.content, found.status, headers, "application/octet-stream")
        return FileResponse(found.file, self._blocks(found.file, length), found.status, headers)

    def _found(self, agency: AgencyCode, sha256: RawDigest, asked: str) -> _Found:
        """Open a file where the range that is asked for begins; read it at once if that is little."""
        file, size = self._depot.open(agency, sha256)
        with ExitStack() as stack:
            stack.enter_context(file)
            start, stop, status = range_of(asked, size)
            if status == 416:
                return _Found(size=size, start=start, stop=stop, status=status)
            file.seek(start)
            if stop - start > BLOCK:
                stack.pop_all()
                return _Found(size=size, start=start, stop=stop, status=status, file=file)
            content = file.read(stop - start)
        if len(content) != stop - start:
            raise Transient("a file is shorter than it was")
        return _Found(size=size, start=start, stop=stop, status=status, content=content)

    async def directory(self, request: Request) -> Response:
        """GET of a version of the directory, by the digest of its content; it never changes."""
        self._agency(request)
        digest = sha256_of(request)
        packed = await run_sync(self._access.directory, digest)
        if packed is None:
            raise RequestRefused(Refusal.FILE_UNKNOWN)
        if not re.search(r"\b(gzip|\*)", request.headers.get("Accept-Encoding", "")):
            return Response(
                await run_sync(gzip.decompress, packed), headers={"ETag": f'"{digest}"', **_LASTING}
            )
        etag = f'"{digest}-gzip"'
        headers = {"ETag": etag, "Accept-Ranges": "bytes", "Content-Encoding": "gzip", **_LASTING}
        start, stop, status = 0, len(packed), 200
        if request.headers.get("If-None-Match") == etag:
            return Response(status_code=304, headers=headers)
        if request.headers.get("If-Range", etag) == etag:
            start, stop, status = range_of(request.headers.get("Range", ""), len(packed))
        if status == 416:
            return refusal(Refusal.RANGE, headers={"Content-Range": f"bytes */{len(packed)}"})
        if status == 206:
            headers["Content-Range"] = f"bytes {start}-{stop - 1}/{len(packed)}"
        return Response(packed[start:stop], status, headers)

    async def put(self, request: Request) -> Response:
        """PUT of a whole file."""
        agency, sha256 = self._sender(request), sha256_of(request)
        length = number_of(request, "Upload-Length", "Content-Length")
        coming = number_of(request, "Content-Length")
        if coming is not None and coming <= BLOCK:
            return await self._take(request, agency, sha256, length)
        upload = await run_sync(self._depot.begin, agency, sha256, length)
        return await self._receive(request, sha256, upload)

    async def offset(self, request: Request) -> Response:
        """HEAD of an upload; with Upload-Length, a file too large is refused before it is sent."""
        agency, sha256 = self._agency(request), sha256_of(request)
        self._depot.require_permitted(number_of(request, "Upload-Length"))
        received = await run_sync(self._depot.received, agency, sha256)
        return Response(headers={"Upload-Offset": str(received), "Cache-Control": "no-store"})

    async def go_on(self, request: Request) -> Response:
        """PATCH of an upload."""
        agency, sha256 = self._sender(request), sha256_of(request)
        offset, length = number_of(request, "Upload-Offset"), number_of(request, "Upload-Length")
        if offset is None or length is None:
            raise RequestRefused(Refusal.MALFORMED)
        if offset + (number_of(request, "Content-Length") or 0) > length:
            raise RequestRefused(Refusal.LENGTH)
        if offset == length and await run_sync(self._depot.renew, agency, sha256, length):
            return stored(sha256, length, new=False)
        upload = await run_sync(lambda: self._depot.begin(agency, sha256, length, offset=offset))
        return await self._receive(request, sha256, upload)

    async def holds(self, request: Request) -> Response:
        """POST of the router's checks."""
        if self._spent(request).issuer != BUS:
            raise RequestRefused(Refusal.NOT_YOURS)
        try:
            checks = read_checks(await short_body(request))
        except ValueError as exc:
            raise RequestRefused(Refusal.MALFORMED) from exc
        results = await run_sync(self._depot.hold, checks)
        return Response(write_results(results), media_type="application/json")

    async def readyz(self, _request: Request) -> Response:
        """Whether the depot can work, and why not."""
        found = list(self._reasons())
        try:
            await run_sync(self._depot.check)
        except (Transient, OSError):
            return refusal(Refusal.AWAY, reasons=found)
        return refusal(Refusal.AWAY, reasons=found) if found else JSONResponse({"ready": True})

    async def metrics(self, _request: Request) -> Response:
        """Prometheus's text format."""
        return Response(exposition(self._registry), headers={"Content-Type": CONTENT_TYPE})

    # ── who asks ───────────────────────────────────────────────────────────────────────────────────

    def _claims(self, request: Request) -> RequestClaims:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise RequestRefused(Refusal.ANONYMOUS)
        at = datetime.fromtimestamp(self._clock(), UTC)
        path, access = request.scope["path"], self._access

        def claims() -> RequestClaims:
            return open_request_token(token, access.pins_of, request.method, path, at, access.vouched_of)

        try:
            return claims()
        except Denied as denied:
            if denied.doubt is not Doubt.KEY or not access.renewed():
                raise
            return claims()

    def _agency(self, request: Request) -> AgencyCode:
        issuer = self._claims(request).issuer
        if not AGENCY.fullmatch(issuer):
            raise RequestRefused(Refusal.NOT_YOURS)
        return issuer

    def _sender(self, request: Request) -> AgencyCode:
        claims = self._spent(request)
        if not AGENCY.fullmatch(claims.issuer):
            raise RequestRefused(Refusal.NOT_YOURS)
        if self._access.suspended(claims.issuer):
            raise RequestRefused(Refusal.SUSPENDED)
        return claims.issuer

    def _spent(self, request: Request) -> RequestClaims:
        claims = self._claims(request)
        self._replays.use(claims, self._clock())
        return claims

    # ── bytes in, bytes out ────────────────────────────────────────────────────────────────────────

    async def _receive(self, request: Request, sha256: RawDigest, upload: Upload) -> Response:
        with upload, self._uploads.track_inprogress():
            await self._write_body(request, upload)
            new = await run_sync(upload.finish)
            return _taken(sha256, upload.received, new)

    async def _take(
        self, request: Request, agency: AgencyCode, sha256: RawDigest, length: int | None
    ) -> Response:
        """Take what one block holds once it has come: each step in a thread costs more than such a file."""
        chunks = [chunk async for chunk in self._chunks(request)]
        content = b"".join(chunk for chunk in chunks if chunk is not None)
        broken = None in chunks
        self._received.inc(len(content))

        def take() -> tuple[int, bool | None]:
            with self._depot.begin(agency, sha256, length) as upload:
                upload.write(content)
                return upload.received, None if broken else upload.finish()

        with self._uploads.track_inprogress():
            received, new = await run_sync(take)
        if broken:
            raise RequestRefused(Refusal.STALLED)
        return _taken(sha256, received, new)

    async def _write_body(self, request: Request, upload: Upload) -> None:
        pending = bytearray()
        async for chunk in self._chunks(request):
            pending += chunk or b""
            if chunk is None or len(pending) >= BLOCK:
                await self._write(upload, pending)
            if chunk is None:
                raise RequestRefused(Refusal.STALLED)
        await self._write(upload, pending)

    async def _chunks(self, request: Request) -> AsyncIterator[bytes | None]:
        """A body as it comes; None at its end where it breaks off, or stands still for too long."""
        chunks = aiter(request.stream())
        while True:
            try:
                with anyio.fail_after(self._idle_seconds):
                    chunk = await anext(chunks)
            except StopAsyncIteration:
                return
            except (ClientDisconnect, TimeoutError):
                yield None
                return
            yield chunk

    async def _write(self, upload: Upload, pending: bytearray) -> None:
        block = bytes(pending)
        pending.clear()
        self._received.inc(len(block))
        await run_sync(upload.write, block)

    async def _blocks(self, file: BinaryIO, left: int) -> AsyncIterator[bytes]:
        while left:
            try:
                block = await run_sync(file.read, min(BLOCK, left))
            except OSError as exc:
                raise Cut(type(exc).__name__) from exc
            if not block:
                raise Cut("the file is shorter than it was")
            self._sent.inc(len(block))
            left -= len(block)
            yield block


def _taken(sha256: RawDigest, received: int, new: bool | None) -> Response:
    """What is said of bytes that came: that more are waited for, or that the file is whole."""
    if new is None:
        return Response(status_code=204, headers={"Upload-Offset": str(received)})
    return stored(sha256, received, new=new)


async def _healthz(_request: Request) -> Response:
    return JSONResponse({"alive": True})


async def _no_such_route(_request: Request, exc: Exception) -> Response:
    wrong_method = isinstance(exc, HTTPException) and exc.status_code == 405
    headers = exc.headers if isinstance(exc, HTTPException) else None
    return refusal(Refusal.METHOD if wrong_method else Refusal.UNKNOWN, headers=headers)


async def _internal(_request: Request, _exc: Exception) -> Response:
    return refusal(Refusal.FAILED)
