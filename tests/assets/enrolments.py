"""A request of an agency that was invited, as it waits for a steward."""

from __future__ import annotations

from datetime import timedelta

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding

from bus.documents.enrolment import Request, digest_of, public_sealing_key, sign_request
from bus.documents.making import new_seal
from bus.documents.seal import Seal
from bus.enrolment.deciding import Centre, invite
from bus.enrolment.receiving import take_request
from bus.identifiers import AgencyCode, RawDigest
from bus.ledger.store import Ledger
from bus.operators import Operator, Role

CENTRE = Centre(centre="https://centre.test", broker="amqps://mq.test", vhost="/", bus="", log_key="")
INVITED_BY = Operator("somchai", Role.STEWARD, "key")


def requested(ledger: Ledger, witness: str, code: AgencyCode, seal: Seal) -> tuple[RawDigest, str]:
    """Invite an agency and take its request; return its name, and the fingerprint that would be read out."""
    invitation = invite(
        ledger,
        CENTRE,
        code,
        seal,
        name_th="หน่วยงาน (ตัวอย่าง)",
        name_en="Sample",
        lasts=timedelta(hours=1),
        operator=INVITED_BY,
    )
    made = new_seal(code)
    request = Request(
        agency=code,
        certificate=made.certificate.public_bytes(Encoding.PEM).decode().strip(),
        witness=witness,
        sealing=public_sealing_key(X25519PrivateKey.generate()),
        invitation=digest_of(invitation.secret),
    )
    name = take_request(ledger, invitation.secret, sign_request(request, made))
    return name, request.fingerprint
