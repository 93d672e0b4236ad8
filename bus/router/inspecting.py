"""Gates 1 to 3, and of gate 5 what needs no directory: bytes to facts, by a function of nothing but the bytes.

So it may run in another process (inspectors.py), which has neither keys nor a ledger. Whose the certificate is, and
what the ledger knows already, is judged afterwards (gates.py), in the order of the gates.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from bus.documents import letter_rules, schema, signing, xml
from bus.documents.claims import claims_of
from bus.documents.signing import Checked
from bus.documents.xml import Envelope
from bus.errors import Refused
from bus.identifiers import ContentDigest

_NONE = ContentDigest("")


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspected:
    """What the bytes of a submission say, refused or not; nobody's yet."""

    refusal: Refused | None = None
    """Why gates 1 to 3 refuse it: then it has no type, id, version and digest."""
    claims: Mapping[str, str] = field(default_factory=dict)
    """What it says of itself, verified or not (bus/documents/claims.py)."""
    type: str = ""
    id: str = ""
    version: str = ""
    digest: ContentDigest = _NONE
    envelope: Envelope | None = None
    """Where its signature has not been looked at; it does not leave the process."""
    checked: Checked | Refused | None = None

    def signature(self) -> Checked:
        """Return what is to be believed once the certificate is known; looked for now if it has not been."""
        found = self.checked or _checked(self.envelope)
        if isinstance(found, Refused):
            raise found
        return found


def open_submission(raw: bytes) -> Inspected:
    """Take bytes through gates 1 to 3; the signature is left for when it is asked for."""
    envelope = None
    try:
        envelope = xml.open_envelope(raw)
        _require_few_addressees(envelope)
        schema.check(envelope)
    except Refused as refusal:
        return Inspected(refusal=refusal, claims=claims_of(envelope) if envelope else {})
    return Inspected(
        claims=claims_of(envelope),
        type=envelope.type,
        id=envelope.id,
        version=envelope.version.name,
        digest=envelope.digest,
        envelope=envelope,
    )


def inspect(raw: bytes) -> Inspected:
    """Return all that the bytes say: a value that can be pickled."""
    opened = open_submission(raw)
    if opened.envelope is None:
        return opened
    return replace(opened, envelope=None, checked=_checked(opened.envelope))


def _checked(envelope: Envelope | None) -> Checked | Refused:
    if envelope is None:
        raise TypeError("a submission that was refused has no signature to check")
    try:
        return signing.check(envelope)
    except Refused as refusal:
        return refusal


def _require_few_addressees(envelope: Envelope) -> None:
    receivers = envelope.root.findall("{*}ReceiverParty")
    for refusal in letter_rules.too_many_named(len(receivers)):
        raise refusal
