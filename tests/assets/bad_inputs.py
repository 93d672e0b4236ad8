"""Every submission that is bad by itself, named by its defect, with the code of its refusal.

What depends on the state of a bus (recipients, files, what was said before) stands in the journeys that make it so.
`build_bad_inputs.py` writes them all into files.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial

from bus.documents.seal import Seal
from bus.errors import RefusalCode
from tests.assets import directories, factory
from tests.assets.defects import DEFECTS, Defect
from tests.unit import test_letter_xml as gates_1_and_2
from tests.unit import test_schema as gate_3


def _name(words: str) -> str:
    return re.sub("[^a-z0-9]+", "-", words.lower())


def _signed_by(seal: Callable[[], Seal]) -> bytes:
    return factory.signed_letter(seal()).raw


def _violation(old: str, new: str) -> bytes:
    return re.sub(old, new, gate_3.PLAIN, count=1, flags=re.DOTALL).encode()


def _changed(*pairs: tuple[bytes, bytes]) -> bytes:
    raw = gates_1_and_2.PLAIN
    for old, new in pairs:
        raw = raw.replace(old, new)
    return raw


_NAMESPACE = b"urn:saraban-bus:letter:1.0"
_EXTENSION = b'<Extension mustUnderstand="true"><x:a xmlns:x="urn:example"/></Extension></Letter>'
_TYPES = {
    "unknown-root": Defect(
        partial(_changed, (b"<Letter ", b"<Lettre "), (b"</Letter>", b"</Lettre>")),
        RefusalCode.TYPE_UNKNOWN_ROOT,
    ),
    "unknown-namespace": Defect(
        partial(_changed, (_NAMESPACE, b"urn:example")), RefusalCode.TYPE_UNKNOWN_ROOT
    ),
    "a-later-schema": Defect(
        partial(_changed, (_NAMESPACE, b"urn:saraban-bus:letter:2.0")), RefusalCode.TYPE_UNKNOWN_VERSION
    ),
    "a-later-version": Defect(
        partial(_changed, (b'version="1.0">', b'version="1.1">')), RefusalCode.TYPE_UNKNOWN_VERSION
    ),
    "an-extension-to-be-understood": Defect(
        partial(_changed, (b"</Letter>", _EXTENSION)), RefusalCode.TYPE_EXTENSION
    ),
}

XML: dict[str, Defect] = {
    **{_name(name): Defect(partial(bytes, raw), code) for name, (raw, code) in gates_1_and_2.GATE_1.items()},
    **_TYPES,
}
SCHEMA: dict[str, Defect] = {
    _name(name): Defect(partial(_violation, old, new), code)
    for name, (old, new, code, _) in gate_3.VIOLATIONS.items()
}
# The schema is a gate before the signature, and says no to these already.
_EARLIER = {
    "signature_first": RefusalCode.SCHEMA_ELEMENT,
    "signature_in_the_sender": RefusalCode.SCHEMA_ELEMENT,
    "signed_by_id": RefusalCode.SCHEMA_ATTRIBUTE,
}
SIGNATURES: dict[str, Defect] = {
    _name(name): Defect(defect.make, _EARLIER.get(name, defect.code)) for name, defect in DEFECTS.items()
}
KEYS: dict[str, Defect] = {
    f"signed-by-{name}": Defect(partial(_signed_by, seal), code)
    for name, seal, code in (
        ("a-key-nobody-knows", partial(factory.seal, "stranger"), RefusalCode.KEY_UNKNOWN),
        ("the-key-of-another-agency", partial(factory.seal, factory.SOC), RefusalCode.KEY_UNKNOWN),
        ("an-expired-key", factory.expired_seal, RefusalCode.KEY_EXPIRED),
        ("a-key-not-yet-valid", factory.future_seal, RefusalCode.KEY_NOT_YET_VALID),
        ("a-revoked-key", directories.revoked_seal, RefusalCode.KEY_REVOKED),
        ("a-key-not-for-signatures", factory.seal_not_for_signatures, RefusalCode.KEY_USAGE),
        ("a-key-without-key-usage", factory.seal_without_usage, RefusalCode.KEY_USAGE),
        ("an-rsa-1024-key", factory.rsa_1024_seal, RefusalCode.KEY_WEAK),
    )
}
BAD_INPUTS: dict[str, Defect] = {**XML, **SCHEMA, **SIGNATURES, **KEYS}
