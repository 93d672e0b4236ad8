"""The seal: which key files are taken, and which are refused with what to do about it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from bus.documents.making import KeyFiles, write_seal
from bus.documents.seal import Seal, fingerprint_of
from bus.errors import Misconfigured
from tests.assets import factory


@pytest.mark.parametrize("seal", [factory.seal, factory.rsa_seal, factory.p384_seal])
@pytest.mark.parametrize("passphrase", [None, "ความลับ ๑๒๓"])
def test_a_seal_is_read_back_from_its_files(
    tmp_path: Path, seal: Callable[[], Seal], passphrase: str | None
) -> None:
    files = write_seal(seal(), tmp_path, "opm", passphrase=passphrase)
    loaded = Seal.from_files(files.key, files.certificate, passphrase)
    assert loaded.certificate == seal().certificate
    assert loaded.private_key.public_key() == seal().private_key.public_key()
    assert loaded.fingerprint == fingerprint_of(seal().certificate)
    assert len(loaded.fingerprint) == 64


def test_the_key_appears_in_no_representation() -> None:
    assert "private" not in repr(factory.seal())


def pair(folder: Path) -> KeyFiles:
    return write_seal(factory.seal(), folder, "opm")


def readable_by_the_group(folder: Path) -> KeyFiles:
    files = pair(folder)
    files.key.chmod(0o640)
    return files


def readable_by_all(folder: Path) -> KeyFiles:
    files = pair(folder)
    files.key.chmod(0o604)
    return files


def no_key(folder: Path) -> KeyFiles:
    files = pair(folder)
    files.key.unlink()
    return files


def no_certificate(folder: Path) -> KeyFiles:
    files = pair(folder)
    files.certificate.unlink()
    return files


def certificate_as_key(folder: Path) -> KeyFiles:
    files = pair(folder)
    files.key.write_bytes(files.certificate.read_bytes())
    return files


def key_as_certificate(folder: Path) -> KeyFiles:
    files = pair(folder)
    files.certificate.write_bytes(files.key.read_bytes())
    return files


def certificate_of_another_key(folder: Path) -> KeyFiles:
    return KeyFiles(key=pair(folder).key, certificate=write_seal(factory.rsa_seal(), folder, "b").certificate)


def rsa_1024(folder: Path) -> KeyFiles:
    return write_seal(factory.rsa_1024_seal(), folder, "weak")


def secp256k1(folder: Path) -> KeyFiles:
    return write_seal(factory.secp256k1_seal(), folder, "weak")


def ed25519_key(folder: Path) -> KeyFiles:
    files = pair(folder)
    key = ed25519.Ed25519PrivateKey.generate()
    files.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return files


def without_key_usage(folder: Path) -> KeyFiles:
    return write_seal(factory.seal_without_usage(), folder, "opm")


def for_certificates_only(folder: Path) -> KeyFiles:
    return write_seal(factory.seal_not_for_signatures(), folder, "opm")


def encrypted(folder: Path) -> KeyFiles:
    return write_seal(factory.seal(), folder, "opm", passphrase="secret")


@pytest.mark.parametrize(
    ("make", "key", "said"),
    [
        (readable_by_the_group, "key", "chmod 600"),
        (readable_by_all, "key", "chmod 600"),
        (no_key, "key", "cannot be read"),
        (no_certificate, "certificate", "cannot be read"),
        (certificate_as_key, "key", "no private key"),
        (key_as_certificate, "certificate", "no certificate"),
        (certificate_of_another_key, "certificate", "does not belong"),
        (rsa_1024, "key", "an RSA key of 1024 bits"),
        (secp256k1, "key", "secp256k1"),
        (ed25519_key, "key", "neither ECDSA nor RSA"),
        (encrypted, "key", "no passphrase is given"),
        (without_key_usage, "certificate", "not for digital signatures (key.usage)"),
        (for_certificates_only, "certificate", "saraban-adapter key make"),
    ],
)
def test_what_cannot_be_used_is_refused_in_words(
    tmp_path: Path, make: Callable[[Path], KeyFiles], key: str, said: str
) -> None:
    files = make(tmp_path)
    with pytest.raises(Misconfigured) as caught:
        Seal.from_files(files.key, files.certificate)
    (problem,) = caught.value.problems
    assert problem.key == key
    assert said in str(problem)
    assert problem.file in (str(files.key), str(files.certificate))


def test_another_passphrase_is_refused_without_being_repeated(tmp_path: Path) -> None:
    files = encrypted(tmp_path)
    with pytest.raises(Misconfigured) as caught:
        Seal.from_files(files.key, files.certificate, "guess")
    assert "another passphrase" in str(caught.value)
    assert "guess" not in str(caught.value)


def test_a_passphrase_for_a_key_without_one_is_refused(tmp_path: Path) -> None:
    files = pair(tmp_path)
    with pytest.raises(Misconfigured, match="not encrypted"):
        Seal.from_files(files.key, files.certificate, "guess")


def test_the_mistakes_of_both_files_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured) as caught:
        Seal.from_files(tmp_path / "none.key.pem", tmp_path / "none.cert.pem")
    assert [one.key for one in caught.value.problems] == ["key", "certificate"]
