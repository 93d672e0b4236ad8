"""Thousands of mutants of a real signed letter: each is refused with a code, or says exactly what was signed."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from bus.documents import schema
from bus.documents.signing import Verified, sign, verify
from bus.documents.xml import Document, Envelope, open_envelope, read
from bus.errors import RefusalCode, Refused
from tests.assets import factory

LETTER = factory.full_letter()
SIGNED = sign(LETTER, factory.seal())
PINS = [factory.pin(), factory.pin(factory.rsa_seal())]
MUTANTS_PER_SEED = 1_000

# What stands in a signed letter anyway, so that a mutant often stays well-formed.
WORDS = [
    b"<", b">", b"/", b'"', b"'", b"&", b"&amp;", b"&#9;", b"&#xA0;", b"&#0;", b" ", b"\n", b"\t", b"\r\n",
    b"0", b"1", b"A", b"=", b"+07:00", b"ds:", b"xades:", b"Id", b"#", b"SHA-1", b"sha1", b"<a/>",
    b"<!---->", b"<![CDATA[]]>", b"<?a?>", b"<!DOCTYPE a>", b"\x00", b"\xff", b"\xe0\xb8\x81",
    b"\xef\xbb\xbf", b' xmlns:a="urn:a"', b' xml:lang="th"', b' xml:base="a"', b' Id="a"',
]  # fmt: skip


def mutant(chance: random.Random) -> bytes:
    """One to three small changes, at any byte or at the border of a tag."""
    raw = bytearray(SIGNED.raw)
    for _ in range(chance.choice([1, 1, 1, 2, 3])):
        borders = [at for at, byte in enumerate(raw) if byte in b'<>"= ']
        at = chance.choice([chance.randrange(len(raw)), chance.choice(borders)])
        length = chance.choice([1, 1, 2, 8, 40, 400])
        match chance.randrange(6):
            case 0:
                raw[at] ^= 1 << chance.randrange(8)
            case 1:
                raw[at] = chance.randrange(256)
            case 2:
                raw[at:at] = chance.choice(WORDS)
            case 3:
                raw[at : at + length] = chance.choice(WORDS)
            case 4:
                del raw[at : at + length]
            case 5:
                elsewhere = chance.choice(borders)
                raw[elsewhere:elsewhere] = raw[at : at + length]
    return bytes(raw)


def verified_both_ways(envelope: Envelope) -> Verified[Document]:
    """What signxml and the router's own check agree on; Refused with the code that both give."""
    outcomes: list[Verified[Document] | RefusalCode] = []
    for by_octets in (False, True):
        try:
            outcomes.append(verify(envelope, PINS, factory.NOW, by_octets=by_octets))
        except Refused as refusal:
            outcomes.append(refusal.code)
    by_signxml, by_octets_ = outcomes
    assert by_signxml == by_octets_
    if isinstance(by_signxml, RefusalCode):
        raise Refused(by_signxml)
    return by_signxml


@pytest.mark.parametrize("seed", range(6))
def test_a_mutant_is_refused_with_a_code_or_says_exactly_what_was_signed(seed: int) -> None:
    chance = random.Random(seed)
    outcomes: Counter[str] = Counter()
    for _ in range(MUTANTS_PER_SEED):
        raw = mutant(chance)
        try:
            envelope = open_envelope(raw)
            schema.check(envelope)
            verified = verified_both_ways(envelope)
        except Refused as refusal:
            outcomes[refusal.code] += 1
        else:
            assert (verified.document, verified.digest) == (LETTER, SIGNED.digest)
            outcomes["the same content"] += 1
    assert outcomes.total() == MUTANTS_PER_SEED
    # The mutants reach every part of the way: the parser, the schema, the form and the value of the signature.
    for stage in ("xml.", "schema.", "signature."):
        assert sum(count for code, count in outcomes.items() if code.startswith(stage)) > 20, outcomes


@pytest.mark.parametrize("seed", range(6))
def test_without_the_schema_a_mutant_still_cannot_say_anything_else(seed: int) -> None:
    """The signing gate alone, on mutants that change one byte within the content or the signature's values."""
    chance = random.Random(seed)
    verdicts: Counter[str] = Counter()
    for _ in range(500):
        raw = bytearray(SIGNED.raw)
        at = chance.choice([at for at, byte in enumerate(raw) if chr(byte).isalnum()])
        raw[at] = chance.choice(b"abcdefgABCDEFG0123456789+/")
        try:
            envelope = open_envelope(bytes(raw))
            changed = read(envelope.root) != LETTER
            verified = verified_both_ways(envelope)
        except Refused as refusal:
            verdicts[refusal.code] += 1
        else:
            assert not changed
            assert (verified.document, verified.digest) == (LETTER, SIGNED.digest)
            verdicts["the same content"] += 1
    assert verdicts["signature.broken"] > 50, verdicts
