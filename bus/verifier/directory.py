"""The directory of agencies in a pack: which certificate spoke for whom, and until when."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

from bus.verifier.findings import Broken
from bus.verifier.notes import Unreadable, VerifierKey

BUS = "bus"


@dataclass(frozen=True, slots=True)
class Pin:
    """A certificate that speaks for an agency until it is revoked."""

    certificate: x509.Certificate
    revoked_at: datetime | None

    @property
    def fingerprint(self) -> str:
        return self.certificate.fingerprint(SHA256()).hex()


class Directory:
    """One version of the directory."""

    def __init__(self, data: bytes) -> None:
        """Read its JSON. Raises Broken."""
        try:
            values = json.loads(data)
            self.version = int(values["version"])
            self._agencies: dict[str, Any] = {one["code"]: one for one in values["agency"]}
            self._bus = values["bus"]
            self._groups: dict[str, list[str]] = {one["id"]: one["members"] for one in values["group"]}
            self._topics: dict[str, list[str]] = {one["id"]: one["subscribers"] for one in values["topic"]}
        except (ValueError, KeyError, TypeError) as error:
            raise Broken("it is no directory") from error

    def name(self, code: str) -> str:
        """The Thai name of an agency, or its code."""
        agency = self._agencies.get(code)
        return str(agency["name_th"]) if agency and "name_th" in agency else code

    def speaks_for(self, agency: str, code: str) -> bool:
        """Whether a document written by `code` may come from `agency`: its own, or that of a unit below it."""
        seen: set[str] = set()
        while code and code not in seen:
            if code == agency:
                return True
            seen.add(code)
            code = str(self._agencies.get(code, {}).get("parent", ""))
        return False

    def inbox_of(self, code: str) -> str:
        """Whose inbox a letter to `code` goes to: its own, or its nearest parent's. Raises Broken."""
        seen: set[str] = set()
        while code in self._agencies and code not in seen:
            if self._agencies[code].get("inbox", True):
                return code
            seen.add(code)
            code = str(self._agencies[code].get("parent", ""))
        raise Broken("it names an agency that the directory does not know")

    def members(self, group: str) -> list[str]:
        """The codes of a group's members. Raises Broken."""
        return _known(self._groups, group)

    def subscribers(self, topic: str) -> list[str]:
        """The codes of a topic's subscribers. Raises Broken."""
        return _known(self._topics, topic)

    def pins(self, code: str) -> list[Pin]:
        """The certificates of an agency, or of the bus. Raises Broken for one that cannot be read."""
        holder = self._bus if code == BUS else self._agencies.get(code, {})
        return [_pin(one) for one in holder.get("certificates", [])]

    def pin(self, code: str, fingerprint: str) -> Pin | None:
        """The certificate of this fingerprint, if it speaks for this agency."""
        return next((pin for pin in self.pins(code) if pin.fingerprint == fingerprint), None)

    def witnesses(self) -> dict[str, VerifierKey]:
        """The keys with which agencies cosign the ledger's heads, by agency. Raises Broken."""
        try:
            return {
                code: VerifierKey.parse(one["witness"])
                for code, one in self._agencies.items()
                if "witness" in one
            }
        except (Unreadable, AttributeError) as error:
            raise Broken("the key of a witness cannot be read") from error


def _known(lists: dict[str, list[str]], name: str) -> list[str]:
    if name not in lists:
        raise Broken(f"it names {name}, which the directory does not know")
    return lists[name]


def require_in_force(pin: Pin, at: datetime) -> None:
    """Raise Broken unless the certificate was valid at this time, not revoked by then, and made for signatures."""
    certificate = pin.certificate
    if not certificate.not_valid_before_utc <= at <= certificate.not_valid_after_utc:
        raise Broken(f"the certificate {pin.fingerprint[:16]}… was not valid at {at.isoformat()}")
    if pin.revoked_at is not None and pin.revoked_at <= at:
        raise Broken(f"the certificate {pin.fingerprint[:16]}… was revoked at {pin.revoked_at.isoformat()}")
    try:
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except (ValueError, x509.ExtensionNotFound, x509.DuplicateExtension) as error:
        raise Broken("the certificate does not say what it is for") from error
    if not usage.digital_signature:
        raise Broken("the certificate is not for digital signatures")


def _pin(value: Any) -> Pin:
    try:
        certificate = x509.load_pem_x509_certificate(value["pem"].encode())
        revoked = value.get("revoked_at")
        return Pin(certificate, datetime.fromisoformat(revoked) if revoked else None)
    except (ValueError, KeyError, TypeError, AttributeError, x509.InvalidVersion) as error:
        raise Broken("a certificate of the directory cannot be read") from error
