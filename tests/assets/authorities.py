"""A made-up national root with an authority under it that issues certificates to organizations, and each defect once.

All of it is a sample: neither the authorities nor the numbers of thirteen digits are anybody's.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.serialization import Encoding

from bus.directory import Authority, Vouched
from bus.directory.authorities import ORGANIZATION_IDENTIFIER
from bus.documents.making import certificate_for
from bus.documents.seal import Seal
from tests.assets.factory import DAY, NOW
from tests.assets.keys import new_key

NUMBER, OTHER_NUMBER = "0994000999992", "0994000888881"
ORGANIZATION = f"TIN-{NUMBER}"
ID = "sample-national"
AUTHORITY_MAY = frozenset({"key_cert_sign", "crl_sign"})
SIGNER_MAY = frozenset({"digital_signature", "content_commitment"})
_USES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)


@cache
def key(name: str) -> rsa.RSAPrivateKey:
    """A key of 2048 bits, always the same for one name."""
    made = new_key("rsa2048")
    assert isinstance(made, rsa.RSAPrivateKey)
    return made


@dataclass(frozen=True, kw_only=True)
class Of:
    """What a certificate says; every field can be replaced by a defect."""

    name: str
    key: str
    uses: frozenset[str] = SIGNER_MAY
    authority: bool | None = None
    path_length: int | None = None
    organization: str | None = None
    since: datetime = NOW - 100 * DAY
    until: datetime = NOW + 1000 * DAY
    critical: bool = False
    """Whether it demands something unknown of its reader."""

    @property
    def subject(self) -> x509.Name:
        parts = [
            x509.NameAttribute(x509.NameOID.COUNTRY_NAME, "TH"),
            x509.NameAttribute(x509.NameOID.COMMON_NAME, self.name),
        ]
        if self.organization:
            parts.append(x509.NameAttribute(ORGANIZATION_IDENTIFIER, self.organization))
        return x509.Name(parts)

    def issued_by(self, issuer: Of) -> x509.Certificate:
        """The certificate, signed by an issuer's key."""
        builder = certificate_for(key(self.key).public_key(), self.subject, issuer.subject)
        builder = builder.not_valid_before(self.since).not_valid_after(self.until)
        if self.authority is not None:
            basic = x509.BasicConstraints(ca=self.authority, path_length=self.path_length)
            builder = builder.add_extension(basic, critical=True)
        if self.uses:
            builder = builder.add_extension(
                x509.KeyUsage(*(use in self.uses for use in _USES)), critical=True
            )
        if self.critical:
            unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")
            builder = builder.add_extension(unknown, critical=True)
        return builder.sign(key(issuer.key), SHA512())


ROOT = Of(name="Sample National Root CA (ตัวอย่าง)", key="root", uses=AUTHORITY_MAY, authority=True)
ISSUING = Of(
    name="Sample Government CA (ตัวอย่าง)", key="issuing", uses=AUTHORITY_MAY, authority=True, path_length=0
)
SIGNER = Of(name="หน่วยงานตัวอย่าง Sample Agency", key="signer", organization=ORGANIZATION)


@dataclass(frozen=True, kw_only=True)
class ListOf:
    """What a list of revoked certificates says."""

    by: Of
    revoked: tuple[tuple[int, datetime], ...] = ()
    since: datetime = NOW - 2 * DAY
    until: datetime = NOW + 5 * DAY
    signed_with: str | None = None
    partial: bool = False

    def made(self) -> x509.CertificateRevocationList:
        """The list, signed by its authority's key unless another is named."""
        builder = x509.CertificateRevocationListBuilder().issuer_name(self.by.subject)
        builder = builder.last_update(self.since).next_update(self.until)
        for serial, at in self.revoked:
            one = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(at)
            builder = builder.add_revoked_certificate(one.build())
        if self.partial:
            builder = builder.add_extension(x509.DeltaCRLIndicator(1), critical=True)
        return builder.sign(key(self.signed_with or self.by.key), SHA512())


@dataclass(frozen=True, kw_only=True)
class World:
    """A root, an authority, a signer and both lists; `world()` is a good one."""

    root: Of = ROOT
    issuing: Of = ISSUING
    signer: Of = SIGNER
    issued_by: Of = ISSUING
    """Whose name and key the signer's certificate bears."""
    of_root: ListOf = field(default_factory=lambda: ListOf(by=ROOT))
    of_issuing: ListOf = field(default_factory=lambda: ListOf(by=ISSUING))
    revoked: datetime | None = None
    """When the signer's certificate was revoked."""
    revoked_issuing: datetime | None = None

    def made(self) -> Made:
        """All of it."""
        root = self.root.issued_by(self.root)
        issuing = self.issuing.issued_by(self.root)
        seal = Seal(key(self.signer.key), self.signer.issued_by(self.issued_by))
        of_issuing, of_root = self.of_issuing, self.of_root
        if self.revoked:
            of_issuing = replace(of_issuing, revoked=((seal.certificate.serial_number, self.revoked),))
        if self.revoked_issuing:
            of_root = replace(of_root, revoked=((issuing.serial_number, self.revoked_issuing),))
        return Made((issuing, root), (of_issuing.made(), of_root.made()), seal)


@dataclass(frozen=True)
class Made:
    """The certificates and lists of a world, and the signer's seal."""

    chain: tuple[x509.Certificate, ...]
    lists: tuple[x509.CertificateRevocationList, ...]
    seal: Seal

    @property
    def authority(self) -> Authority:
        """As the directory has it."""
        return Authority(
            id=ID,
            name_th="ผู้ออกใบรับรองตัวอย่าง",
            name_en="Sample authority",
            chain=tuple(one.public_bytes(Encoding.PEM).decode().strip() for one in self.chain),
            lists=tuple(one.public_bytes(Encoding.PEM).decode().strip() for one in self.lists),
        )

    def vouched(self, organization: str = ORGANIZATION, revoked_at: datetime | None = None) -> Vouched:
        """As it vouches for the sample organization."""
        return Vouched(self.authority, organization, revoked_at)

    def write(self, folder: Path) -> None:
        """Write the files that `TABLE` names; lists as authorities publish them."""
        folder.mkdir(parents=True, exist_ok=True)
        pem = b"".join(one.public_bytes(Encoding.PEM) for one in self.chain)
        (folder / f"{ID}.chain.pem").write_bytes(pem)
        for name, one in zip(("issuing", "root"), self.lists, strict=True):
            (folder / f"{ID}.{name}.crl").write_bytes(one.public_bytes(Encoding.DER))


@cache
def world() -> Made:
    """The good one, always the same."""
    return World().made()


TABLE = f"""
[[public_authority]]
id = "{ID}"
name_th = "ผู้ออกใบรับรองตัวอย่าง"
name_en = "Sample authority"
chain = "{ID}.chain.pem"
lists = ["{ID}.root.crl", "{ID}.issuing.crl"]
"""
"""For a directory file."""
PIN = f'{{ authority = "{ID}", organization = "{ORGANIZATION}" }}'
