"""The requests by which an office sends: begin a letter, bring its files, submit it, ask how it stands, act."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import re
from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Request

from adapters import views
from adapters.connectors import checking
from adapters.connectors.folder.acts import read_act
from adapters.connectors.folder.parsing import fields_of
from adapters.connectors.rest import writing
from adapters.connectors.rest.access import Clerk, Reader, Shared, TheShared, Writer
from adapters.connectors.rest.problems import Problem
from adapters.connectors.rest.shapes import ActBody, CheckShape, FileShape, LetterBody, LetterShape
from adapters.mailbox.acts import Verb, perform
from adapters.mailbox.doors import Draft
from adapters.mailbox.files import Fingerprint
from bus.identifiers import LetterId, RawDigest

router = APIRouter(prefix="/v1")

_DIGEST = re.compile(r"sha-256=:([A-Za-z0-9+/]{43}=):")
RequestKey = Annotated[
    str,
    Header(
        alias="Idempotency-Key",
        pattern=r"^[!-~]{1,200}$",
        description="chosen by the office for this letter; the same again is the same letter",
    ),
]
Id = Annotated[str, Path(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]


@router.post("/letters", status_code=201, summary="Begin a letter")
def begin_letter(shared: TheShared, _key: Writer, body: LetterBody, request_key: RequestKey) -> LetterShape:
    """Keep what a letter is to say. Its files are brought next, and then it is submitted."""
    return _letter(shared, writing.begin(shared.mailbox, request_key, body))


@router.post("/letters/check", summary="What would the bus refuse?")
def check_letter(shared: TheShared, _key: Reader, body: LetterBody) -> CheckShape:
    """Judge a letter by the directory that is here, without its files; nothing is kept or sent."""
    return CheckShape(**checking.view(shared.mailbox, checking.check_content(shared.mailbox, body)))


@router.get("/letters/{letter}", summary="How a letter stands")
def letter_status(shared: TheShared, _key: Reader, letter: Id) -> LetterShape:
    """Tell the state of a letter that was begun here, or of any that this agency has sent, by its LetterID."""
    draft = shared.mailbox.doors.draft(letter)
    if draft is not None:
        return _letter(shared, draft)
    row = shared.mailbox.outbox.letter(letter_id=LetterId(letter))
    if row is None:
        raise Problem("letter.unknown")
    files = {each.name: True for each in shared.mailbox.outbox.files(row.id)}
    return LetterShape(id=letter, state=str(row.state), files=files, letter=views.sent(shared.mailbox, row))


@router.put(
    "/letters/{letter}/files/{name}",
    summary="Bring a file of a letter",
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
        }
    },
)
async def bring_file(
    shared: TheShared,
    _key: Writer,
    letter: Id,
    name: Annotated[str, Path(min_length=1, max_length=255)],
    request: Request,
    digest: Annotated[
        str, Header(alias="Content-Digest", max_length=200, description="sha-256=:<base64>: (RFC 9530)")
    ],
) -> FileShape:
    """Take the bytes of a file as they come; they count once all of them are here and have this digest."""
    stated = _sha256(digest)
    draft = await asyncio.to_thread(_open_draft, shared, letter)
    hashed, size = hashlib.sha256(), 0
    with shared.mailbox.store.scratch() as scratch:
        with scratch.open("wb") as out:
            async for piece in request.stream():
                size += len(piece)
                if size > shared.largest_file:
                    raise Problem("request.too-large")
                hashed.update(piece)
                await asyncio.to_thread(out.write, piece)
        if hashed.hexdigest() != stated:
            raise Problem("file.digest")
        file = Fingerprint(RawDigest(stated), size)
        await asyncio.to_thread(writing.file_arrived, shared.mailbox, draft, name, scratch, file)
    return FileShape(name=name, sha256=stated, size=size)


@router.post("/letters/{letter}/submit", status_code=202, summary="Submit a letter")
def submit_letter(shared: TheShared, _key: Writer, letter: Id) -> LetterShape:
    """Put the letter into the outbox, whole; the bus's answer comes as news. One that it refused is sent once more."""
    writing.submit(shared.mailbox, _open_draft(shared, letter))
    return _letter(shared, _open_draft(shared, letter))


@router.post("/acts/{verb}", status_code=202, summary="Say something about a letter")
def act(shared: TheShared, _key: Clerk, verb: Verb, body: ActBody) -> dict[str, Any]:
    """Register, refuse, correct, dispute, withdraw …: the same act again is one act."""
    row = perform(shared.mailbox, read_act(fields_of(body), verb))
    return views.sent(shared.mailbox, row)


def _open_draft(shared: Shared, letter: str) -> Draft:
    draft = shared.mailbox.doors.draft(letter)
    if draft is None:
        raise Problem("letter.unknown")
    return draft


def _letter(shared: Shared, draft: Draft) -> LetterShape:
    mailbox = shared.mailbox
    here = mailbox.doors.files(draft.id)
    files = {name: name in here for name in writing.names_of(draft)}
    if draft.outbox is None:
        return LetterShape(id=draft.id, state="draft", files=files, letter=None)
    row = mailbox.outbox.get(draft.outbox)
    return LetterShape(id=draft.id, state=str(row.state), files=files, letter=views.sent(mailbox, row))


def _sha256(text: str) -> str:
    """The SHA-256 of a Content-Digest, in hexadecimal. Raises Problem."""
    found = _DIGEST.search(text)
    try:
        return base64.b64decode(found[1], validate=True).hex() if found else _no_digest()
    except binascii.Error:
        return _no_digest()


def _no_digest() -> str:
    th, en = "Content-Digest ต้องมี sha-256", "Content-Digest must have sha-256=:…:"
    raise Problem("request.invalid", th, en)
