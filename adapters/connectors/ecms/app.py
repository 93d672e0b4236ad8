"""The façade over HTTP: one path, SOAP 1.1 in and out, the WSDL with its schemas, and who may come at all."""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Final

from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from adapters.connectors.ecms.errors import Code, NotNow, Wrong
from adapters.connectors.ecms.reading import Node, read_request
from adapters.connectors.ecms.service import UNKNOWN, Asked, Service
from adapters.connectors.ecms.writing import fault
from adapters.mailbox.files import FileStore, Fingerprint
from bus import assets
from bus.errors import Transient
from bus.identifiers import RawDigest
from bus.logs import get

PATH: Final = "/ecms-ws01/service2"
_TYPE = "text/xml; charset=utf-8"
_LOG = get(__name__)
_SCHEMAS = (
    "ecms.wsdl",
    "ecms.xsd",
    "GovernmentDocument.xsd",
    "ReusableAggregateBusinessInformationEntity.xsd",
)
_TRY_AGAIN = "ระบบยังไม่พร้อมชั่วคราว โปรดส่งใหม่ (temporarily unavailable, try again)"


class Face:
    """What answers at the path: `networks` are those that may ask, `most` the bytes of a request."""

    def __init__(
        self, service: Service, store: FileStore, *, path: str, networks: Sequence[str], most: int
    ) -> None:
        self._service = service
        self._store = store
        self._path = path
        self._networks: list[IPv4Network | IPv6Network] = [ip_network(each) for each in networks]
        self._most = most

    def app(self) -> Starlette:
        """The application."""
        return Starlette(
            routes=[
                Route(self._path, self.post, methods=["POST"]),
                Route(self._path, self.describe, methods=["GET"]),
            ]
        )

    async def describe(self, request: Request) -> Response:
        """The WSDL with this address in it, or one of the schemas (`?xsd=<name>`)."""
        if not self._admitted(request):
            return Response(status_code=403)
        name = request.query_params.get("xsd") or "ecms.wsdl"
        if name not in _SCHEMAS:
            return Response(status_code=404)
        text = assets.path(f"xsd/ecms/{name}").read_text(encoding="utf-8")
        address = str(request.url.replace(query=""))
        text = text.replace("http://127.0.0.1:8480/ecms-ws01/service2", address)
        for each in _SCHEMAS[1:]:
            text = text.replace(f'schemaLocation="{each}"', f'schemaLocation="{address}?xsd={each}"')
        return Response(text, media_type=_TYPE)

    async def post(self, request: Request) -> Response:
        """One operation."""
        if not self._admitted(request):
            return Response(status_code=403)
        folder = Path(await run_in_threadpool(tempfile.mkdtemp, dir=self._store.partial, prefix="ecms-"))
        clean = partial(shutil.rmtree, folder, ignore_errors=True)
        try:
            pieces = await self._answer(request, folder)
        except (NotNow, Transient) as exc:
            _LOG.warning("ecms-not-now", reason=exc)
            return Response(fault(_TRY_AGAIN), 503, media_type=_TYPE, background=BackgroundTask(clean))
        except ClientDisconnect:
            return Response(status_code=400, background=BackgroundTask(clean))
        except OSError as exc:
            _LOG.error("ecms-not-now", reason=exc.strerror)
            return Response(fault(_TRY_AGAIN), 503, media_type=_TYPE, background=BackgroundTask(clean))
        except BaseException:
            clean()
            raise
        return StreamingResponse(pieces, media_type=_TYPE, background=BackgroundTask(clean))

    async def _answer(self, request: Request, folder: Path) -> Iterator[bytes]:
        raw, digest, size = folder / "request", hashlib.sha256(), 0
        with raw.open("wb") as file:
            async for piece in request.stream():
                size += len(piece)
                if size > self._most:
                    return self._service.error(UNKNOWN, Wrong(Code.TOO_LARGE, f"เกิน {self._most} ไบต์"), "")
                digest.update(piece)
                await asyncio.to_thread(file.write, piece)
        stated = Fingerprint(RawDigest(digest.hexdigest()), size)
        content_type = request.headers.get("content-type", "")
        address = str(request.url.replace(query=""))
        return await run_in_threadpool(self._understood, raw, stated, content_type, folder, address)

    def _understood(
        self, raw: Path, stated: Fingerprint, content_type: str, folder: Path, url: str
    ) -> Iterator[bytes]:
        try:
            with raw.open("rb") as file:
                root = read_request(file, content_type, partial(_scratch, folder))
            operation, message_id = _opened(root)
        except Wrong as exc:
            return self._service.error(UNKNOWN, exc, "")
        return self._service.answer(Asked(operation, message_id, raw, stated, url))

    def _admitted(self, request: Request) -> bool:
        if not self._networks:
            return True
        address = ip_address(request.client.host if request.client else "0.0.0.0")  # noqa: S104
        mapped = getattr(address, "ipv4_mapped", None)
        return any((mapped or address) in network for network in self._networks)


def _scratch(folder: Path) -> Path:
    descriptor, name = tempfile.mkstemp(dir=folder)
    os.close(descriptor)
    return Path(name)


def _opened(root: Node) -> tuple[Node, str]:
    """The operation in an envelope, and the message's id; a bare operation will do."""
    if root.name != "envelope":
        return root, ""
    body = root.find("Body")
    if body is None or not body.children:
        raise Wrong(Code.UNKNOWN_OPERATION, "Body ว่างเปล่า")
    return body.children[0], root.value("Header/MessageID")
