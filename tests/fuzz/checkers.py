"""The five checkers of a signature, each asked alone; one document, one answer.

Router and ledger verification check over octets, the adapter by signxml, the verifier of packs by signxml with its own
account of the form, and xmlsec1 by libxml2 and libxmlsec. xmlsec1 knows no form but the standard's: what the others
accept it has to accept, and what they call broken it has to refuse.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding

from bus.documents import schema
from bus.documents.signing import verify
from bus.documents.xml import Document, canonical, open_envelope, parse_again, read
from bus.errors import RefusalCode, Refused
from bus.verifier import xmlsig
from bus.verifier.findings import Broken
from tests.assets import factory

_PINS = [factory.pin()]
_CERTIFICATE = factory.seal().certificate
_BATCH = 50


@dataclass(frozen=True, slots=True)
class Answer:
    """What one checker says: the digest of what was signed and what that says, or why it is refused."""

    accepted: bool
    digest: str = ""
    document: Document | None = None
    octets: bytes = b""
    """From the verifier of packs, which knows trees and no letters: what was signed, in its canonical form."""
    why: str = ""


def by_octets(raw: bytes) -> Answer:
    """The router's answer, and that of `ledger verify --signatures`."""
    return _by_gates(raw, by_octets=True)


def by_signxml(raw: bytes) -> Answer:
    """The recipient's adapter's answer."""
    return _by_gates(raw, by_octets=False)


def _by_gates(raw: bytes, *, by_octets: bool) -> Answer:
    try:
        envelope = open_envelope(raw)
        schema.check(envelope)
        found = verify(envelope, _PINS, factory.NOW, by_octets=by_octets)
    except Refused as refusal:
        return Answer(False, why=refusal.code)
    return Answer(True, found.digest, found.document)


def by_verifier(raw: bytes) -> Answer:
    """The answer of `saraban-verify`."""
    try:
        found = xmlsig.verified(raw, _CERTIFICATE, factory.NOW)
    except Broken as broken:
        return Answer(False, why=str(broken))
    return Answer(True, found.digest, octets=canonical(found.root))


def by_xmlsec1(folder: Path, documents: Sequence[bytes]) -> list[bool]:
    """What xmlsec1 says of each document; it takes many at a time and ends at the first that it refuses."""
    pem = folder / "certificate.pem"
    pem.write_bytes(_CERTIFICATE.public_bytes(Encoding.PEM))
    said: list[bool] = []
    while len(said) < len(documents):
        batch = documents[len(said) : len(said) + _BATCH]
        right = _right_ones_first(folder, pem, batch)
        said += [True] * right + [False] * (right < len(batch))
    return said


def _right_ones_first(folder: Path, pem: Path, documents: Sequence[bytes]) -> int:
    """How many documents xmlsec1 says OK to, before the first to which it does not."""
    program = shutil.which("xmlsec1")
    assert program, "the tests need the xmlsec1 command"
    files = [folder / f"{n}.xml" for n in range(len(documents))]
    for file, raw in zip(files, documents, strict=True):
        file.write_bytes(raw)
    command = [program, "--verify", "--enabled-reference-uris", "empty,same-doc"]
    command += ["--id-attr:Id", "http://uri.etsi.org/01903/v1.3.2#:SignedProperties"]
    # Without this, a certificate in KeyInfo that this machine trusts would win over the one given.
    command += ["--enabled-key-data", "key-name", "--pubkey-cert-pem", str(pem), *map(str, files)]
    told = subprocess.run(command, capture_output=True, check=False)
    right = len(re.findall(rb"^OK$", told.stdout + told.stderr, re.MULTILINE))
    assert (told.returncode == 0) is (right == len(documents))
    return right


def disagreement(raw: bytes) -> tuple[str | None, Answer]:
    """In words how our checkers differ about a document, or None; and the answer of the first.

    An exception that is no refusal is a difference too.
    """
    answers: dict[str, Answer] = {}
    for name, ask in (("router", by_octets), ("adapter", by_signxml), ("verifier", by_verifier)):
        try:
            answers[name] = ask(raw)
        except Exception as foreign:  # whatever it is, it is what is looked for
            return f"{name} raises {foreign!r}", Answer(False, why="foreign")
    router, adapter, verifier = answers.values()
    if router == adapter and router.why.startswith(("schema.", "type.")):
        return None, router  # not a question of the signature: the verifier has no schema of letters
    if len({one.accepted for one in answers.values()}) > 1:
        return ", ".join(f"{name}: {one.why or 'accepted'}" for name, one in answers.items()), router
    if router != adapter:
        return f"router: {router.why or router.digest}, adapter: {adapter.why or adapter.digest}", router
    if router.accepted and (router.digest, router.document) != (verifier.digest, _said(verifier.octets)):
        return "the verifier reads something else", router
    return None, router


def _said(octets: bytes) -> Document:
    return read(parse_again(octets))


def expected_of_xmlsec1(answer: Answer) -> bool | None:
    """What xmlsec1 has to say after our answer; None where it may say either."""
    if answer.accepted:
        return True
    return False if answer.why == RefusalCode.SIGNATURE_BROKEN else None
