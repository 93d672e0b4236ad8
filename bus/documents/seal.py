"""An agency's seal: the private key that signs for it, and the certificate that others pin."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from bus.directory.certificates import ANOTHER, objection, unfitness
from bus.documents.keys import read_private_key
from bus.errors import Misconfigured, Problem
from bus.methods import SealKey, SealPublicKey, weakness_of
from bus.settings import sections as settings

_RENEW: Final = (
    f"Set this machine's clock if it is wrong. Otherwise pin another certificate beside it. {ANOTHER}"
)


def fingerprint_of(certificate: x509.Certificate) -> str:
    """Lower-case hexadecimal SHA-256 of the certificate's DER encoding."""
    return certificate.fingerprint(hashes.SHA256()).hex()


@dataclass(frozen=True, slots=True)
class Seal:
    """A private key with its certificate; the key appears in no representation."""

    private_key: SealKey = field(repr=False)
    certificate: x509.Certificate

    @property
    def fingerprint(self) -> str:
        """Lower-case hexadecimal SHA-256 of the certificate's DER encoding."""
        return fingerprint_of(self.certificate)

    @classmethod
    def from_files(cls, key: Path, certificate: Path, passphrase: str | None = None) -> Seal:
        """Read both from PEM files; raises Misconfigured with the mistakes of both, and for what can never sign."""
        seal = read_pair(key, certificate, passphrase)
        _require_fit(seal.certificate, str(certificate), "certificate")
        return seal

    @classmethod
    def from_settings(cls, section: settings.Seal) -> Seal:
        """Read it as the settings say, from files or from a device; raises as `from_files`."""
        if section.device is None:
            return cls.from_files(section.key, section.certificate, section.passphrase_text())
        from bus.documents.devices import key_in_device  # loads python-pkcs11, and few keys are in a device

        certificate = read_certificate(section.certificate, "certificate")
        public = certificate.public_key()
        if not isinstance(public, SealPublicKey):
            raise TypeError(type(public))
        return cls(key_in_device(section.device, public, section.passphrase_text()), certificate)

    def require_in_force(self, certificate: Path, at: datetime) -> None:
        """Raise Misconfigured if the certificate is not valid at a time; `certificate` is where it lies."""
        if found := objection(self.certificate, (), at):
            raise Misconfigured(Problem(str(certificate), "certificate", found.detail, _RENEW))


def read_pair(key: Path, certificate: Path, passphrase: str | None = None) -> Seal:
    """Read a key and its certificate, whatever that is for; raises Misconfigured with the mistakes of both.

    Of several certificates in the file, the key's own is meant: while a key is replaced by its successor, both have
    theirs there.
    """
    problems: list[Problem] = []
    private_key = _key(key, passphrase, problems)
    loaded = _certificates(certificate, "certificate", problems)
    if private_key is None or not loaded:
        raise Misconfigured(*problems)
    public = private_key.public_key()
    own = next((one for one in loaded if one.public_key() == public), None)
    if own is None:
        wrong = f"the certificate does not belong to the key in {key}"
        raise Misconfigured(Problem(str(certificate), "certificate", wrong, "Give the pair made together."))
    return Seal(private_key, own)


def read_certificate(path: Path, setting: str) -> x509.Certificate:
    """Read the certificate that a setting names; raises Misconfigured for what is none, and for one that cannot sign.

    Whether it is valid now is not asked: somebody else's certificate may be replaced by what comes from there.
    """
    problems: list[Problem] = []
    found = _certificates(path, setting, problems)
    if not found:
        raise Misconfigured(*problems)
    _require_fit(found[0], str(path), setting)
    return found[0]


def _require_fit(certificate: x509.Certificate, place: str, key: str) -> None:
    if found := unfitness(certificate):
        raise Misconfigured(Problem(place, key, f"{found.detail} (key.{found.doubt})", ANOTHER))


def _key(path: Path, passphrase: str | None, problems: list[Problem]) -> SealKey | None:
    try:
        key = read_private_key(
            path, passphrase, weakness_of, "Use ECDSA on P-256 or P-384, or RSA from 2048 bits."
        )
    except Misconfigured as wrong:
        problems += wrong.problems
        return None
    if not isinstance(key, SealKey):
        raise TypeError(type(key))
    return key


def _certificates(path: Path, key: str, problems: list[Problem]) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(path.read_bytes())
    except OSError as exc:
        wrong = f"cannot be read ({exc.strerror})"
    except (ValueError, x509.InvalidVersion):
        wrong = "is no certificate"
    problems.append(Problem(str(path), key, wrong, "Give the path of one X.509 certificate, as PEM."))
    return []
