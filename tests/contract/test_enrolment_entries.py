"""What enrolment and changes of agencies leave in the ledger: to be read, not to be changed, and no secret."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding

from bus.documents.enrolment import Request, digest_of, public_sealing_key, sign_request
from bus.documents.making import new_seal
from bus.documents.notes import make_key, witness_key
from bus.enrolment.deciding import approve, change_directory, decline, invite, waiting, with_agency
from bus.enrolment.receiving import take_renewal, take_request
from bus.enrolment.refusals import EnrolmentRefused
from bus.identifiers import AgencyCode
from bus.ledger.entry import Kind
from bus.ledger.store import Ledger
from bus.verifier.checking import judge
from bus.verifier.findings import Result
from bus.views.entries import line_of
from tests.assets import factory
from tests.assets.factory import DGA, OPM, SOC
from tests.assets.operators import by
from tests.contract.lived import Lived, live
from tests.contract.test_agency_listing import CENTRE
from tests.contract.test_evidence import key_of, packed
from tests.contract.test_tampering import codes, verified
from tests.contract.test_tree import unguarded

NEW, OTHER = AgencyCode("0000000042"), AgencyCode("0000000043")
BUS = factory.seal("bus")
PASSWORD = "the broker's password"
"""Which an answer holds, sealed for who asked."""


def joined(lived: Lived, folder: Path) -> list[str]:
    """Have one agency join and another be declined, one renew its key, one be merged; return the secrets there were."""
    ledger, secrets = lived.ledger, [PASSWORD]
    make_key(folder / "witness.pem")
    witness = str(witness_key(folder / "witness.pem", "saraban.example/witness").verifier)

    def asks(code: AgencyCode, secret: str | None) -> str:
        made = new_seal(code)
        request = Request(
            agency=code,
            certificate=made.certificate.public_bytes(Encoding.PEM).decode().strip(),
            witness=witness,
            sealing=public_sealing_key(X25519PrivateKey.generate()),
            invitation=digest_of(secret) if secret else None,
        )
        return sign_request(request, made)

    def newest() -> Any:
        with ledger.read() as reader:
            return waiting(reader)[-1]

    for code in (NEW, OTHER):
        invitation = invite(
            ledger, CENTRE, code, BUS,
            name_th="หน่วยงานใหม่", name_en="A new agency", lasts=timedelta(days=1), operator=by("somying"),
        )  # fmt: skip
        secrets.append(invitation.secret)
        take_request(ledger, invitation.secret, asks(code, invitation.secret))
        with pytest.raises(EnrolmentRefused):
            take_request(ledger, invitation.secret, asks(code, invitation.secret))
        if code == NEW:
            approve(ledger, newest(), BUS, lambda _: PASSWORD, operator=by("somying"))
        else:
            decline(ledger, newest(), BUS, operator=by("somying"), reason="ไม่ทราบว่าเป็นใคร")
    take_renewal(ledger, OPM, asks(OPM, None), "ask")
    approve(ledger, newest(), BUS, lambda _: PASSWORD, operator=by("somying"))
    lived.confirm()
    change_directory(
        ledger,
        lambda directory: with_agency(
            directory, replace(directory.agencies[DGA], inbox=False, parent=SOC, successor=SOC)
        ),
        BUS,
        operator=by("somying"),
        reason="พ.ร.บ. โอนภารกิจ",
    )
    lived.confirm()
    lived.signer.sign()
    return secrets


@pytest.fixture(scope="module")
def told(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Lived, list[str]]:
    """A ledger in which a letter went about and all of that has happened, and the secrets."""
    folder = tmp_path_factory.mktemp("joined")
    shutil.copy(sqlite_template, folder / "ledger.db")
    lived = live(Ledger(f"sqlite:///{folder / 'ledger.db'}"), folder)
    return lived, joined(lived, folder)


def test_each_entry_says_in_one_line_what_was_asked_and_who_decided_why(
    told: tuple[Lived, list[str]],
) -> None:
    lived, _ = told
    with lived.ledger.read() as reader:
        entries = list(reader.entries())
    lines = {kind: [line_of(one) for one in entries if one.kind == kind] for kind in Kind}
    invited, other = lines[Kind.INVITED]
    assert f"{NEW}" in invited
    assert "หน่วยงานใหม่, until 20" in invited
    assert invited.endswith("by somying")
    numbers = [line.split()[0] for line in (invited, other)]
    first, second, renewal = lines[Kind.ENROLMENT_REQUESTED]
    for line, number in zip((first, second), numbers, strict=True):
        assert f"invited by entry {number}, key " in line
    assert f"{OPM}  renews its key, key " in renewal
    for line, number in zip(lines[Kind.ENROLMENT_REFUSED], numbers, strict=True):
        assert f"enrolment.used, invited by entry {number}" in line
    approved, declined, renewed = lines[Kind.ENROLMENT_ANSWERED]
    assert approved.endswith("approved, by somying")
    assert declined.endswith("declined, by somying: ไม่ทราบว่าเป็นใคร")
    assert renewed.endswith("approved, by somying")
    said = [line.split("bus", 1)[1].strip() for line in lines[Kind.DIRECTORY]]
    assert said[1:] == [
        "version 2, by somying: an agency joins",
        "version 3, by somying: an agency renews its key",
        "version 4, by somying: พ.ร.บ. โอนภารกิจ",
    ]


def test_no_secret_is_in_the_database_and_so_in_nothing_that_is_printed(
    told: tuple[Lived, list[str]],
) -> None:
    lived, secrets = told
    raw = b"".join(file.read_bytes() for file in _files(lived))
    assert "หน่วยงานใหม่".encode() in raw
    assert not [secret for secret in secrets if secret.encode() in raw]


def _files(lived: Lived) -> list[Path]:
    file = Path(str(lived.ledger.engine.url.database))
    return [one for one in file.parent.iterdir() if one.name.startswith(file.name)]


def _reworded(kind: str, before: str, after: str) -> str:
    return f"UPDATE entries SET body = REPLACE(body, '{before}', '{after}') WHERE kind = '{kind}'"


def _document_of(kind: str) -> str:
    return f"sha256 = (SELECT document FROM entries WHERE kind = '{kind}' LIMIT 1)"


CRIMES = {
    "somebody else was invited": (_reworded("invited", "somying", "nobody"), "entry.hash"),
    "another key was asked for": (
        f"UPDATE documents SET bytes = x'00' WHERE {_document_of('enrolment-requested')}",
        "document.bytes",
    ),
    "a refusal is forgotten": ("DELETE FROM entries WHERE kind = 'enrolment-refused'", "entry.missing"),
    "no became yes": (_reworded("enrolment-answered", "declined", "approved"), "entry.hash"),
    "an answer is gone": (
        f"DELETE FROM documents WHERE {_document_of('enrolment-answered')}",
        "document.missing",
    ),
    "another reason for a merger": (_reworded("directory", "โอนภารกิจ", "ยุบเลิก"), "entry.hash"),
}


def test_the_ledger_with_all_of_it_verifies(told: tuple[Lived, list[str]]) -> None:
    report = verified(told[0])
    assert report.findings == []
    assert report.passed


@pytest.mark.parametrize("crime", CRIMES)
def test_what_is_changed_of_it_is_found(told: tuple[Lived, list[str]], tmp_path: Path, crime: str) -> None:
    lived, _ = told
    for file in _files(lived):
        shutil.copy(file, tmp_path / file.name)
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    statement, code = CRIMES[crime]
    unguarded(ledger, statement)
    assert code in codes(verified(replace(lived, ledger=ledger)))
    ledger.close()


def test_a_pack_from_such_a_ledger_passes_the_verifier(told: tuple[Lived, list[str]], tmp_path: Path) -> None:
    lived, _ = told
    findings = judge(packed(lived, tmp_path / "pack.asice"), key_of(lived))
    assert [one for one in findings.checks if one.result in (Result.FAIL, Result.INDETERMINATE)] == []
    assert findings.verdict is Result.PASS
