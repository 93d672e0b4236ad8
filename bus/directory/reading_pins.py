"""Reading who speaks for an agency: certificates one by one, organizations, and the authorities that vouch for them.

A file of the directory names the files of certificates and lists; a record carries them. Each is a source of its own.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Protocol

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from bus.directory.authorities import (
    TAX_NUMBER,
    Authority,
    PinnedOrganization,
    flaw_in,
    organization_number,
    signed_by,
)
from bus.directory.certificates import ANOTHER, unfitness
from bus.directory.model import PinnedCertificate
from bus.toml import STAND_IN, Table

ID: Final = r"[a-z0-9][a-z0-9-]{0,49}"
ID_MEANT: Final = "an identifier of small letters, digits and hyphens"
_NUMBER_MEANT = "the organization's number of thirteen digits, the last its check digit"
_PEM = r"(?s)-----BEGIN {}-----\n.+"
Parts = tuple[tuple[str, ...], tuple[str, ...]]
"""An authority's chain and its lists."""


class Source(Protocol):
    """Where the certificates are that a table names."""

    def certificate(self, entry: Table) -> PinnedCertificate | None:
        """The certificate of a pin; None with a mistake noted."""

    def authority(self, table: Table) -> Parts:
        """The chain and the lists of an authority; what is wrong is noted."""


class Records:
    """In the table itself, as they are written: a certificate is read when it is needed (model.py)."""

    def certificate(self, entry: Table) -> PinnedCertificate | None:
        """The certificate of a pin."""
        like = _PEM.format("CERTIFICATE")
        return PinnedCertificate(pem=entry.text("pem", like=like, meant="a certificate in PEM form"))

    def authority(self, table: Table) -> Parts:
        """The chain and the lists of an authority."""
        chain = table.texts("chain", like=_PEM.format("CERTIFICATE"), meant="a certificate in PEM form")
        lists = table.texts("lists", like=_PEM.format("X509 CRL"), meant="a list in PEM form")
        return chain, lists


@dataclass(frozen=True, slots=True)
class Files:
    """In files, in one folder."""

    folder: Path

    def certificate(self, entry: Table) -> PinnedCertificate | None:
        """The one certificate in a file: of two, which one speaks for the agency would be anybody's guess."""
        path = self.folder / entry.text("file", meant="the name of a certificate file")
        if "file" not in entry.values:
            return None
        held = _read(entry, "file", path)
        if held is None:
            return None
        found = _certificates_in(held)
        if len(found) != 1:
            wrong = f"holds {len(found)} certificates" if found else "holds no certificate in PEM form"
            fix = "Put exactly one certificate there, not a chain and not a key"
            entry.wrong("file", f"{path} {wrong}", fix)
            return None
        if "revoked_at" not in entry.values and (unfit := unfitness(found[0])):
            wrong = f"{path}: {unfit.detail} (key.{unfit.doubt}), and nothing signed with it would be taken"
            entry.wrong("file", wrong, ANOTHER)
        return PinnedCertificate.of(found[0])

    def authority(self, table: Table) -> Parts:
        """The certificates of a file in their order, and of the lists in the files that of each certificate."""
        place = table.text("chain", meant="the name of a file with certificates")
        names = table.texts("lists", meant="the name of a file with a list of revoked certificates")
        chain = _certificates_in(_read(table, "chain", self.folder / place) or b"")
        held = [_read(table, "lists", self.folder / name) for name in names]
        # Not by truth: a list that names nobody is false.
        lists = [found for one in held if one and (found := _list_in(one)) is not None]
        placed = [one for issuer in chain for one in lists if signed_by(one, issuer)]
        if len(placed) != len(names):
            fix = "Name one list of each certificate in the chain, and no other"
            table.wrong("lists", "has one that cannot be read, or that none of the chain has signed", fix)
        return tuple(map(_pem, chain)), tuple(map(_pem, placed))


def read_pins(
    table: Table, source: Source
) -> tuple[tuple[PinnedCertificate, ...], tuple[PinnedOrganization, ...]]:
    """The two kinds of pins of a holder; mistakes are noted in the table."""
    certificates: list[PinnedCertificate] = []
    vouched: list[PinnedOrganization] = []
    for entry in table.tables("certificates"):
        if "authority" in entry.values:
            vouched.append(_organization(entry))
        elif (pin := source.certificate(entry)) is not None:
            certificates.append(replace(pin, revoked_at=entry.moment("revoked_at")))
        else:
            entry.moment("revoked_at")
        entry.close()
    return tuple(certificates), tuple(vouched)


def read_number(table: Table) -> str | None:
    """The thirteen digits of an agency; None where it states none, or with a mistake noted."""
    text = table.optional_text("organization", like="[0-9]{13}", meant=_NUMBER_MEANT)
    return None if text is None else _checked(table, text, text)


def read_authority(table: Table, source: Source) -> Authority:
    """A public authority; mistakes are noted in the table."""
    chain, lists = source.authority(table)
    authority = Authority(
        id=table.text("id", like=ID, meant=ID_MEANT),
        name_th=table.text("name_th", meant="the Thai name"),
        name_en=table.text("name_en", meant="the English name"),
        chain=chain,
        lists=lists,
    )
    table.close()
    if not any(one.key.startswith(table.key) for one in table.mistakes.found) and (
        flaw := flaw_in(authority)
    ):
        fix = "Put the authority's chain there from the one that issues to its root, and the newest list of each"
        table.wrong("chain", flaw, fix)
    return authority


def _organization(entry: Table) -> PinnedOrganization:
    stated = entry.text(
        "organization", like=f"{TAX_NUMBER}[0-9]{{13}}", meant=f"{TAX_NUMBER} and {_NUMBER_MEANT}"
    )
    return PinnedOrganization(
        authority=entry.text("authority", like=ID, meant="the id of a public authority of this directory"),
        organization=_checked(entry, stated, stated.removeprefix(TAX_NUMBER)),
        revoked_at=entry.moment("revoked_at"),
    )


def _checked(table: Table, stated: str, digits: str) -> str:
    if stated != STAND_IN and not organization_number(digits):
        table.wrong("organization", f"{stated}: its last digit does not fit the others", "Mend the number")
    return stated


def _read(table: Table, name: str, path: Path) -> bytes | None:
    """What a file holds; None for one that cannot be read, with a mistake noted, or where none is named."""
    if name not in table.values or path.name == STAND_IN:
        return None
    try:
        return path.read_bytes()
    except OSError as exc:
        reason = (exc.strerror or str(exc)).lower()
        table.wrong(name, f"{path} cannot be read: {reason}", "Put the certificate there, or mend the name")
        return None


def _certificates_in(held: bytes) -> list[x509.Certificate]:
    try:
        with warnings.catch_warnings():
            # An odd serial number is the gates' affair; here it must not become an exception of its own.
            warnings.simplefilter("ignore")
            return x509.load_pem_x509_certificates(held)
    except (ValueError, x509.InvalidVersion):
        return []


def _list_in(held: bytes) -> x509.CertificateRevocationList | None:
    """A list in PEM form, or in DER form, in which authorities publish them."""
    try:
        return x509.load_pem_x509_crl(held) if held.startswith(b"-----") else x509.load_der_x509_crl(held)
    except ValueError:
        return None


def _pem(one: x509.Certificate | x509.CertificateRevocationList) -> str:
    return one.public_bytes(Encoding.PEM).decode().strip()
