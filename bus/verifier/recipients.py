"""The recipient set of a letter: the entry of its acceptance names it by its SHA-256, and the pack has it once."""

from __future__ import annotations

import hashlib
import json
import re

from bus.verifier.documents import Body, read_json
from bus.verifier.findings import Broken

RECIPIENTS = "recipients.json"
MOST_NAMED = 100
"""Recipients up to which the signed acceptance names each."""
_CODE = re.compile(r"[0-9]{10}")
_TERMS = {"role", "addressed", "onHold", "registrationDue"}


def expanded(accepted: Body, data: bytes) -> Body:
    """Return the acceptance with its recipients, each with its consignment number, and their digest.

    Raises Broken unless the bytes are the set that the entry names, in its one form, of as many as there are numbers.
    """
    digest, numbers = accepted["recipients"], accepted["consignments"]
    if hashlib.sha256(data).hexdigest() != digest:
        raise Broken("it is not the recipient set that the entry names")
    recipients = read_json(data)
    if json.dumps(recipients, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode() != data:
        raise Broken("it is not in canonical form")
    for code, terms in recipients.items():
        if not _CODE.fullmatch(code) or not isinstance(terms, dict) or not {"role"} <= terms.keys() <= _TERMS:
            raise Broken(f"what it has of {code} is of no known form")
    if not isinstance(numbers, list) or len(numbers) != len(recipients):
        raise Broken("the entry has not as many consignment numbers as there are recipients")
    by_code = {
        code: {**terms, "consignment": number}
        for (code, terms), number in zip(recipients.items(), numbers, strict=True)
    }
    return {**accepted, "recipients": by_code, "recipientsDigest": digest}
