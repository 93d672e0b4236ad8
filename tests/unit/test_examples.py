"""The samples that are shipped for foreign clients: built again octet by octet, and judged as their index says."""

from __future__ import annotations

import json
from base64 import b64encode
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from bus.directory import PinnedCertificate
from bus.directory.statement import read_statement
from bus.documents import schema
from bus.documents.reports import open_report
from bus.documents.signing import verify
from bus.documents.tokens import Denied, open_request_token, open_signed_json
from bus.documents.xml import open_envelope
from bus.errors import Refused
from bus.verifier import xmlsig
from bus.verifier.findings import Broken
from tests.assets import build_examples

FOLDER = build_examples.FOLDER
INDEX: dict[str, Any] = json.loads((FOLDER / "index.json").read_text(encoding="utf-8"))
AT = datetime.fromisoformat(INDEX["at"])
VECTORS = {one["name"]: one for one in INDEX["vectors"]}
XML = [name for name, one in VECTORS.items() if one["file"].endswith(".xml")]
PACKS = [name for name in XML if VECTORS[name]["expected"].startswith(("valid", "signature", "key"))]


def _certificate(vector: dict[str, Any]) -> x509.Certificate:
    return x509.load_pem_x509_certificate((FOLDER / vector["certificate"]).read_bytes())


def _raw(vector: dict[str, Any]) -> bytes:
    return Path(FOLDER, vector["file"]).read_bytes()


def _judged(vector: dict[str, Any], *, by_octets: bool = True) -> str:
    raw, certificate = _raw(vector), _certificate(vector)
    pins = [PinnedCertificate.of(certificate)]
    try:
        match vector["kind"]:
            case "token":
                token = INDEX["token"]
                open_request_token(raw.decode(), lambda code: pins, token["method"], token["path"], AT)
            case "report":
                open_report(raw, pins, AT)
            case "directory":
                read_statement(open_signed_json(raw.decode(), [certificate]))
            case _:
                envelope = open_envelope(raw)
                schema.check(envelope)
                verify(envelope, pins, AT, by_octets=by_octets)
    except Refused as refused:
        return refused.code
    except Denied as denied:
        return denied.doubt
    return "valid"


def test_the_samples_are_built_again_octet_by_octet(tmp_path: Path) -> None:
    built = build_examples.build_all(tmp_path)
    shipped = {
        str(path.relative_to(FOLDER)): path.read_bytes() for path in FOLDER.rglob("*") if path.is_file()
    }
    assert {name for name in shipped.keys() | built if shipped.get(name) != built.get(name)} == {"README.md"}


@pytest.mark.parametrize("name", VECTORS)
def test_the_gates_judge_each_sample_as_its_index_says(name: str) -> None:
    assert _judged(VECTORS[name]) == VECTORS[name]["expected"]


@pytest.mark.parametrize("name", PACKS)
def test_adapter_and_verifier_of_packs_agree_about_each_signature(name: str) -> None:
    vector = VECTORS[name]
    assert _judged(vector, by_octets=False) == vector["expected"]
    try:
        xmlsig.verified(_raw(vector), _certificate(vector), AT)
        accepted = True
    except Broken:
        accepted = False
    assert accepted is (vector["expected"] == "valid")


def test_intermediate_octets_lead_to_the_digests_and_stand_in_the_signature() -> None:
    for vector in INDEX["vectors"]:
        raw = _raw(vector)
        for part, digest in vector.get("sha256", {}).items():
            data = raw if part == "raw" else Path(FOLDER, vector["file"]).with_suffix(f".{part}").read_bytes()
            assert sha256(data).hexdigest() == digest
            if part in ("canonical", "key-info", "signed-properties"):
                assert b64encode(sha256(data).digest()) in raw


def test_the_keys_say_that_they_are_samples() -> None:
    for path in (FOLDER / "keys").glob("*.crt.pem"):
        assert "SAMPLE" in x509.load_pem_x509_certificate(path.read_bytes()).subject.rfc4514_string()
