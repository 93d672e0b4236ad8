"""Signed notes, checkpoints and cosignatures: the published example, and every way of being none."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from bus.documents.notes import NoteKey, log_key, make_key, witness_key
from bus.errors import Misconfigured
from bus.verifier.notes import (
    LOG,
    WITNESS,
    Checkpoint,
    Note,
    Unreadable,
    Unsigned,
    VerifierKey,
    read_checkpoint,
    read_note,
    require_signed,
    with_signatures,
)

EXAMPLE_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
EXAMPLE = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
    "\n"
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
"""The example of the specification of signed notes, with its key."""

ROOT = bytes(range(32))
HEAD = Checkpoint("saraban.example/ledger", 70, ROOT)


@pytest.fixture
def log(tmp_path: Path) -> NoteKey:
    make_key(tmp_path / "log.pem")
    return log_key(tmp_path / "log.pem", "saraban.example/ledger")


@pytest.fixture
def witness(tmp_path: Path) -> NoteKey:
    make_key(tmp_path / "witness.pem", "secret")
    return witness_key(tmp_path / "witness.pem", "saraban.example/0100500000", "secret")


def signed(log: NoteKey) -> Note:
    return Note(str(HEAD), (log.sign(str(HEAD)),))


def test_the_published_example_opens_with_its_key_and_with_no_other() -> None:
    key = VerifierKey.parse(EXAMPLE_KEY)
    note = read_note(EXAMPLE)
    assert str(key) == EXAMPLE_KEY
    assert str(note) == EXAMPLE
    assert require_signed(note, key) is None
    with pytest.raises(Unsigned, match="no signature by"):
        require_signed(note, VerifierKey(key.name, LOG, bytes(32)))
    with pytest.raises(Unsigned, match="does not verify"):
        require_signed(read_note(EXAMPLE.replace("answer", "Answer")), key)


def test_a_checkpoint_comes_back_as_it_was_signed(log: NoteKey) -> None:
    note = read_note(str(signed(log)))
    assert read_checkpoint(note) == HEAD
    assert require_signed(note, VerifierKey.parse(str(log.verifier))) is None


def test_a_cosignature_bears_its_time_and_is_no_signature_of_the_log(log: NoteKey, witness: NoteKey) -> None:
    note = signed(log)
    both = read_note(str(with_signatures(note, [witness.cosign(note, 1_700_000_000)])))
    assert require_signed(both, witness.verifier) == 1_700_000_000
    assert require_signed(both, log.verifier) is None
    as_a_log = VerifierKey(witness.name, LOG, witness.verifier.key)
    with pytest.raises(Unsigned):
        require_signed(both, as_a_log)
    later = both.signatures[1].data
    forged = type(both.signatures[1])(
        witness.name, witness.verifier.id, (1_700_000_001).to_bytes(8, "big") + later[8:]
    )
    with pytest.raises(Unsigned, match="does not verify"):
        require_signed(with_signatures(note, [forged]), witness.verifier)


def test_the_kind_of_a_key_is_part_of_its_id(log: NoteKey) -> None:
    as_witness = VerifierKey(log.name, WITNESS, log.verifier.key)
    assert as_witness.id != log.verifier.id


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        EXAMPLE_KEY.replace("c74f20a3", "c74f20a4"),
        EXAMPLE_KEY.replace("PeterNeumann", "Peter Neumann"),
        EXAMPLE_KEY.replace("ARpc", "AhpC"),
        EXAMPLE_KEY[:-4],
        EXAMPLE_KEY + "=",
    ],
)
def test_what_is_no_key_is_not_read_as_one(text: str) -> None:
    with pytest.raises(Unreadable):
        VerifierKey.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a\n",
        "a\n\n",
        "a\n\nb\n",
        EXAMPLE.rstrip("\n"),
        EXAMPLE.replace("— ", "- "),
        EXAMPLE.replace("x08go", "x08g*"),
        EXAMPLE.replace("JnAM=", "JnAN="),
        EXAMPLE.replace("— PeterNeumann ", "— "),
    ],
)
def test_what_is_no_note_is_not_read_as_one(text: str) -> None:
    with pytest.raises(Unreadable):
        read_note(text)


@pytest.mark.parametrize("wrong", ["070", "-1", "7x", "", "٧٠", "9" * 20])
def test_a_size_has_one_form(log: NoteKey, wrong: str) -> None:
    text = str(HEAD).replace("\n70\n", f"\n{wrong}\n")
    with pytest.raises(Unreadable):
        read_checkpoint(Note(text, (log.sign(text),)))


@given(st.text())
def test_no_text_does_worse_than_being_unreadable(text: str) -> None:
    with suppress(Unreadable):
        read_checkpoint(read_note(text))


def test_a_key_that_others_can_read_or_of_another_kind_is_not_used(tmp_path: Path) -> None:
    path = tmp_path / "log.pem"
    make_key(path)
    with pytest.raises(Misconfigured):
        make_key(path)
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o640)
    with pytest.raises(Misconfigured, match="chmod 600"):
        log_key(path, "a")
    path.chmod(0o600)
    with pytest.raises(Misconfigured, match="passphrase"):
        log_key(path, "a", "secret")
    path.write_text("nonsense")
    with pytest.raises(Misconfigured, match="no private key"):
        log_key(path, "a")
    with pytest.raises(Misconfigured, match="cannot be read"):
        log_key(tmp_path / "none.pem", "a")
    assert "PRIVATE" not in repr(NoteKey("a", LOG, Ed25519PrivateKey.generate()))
    with pytest.raises(Misconfigured, match="signed note"):
        log_key(path, "a b")
