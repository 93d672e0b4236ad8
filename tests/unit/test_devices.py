"""Keys in a device: a SoftHSM token of the tests' own, spoken to by its PKCS#11 library."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pkcs11
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pydantic import SecretStr

from bus.directory import PinnedCertificate
from bus.documents.devices import key_in_device
from bus.documents.making import new_seal, write_seal
from bus.documents.seal import Seal
from bus.documents.signing import sign, verify
from bus.documents.tokens import open_signed_json, signed_json
from bus.documents.xml import open_envelope
from bus.errors import Misconfigured, Transient
from bus.methods import SealPublicKey
from bus.settings.sections import Seal as Settings
from bus.thai import now
from tests.assets import factory
from tests.assets.keys import new_key
from tests.fixtures.softhsm import PIN, Token


@pytest.fixture(scope="module")
def token(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Token]:
    made = Token(tmp_path_factory.mktemp("softhsm"))
    with patch.dict(os.environ, made.environment):
        yield made


@pytest.fixture(autouse=True)
def logged_out(token: Token) -> Iterator[None]:
    """A login counts for the whole process: each test begins without one."""
    yield
    pkcs11.lib(token.module).reinitialize()


def public(seal: Seal) -> SealPublicKey:
    found = seal.certificate.public_key()
    assert isinstance(found, SealPublicKey)
    return found


@pytest.mark.parametrize("kind", ["p256", "p384", "rsa2048"])
def test_what_is_signed_in_a_device_verifies_as_what_is_signed_by_a_file(token: Token, kind: str) -> None:
    seal = new_seal(factory.OPM, key=new_key(kind))
    token.take(seal, kind)
    kept = Seal(key_in_device(token.uri(kind), public(seal), PIN), seal.certificate)
    signed = sign(factory.letter(), kept)
    pins = (PinnedCertificate.of(seal.certificate),)
    assert verify(open_envelope(signed.raw), pins, now()).digest == signed.digest
    assert open_signed_json(signed_json(b"{}", kept), [seal.certificate]) == b"{}"


def test_the_settings_name_a_device_and_the_file_of_the_key_is_not_looked_for(
    token: Token, tmp_path: Path
) -> None:
    seal = new_seal("bus")
    token.take(seal, "settings")
    files = write_seal(seal, tmp_path, "bus")
    files.key.unlink()
    section = Settings(
        key=files.key, certificate=files.certificate, device=token.uri("settings"), passphrase=SecretStr(PIN)
    )
    assert Seal.from_settings(section).fingerprint == seal.fingerprint


@pytest.mark.parametrize(
    "wrong",
    [
        {"label": "nobody"},
        {"pin": "0000"},
        {"token": "another"},
        {"module": "/nowhere/lib.so"},
    ],
    ids=str,
)
def test_a_key_that_is_not_there_or_does_not_open_is_a_mistake_and_the_pin_is_not_shown(
    token: Token, wrong: dict[str, Any]
) -> None:
    seal = new_seal("x")
    uri = token.uri(wrong.get("label", "p256"), wrong.get("token", "saraban"))
    uri = uri.replace(token.module, wrong.get("module", token.module))
    with pytest.raises(Misconfigured) as found:
        key_in_device(uri, public(seal), wrong.get("pin", PIN))
    assert PIN not in str(found.value)


def test_the_key_of_another_certificate_is_found_at_once(token: Token) -> None:
    token.take(new_seal("one"), "one")
    with pytest.raises(Misconfigured, match="not that of the certificate"):
        key_in_device(token.uri("one"), public(new_seal("other")), PIN)


@pytest.mark.parametrize(
    "uri",
    [
        "bus.key.pem",
        "pkcs11:token=a",
        "pkcs11:object=a;token=b",
        "pkcs11:token=a;object=b?module-path=/x&pin-value=1",
        "pkcs11:token=a;object=b;serial=7?module-path=/x",
    ],
)
def test_a_uri_that_is_not_understood_as_a_whole_is_refused(uri: str) -> None:
    with pytest.raises(Misconfigured, match="is no URI of a key"):
        key_in_device(uri, public(new_seal("x")), PIN)


def test_a_device_that_does_not_answer_is_away_for_now_and_used_again_when_it_does(
    token: Token, monkeypatch: pytest.MonkeyPatch
) -> None:
    seal = new_seal("away")
    token.take(seal, "away")
    kept = Seal(key_in_device(token.uri("away"), public(seal), PIN), seal.certificate)

    def broken(*_: object, **__: object) -> bytes:
        raise pkcs11.DeviceRemoved

    device = kept.private_key._device  # type: ignore[union-attr]
    monkeypatch.setattr(device, "_key", type("Removed", (), {"sign": broken})())
    with pytest.raises(Transient, match="does not answer"):
        signed_json(b"{}", kept)
    assert open_signed_json(signed_json(b"{}", kept), [seal.certificate]) == b"{}"


def test_nothing_takes_a_key_out_of_its_device(token: Token) -> None:
    seal = new_seal("kept")
    token.take(seal, "kept")
    key = key_in_device(token.uri("kept"), public(seal), PIN)
    with pytest.raises(TypeError, match="does not give it away"):
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with pytest.raises(TypeError, match="does not give it away"):
        key.private_numbers()
    assert "4711" not in repr(key)
