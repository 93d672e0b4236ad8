"""A private authority: who vouches for the servers of the bus and for those that log in by certificate.

What it issues is decided here and by the operator. Of a request nothing is taken but its key, once the request shows
that whoever made it has the key's private half.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from bus.documents.making import SLACK, KeyFiles, certificate_for, named, new_key, usage, write_pair
from bus.documents.seal import read_pair
from bus.errors import Misconfigured, Problem
from bus.methods import SealPublicKey, weakness_of

AUTHORITY_DAYS: Final = 3650
ISSUED_DAYS: Final = 397
_DNS = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9-]{1,63}(?<!-))*")


@dataclass(frozen=True, slots=True)
class Authority:
    """A key that signs certificates, with its own; the key appears in no representation."""

    key: ec.EllipticCurvePrivateKey = field(repr=False)
    certificate: x509.Certificate

    @classmethod
    def make(cls, name: str, *, days: int = AUTHORITY_DAYS) -> Authority:
        """Make an authority under which there are servers and clients, and no further authority."""
        key, now = new_key(), datetime.now(UTC)
        builder = certificate_for(key.public_key(), named(name), named(name))
        builder = builder.not_valid_before(now - SLACK).not_valid_after(now + timedelta(days=days))
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        builder = builder.add_extension(usage(authority=True), critical=True)
        return cls(key, builder.sign(key, SHA256()))

    @classmethod
    def from_files(cls, files: KeyFiles, passphrase: str | None = None) -> Authority:
        """Read an authority. Raises Misconfigured as for a seal, and for a certificate that is no authority's."""
        read = read_pair(files.key, files.certificate, passphrase)
        if not isinstance(read.private_key, ec.EllipticCurvePrivateKey) or not _is_authority(
            read.certificate
        ):
            wrong, fix = "is no authority's", "Name the pair that was made for the authority."
            raise Misconfigured(Problem(str(files.certificate), "certificate", wrong, fix))
        return cls(read.private_key, read.certificate)

    def write(self, files: KeyFiles, *, passphrase: str | None = None) -> None:
        """Write its two files. Raises Misconfigured if either is there."""
        write_pair(self.key, self.certificate, files, passphrase=passphrase)

    def server(
        self, public: SealPublicKey, hosts: Iterable[str], *, days: int = ISSUED_DAYS
    ) -> x509.Certificate:
        """Issue a server's certificate, for these names and addresses and no others. Raises Misconfigured."""
        names = [as_host(host) for host in hosts]
        if not names:
            fix = "Name each host by which it is reached."
            raise Misconfigured(Problem("certificate", "hosts", "a server has to have a name", fix))
        builder = self._issued(public, str(names[0].value), days)
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return self._signed(builder, ExtendedKeyUsageOID.SERVER_AUTH)

    def client(self, public: SealPublicKey, name: str, *, days: int = ISSUED_DAYS) -> x509.Certificate:
        """Issue the certificate with which the broker's user of this name logs in. Raises Misconfigured."""
        return self._signed(self._issued(public, name, days), ExtendedKeyUsageOID.CLIENT_AUTH)

    def _issued(self, public: SealPublicKey, name: str, days: int) -> x509.CertificateBuilder:
        _require_strong(public)
        now, own = datetime.now(UTC), self.certificate
        builder = certificate_for(public, named(name), own.subject)
        # Nothing that it issues outlives it.
        until = min(now + timedelta(days=days), own.not_valid_after_utc)
        return builder.not_valid_before(max(now - SLACK, own.not_valid_before_utc)).not_valid_after(until)

    def _signed(self, builder: x509.CertificateBuilder, purpose: x509.ObjectIdentifier) -> x509.Certificate:
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        return (
            builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(usage(digital_signature=True), critical=True)
            .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
            .add_extension(issuer, critical=False)
            .sign(self.key, SHA256())
        )


def request_for(key: ec.EllipticCurvePrivateKey, name: str) -> str:
    """Return a certificate request (PKCS #10, PEM) for a key; who issues decides what name the certificate has."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(named(name))
    return builder.sign(key, SHA256()).public_bytes(Encoding.PEM).decode().strip()


def key_of_request(pem: bytes) -> SealPublicKey:
    """Return the key of a certificate request (PKCS #10) whose maker has its private half. Raises Misconfigured."""
    try:
        request = x509.load_pem_x509_csr(pem)
        public, valid = request.public_key(), request.is_signature_valid
    except (ValueError, TypeError, UnsupportedAlgorithm, InvalidSignature) as exc:
        raise _unusable("cannot be read") from exc
    if not valid:
        raise _unusable("is not signed with the key that it is for")
    _require_strong(public)
    if not isinstance(public, SealPublicKey):
        raise TypeError(type(public))
    return public


def _require_strong(public: object) -> None:
    weakness = weakness_of(public)  # type: ignore[arg-type]
    if weakness:
        raise _unusable(f"is for {weakness}")


def _unusable(wrong: str) -> Misconfigured:
    fix = "Make a new key (P-256) and a request signed with it."
    return Misconfigured(Problem("certificate request", "key", wrong, fix))


def as_host(host: str) -> x509.DNSName | x509.IPAddress:
    """Return a host as a certificate names it. Raises Misconfigured for what is none."""
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        pass
    if _DNS.fullmatch(host) and len(host) <= 253:
        return x509.DNSName(host)
    fix = "Write a name such as mq1.example.go.th, or an address."
    raise Misconfigured(Problem("certificate", "hosts", f"{host!r} is no host", fix))


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        extensions = certificate.extensions
        signs = extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
        return signs and extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (ValueError, x509.ExtensionNotFound, x509.DuplicateExtension):
        return False
