"""The certificates that the page of a pack shows, as plain values."""

from __future__ import annotations

from contextlib import suppress

from cryptography import x509

from bus.directory import BUS, Names, PinnedCertificate
from bus.documents.profile import examine
from bus.documents.xml import open_envelope
from bus.errors import Refused
from bus.evidence.views import View, moment
from bus.identifiers import AgencyCode
from bus.ledger.entry import Entry, Kind
from bus.ledger.evidence import Evidence


def certificates_of(evidence: Evidence, names: Names) -> list[View]:
    """The certificates by which the documents are checked, each with its holder; the bus's own last.

    Of one that an authority has issued, its holder's and the chain that the directory has.
    """
    signed = [entry for entry in evidence.entries if entry.body.get("certificate")]
    used = {entry.body["certificate"] for entry in signed}
    codes = sorted({entry.body["agency"] for entry in signed})
    pins: dict[tuple[AgencyCode, str], PinnedCertificate] = {}
    chains: dict[str, View] = {}
    for directory in evidence.directories:
        for code in (*codes, BUS):
            for pin in directory.pins(code):
                if code == BUS or pin.fingerprint in used:
                    pins[code, pin.fingerprint] = pin
            for authority in (one.authority for one in directory.vouched(code)):
                for pin in map(PinnedCertificate.of, authority.certificates):
                    chains[pin.fingerprint] = _certificate(f"{authority.name_th} · {authority.name_en}", pin)
    known = {fingerprint for _, fingerprint in pins}
    for entry in signed:
        if entry.body["certificate"] not in known:
            # Such a document is shown all the same; the verifier says what is wrong with it.
            with suppress(Refused, ValueError):
                pins[entry.body["agency"], entry.body["certificate"]] = _brought(evidence, entry)
    shown = {key: _certificate(_holder(key[0], names), pins[key]) for key in sorted(pins)}
    own = [one for (code, _), one in shown.items() if code == BUS]
    return [*(one for (code, _), one in shown.items() if code != BUS), *chains.values(), *own]


def _brought(evidence: Evidence, entry: Entry) -> PinnedCertificate:
    """The certificate that a document bears, which is pinned for nobody."""
    name = "letter.xml" if entry.kind is Kind.ACCEPTED else f"notices/{entry.seq}.xml"
    der = examine(open_envelope(evidence.members[name]).root).certificate
    return PinnedCertificate.of(x509.load_der_x509_certificate(der))


def _holder(code: AgencyCode, names: Names) -> str:
    return "ระบบกลาง · the bus" if code == BUS else names.full(code)


def _certificate(holder: str, pin: PinnedCertificate) -> View:
    certificate = pin.certificate
    return {
        "holder": holder,
        "subject": certificate.subject.rfc4514_string(),
        "issuer": certificate.issuer.rfc4514_string(),
        "serial": f"{certificate.serial_number:x}",
        "since": moment(certificate.not_valid_before_utc.isoformat()),
        "until": moment(certificate.not_valid_after_utc.isoformat()),
        "revoked": moment(pin.revoked_at.isoformat()) if pin.revoked_at else None,
        "sha256": pin.fingerprint,
    }
