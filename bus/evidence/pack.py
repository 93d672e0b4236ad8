"""An evidence pack: an ASiC-E container (ETSI EN 319 162-1), a zip file that `saraban-verify` judges offline.

mimetype                    says what kind of container it is
index.html                  what happened, in words, for people; no check reads it
letter.xml  acceptance.xml  the letter and the bus's acceptance, as they were signed
recipients.json             the recipient set, by whose digest entry and acceptance name it
notices/N.xml               every notice about the letter as it was signed, by the number of its entry
entries/N.json              every entry about the letter, and those of the directory's versions
proofs.json                 for each entry, the hashes that lead from it to the root of the checkpoint
checkpoint                  the signed head of the ledger, with the witnesses' cosignatures
checkpoint.tsr              a time-stamp over it (RFC 3161), where an authority is configured
directories/N.json          the versions of the directory by which the signatures were judged
files/SHA256.EXT            the letter's files, if they were asked for, each with the extension of its own name
META-INF/signatures.xml     the bus's signature over all of this
"""

from __future__ import annotations

import hashlib
import os
import shutil
import zipfile
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import BinaryIO

from bus.codes import load_codes
from bus.documents.container import seal_members
from bus.documents.letter import Letter
from bus.documents.seal import Seal
from bus.evidence.page import letter_of, page
from bus.identifiers import RawDigest
from bus.ledger.evidence import Evidence
from bus.text import printable
from bus.verifier.checking import judge
from bus.verifier.container import FILES, MIMETYPE
from bus.verifier.findings import Result

SIGNATURES = "META-INF/signatures.xml"
Files = Mapping[RawDigest, Callable[[], BinaryIO]]
Stamp = Callable[[bytes], bytes]
"""From the octets of a checkpoint to a time-stamp response over them."""


def write_pack(
    path: Path,
    evidence: Evidence,
    seal: Seal,
    *,
    at: datetime,
    files: Files | None = None,
    stamp: Stamp | None = None,
) -> tuple[str, ...]:
    """Write a pack; it appears under its name when all of it is there. Return what of it is in doubt.

    It is judged before it is given away, by the program that others will judge it with: what does not pass, such as a
    signature, stands on the page of the pack. `files` opens the letter's files by SHA-256, where they are to be in it.
    Raises OSError.
    """
    letter = letter_of(evidence)
    named = {digest: member_of(letter, digest) for digest in files or {}}
    show = partial(page, evidence, at, files=named, stamped=stamp is not None)
    members = {**evidence.members, "index.html": show().encode()}
    if stamp is not None:
        members["checkpoint.tsr"] = stamp(members["checkpoint"])
    beside = path.with_name(f".{path.name}.part")
    try:
        _write(beside, members, files or {}, named, seal, at)
        if doubts := _doubts(beside):
            members["index.html"] = show(doubts=doubts).encode()
            _write(beside, members, files or {}, named, seal, at)
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)
    return doubts


def _write(
    path: Path,
    members: Mapping[str, bytes],
    files: Files,
    named: Mapping[RawDigest, str],
    seal: Seal,
    at: datetime,
) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        _add(archive, "mimetype", MIMETYPE.encode(), at, stored=True)
        digests: dict[str, RawDigest] = {}
        for name, data in sorted(members.items()):
            _add(archive, name, data, at)
            digests[name] = RawDigest(hashlib.sha256(data).hexdigest())
        for sha256, opened in sorted(files.items()):
            _add_file(archive, named[sha256], opened, at)
            digests[named[sha256]] = sha256
        _add(archive, SIGNATURES, seal_members(digests, seal, at), at)


def _doubts(path: Path) -> tuple[str, ...]:
    """The checks that do not pass, but for the one that needs the log's key: that one is for the reader to bring."""
    return tuple(
        printable(f"{check.name} ({check.about}): {check.detail}")
        for check in judge(path, None).checks
        if check.result in (Result.FAIL, Result.INDETERMINATE) and check.name != "checkpoint.signature"
    )


def member_of(letter: Letter, sha256: RawDigest) -> str:
    """Return the name of a file's member: its SHA-256 with the extension of its own name, so that it can be opened.

    Only an extension that files of its media type bear; the verifier asks for the same (judging.py, check 9).
    """
    kinds = load_codes().media_types
    for file in letter.all_files:
        _, _, extension = file.name.lower().rpartition(".")
        if file.digest == sha256 and file.media_type in kinds and extension in kinds[file.media_type].ext:
            return f"{FILES}{sha256}.{extension}"
    return f"{FILES}{sha256}"


def _add(archive: zipfile.ZipFile, name: str, data: bytes, at: datetime, *, stored: bool = False) -> None:
    archive.writestr(_info(name, at, stored=stored), data)


def _add_file(archive: zipfile.ZipFile, name: str, opened: Callable[[], BinaryIO], at: datetime) -> None:
    # Scans and PDF files are compressed already.
    info = _info(name, at, stored=True)
    with opened() as source:
        # Its size is known first, so that the header before it and the directory say it in the same way.
        info.file_size = source.seek(0, 2)
        source.seek(0)
        with archive.open(info, "w") as target:
            shutil.copyfileobj(source, target, 1024 * 1024)


def _info(name: str, at: datetime, *, stored: bool) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, at.timetuple()[:6])
    info.compress_type = zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED
    info.external_attr = 0o100644 << 16
    return info
