"""The directory of agencies in a pack: which certificate spoke for whom, and until when."""

from __future__ import annotations

import json
from base64 import b64decode
from bisect import bisect_left
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

from bus.verifier.chains import Voucher, read_chain
from bus.verifier.findings import Broken
from bus.verifier.merkle import Unproven, leaf_hash, root_of_some
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
    """What a pack has of one version of the directory: some of its records, and the proof that they stand in it.

    A record is a line `KEY JSON`; the lines in the order of their keys are the leaves of the tree whose root the
    version's entry states.
    """

    def __init__(self, data: bytes, version: int, size: int, root: bytes) -> None:
        """Read it, and hold it against what its entry states of the version. Raises Broken."""
        self.version = version
        self._size = size
        try:
            values = json.loads(data)
            placed = [(place, line.encode()) for place, line in values["records"]]
            hashes = [b64decode(one, validate=True) for one in values["hashes"]]
            self._places = [place for place, _ in placed]
            if not all(type(place) is int for place in self._places):
                raise TypeError
            found = root_of_some(size, [(place, leaf_hash(line)) for place, line in placed], hashes)
            lines = [line.decode().partition(" ") for _, line in placed]
            self._keys = [key for key, _, _ in lines]
            self._records: dict[str, Any] = {key: _table(value) for key, _, value in lines}
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise Broken("it is no part of a directory") from error
        except Unproven as error:
            raise Broken(f"its records are not proven to be in that version: {error}") from error
        if found != root:
            raise Broken("its records are not those of the version that its entry states")
        if self._keys != sorted(set(self._keys)):
            raise Broken("its records are not in order")

    def _find(self, key: str) -> Any:
        """The record of a key; None if the version has none. Raises Broken where the pack does not show which."""
        if key in self._records:
            return self._records[key]
        at = bisect_left(self._keys, key)
        before = self._places[at - 1] if at else -1
        after = self._places[at] if at < len(self._places) else self._size
        if after - before != 1:
            raise Broken(f"the pack does not show whether the directory has {key}")
        return None

    def _agency(self, code: str) -> Any:
        return self._find(f"agency/{code}") or {}

    def name(self, code: str) -> str:
        """The Thai name of an agency, or its code."""
        return str(self._records.get(f"agency/{code}", {}).get("name_th", code))

    def speaks_for(self, agency: str, code: str) -> bool:
        """Whether a document written by `code` may come from `agency`: its own, or that of a unit below it."""
        seen: set[str] = set()
        while code and code not in seen:
            if code == agency:
                return True
            seen.add(code)
            code = str(self._agency(code).get("parent", ""))
        return False

    def inbox_of(self, code: str) -> str:
        """Whose inbox a letter to `code` goes to: its own, or its nearest parent's. Raises Broken."""
        seen: set[str] = set()
        while code not in seen and (agency := self._agency(code)):
            if agency.get("inbox", True):
                return code
            seen.add(code)
            code = str(agency.get("parent", ""))
        raise Broken("it names an agency that the directory does not know")

    def members(self, group: str) -> list[str]:
        """The codes of a group's members. Raises Broken."""
        return self._listed(f"group/{group}", "members")

    def subscribers(self, topic: str) -> list[str]:
        """The codes of a topic's subscribers. Raises Broken."""
        return self._listed(f"topic/{topic}", "subscribers")

    def _listed(self, key: str, name: str) -> list[str]:
        found = self._find(key)
        if found is None:
            raise Broken(f"it names {key}, which the directory does not know")
        codes = found.get(name)
        if codes == ["*"]:
            return self._everyone()
        if not isinstance(codes, list) or not all(isinstance(code, str) for code in codes):
            raise Broken(f"its record {key} cannot be read")
        return codes

    def _everyone(self) -> list[str]:
        """The codes of all agencies with an inbox; all of them have to be in the pack."""
        agencies = [key for key in self._keys if key.startswith("agency/")]
        end = bisect_left(self._keys, "agency0")  # the key behind the last that begins with "agency/"
        following = self._places[end] if end < len(self._places) else self._size
        if self._places[:end] != list(range(following)) or len(agencies) != end:
            raise Broken("the pack does not show all agencies of the directory")
        return [key.removeprefix("agency/") for key in agencies if self._records[key].get("inbox", True)]

    def pins(self, code: str) -> list[Pin]:
        """The certificates of an agency, or of the bus. Raises Broken for one that cannot be read."""
        holder = (self._find(BUS) or {}) if code == BUS else self._agency(code)
        return [_pin(one) for one in holder.get("certificates", []) if "authority" not in one]

    def pin(self, code: str, fingerprint: str) -> Pin | None:
        """The certificate of this fingerprint, if it speaks for this agency."""
        return next((pin for pin in self.pins(code) if pin.fingerprint == fingerprint), None)

    def vouchers(self, code: str) -> list[Voucher]:
        """The organizations that speak for an agency by what a public authority issues to them. Raises Broken.

        For the bus nobody speaks but its own certificates.
        """
        if code == BUS:
            return []
        try:
            return [
                Voucher(
                    str(one["authority"]),
                    str(one["organization"]),
                    _time(one.get("revoked_at")),
                    *read_chain(self._find(f"public_authority/{one['authority']}")),
                )
                for one in self._agency(code).get("certificates", [])
                if "authority" in one
            ]
        except (ValueError, KeyError, TypeError, AttributeError, x509.InvalidVersion) as error:
            raise Broken("an authority of the directory cannot be read") from error

    def witnesses(self) -> dict[str, VerifierKey]:
        """The keys with which the agencies in the pack cosign the ledger's heads, by agency. Raises Broken."""
        try:
            return {
                key.removeprefix("agency/"): VerifierKey.parse(one["witness"])
                for key, one in self._records.items()
                if "witness" in one
            }
        except (Unreadable, AttributeError) as error:
            raise Broken("the key of a witness cannot be read") from error


def _table(text: str) -> dict[str, Any]:
    value = json.loads(text)
    if not isinstance(value, dict):
        raise TypeError
    return value


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


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _pin(value: Any) -> Pin:
    try:
        certificate = x509.load_pem_x509_certificate(value["pem"].encode())
        return Pin(certificate, _time(value.get("revoked_at")))
    except (ValueError, KeyError, TypeError, AttributeError, x509.InvalidVersion) as error:
        raise Broken("a certificate of the directory cannot be read") from error
