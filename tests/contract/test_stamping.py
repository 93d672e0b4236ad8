"""Time-stamps over a signed head: verified before they are kept, by us and by openssl."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from bus.errors import Misconfigured, Transient
from bus.evidence.stamping import stamper
from bus.settings.bus import EvidenceSettings
from tests.fixtures.timestamps import certificate

HEAD = b"saraban.example/ledger\n8\nc2FtcGxl\n"


def test_a_stamp_is_verified_before_it_is_kept_and_openssl_verifies_it_too(
    authority: Path, tsa_url: str
) -> None:
    stamp = stamper(EvidenceSettings(tsa_url=tsa_url, tsa_ca_file=authority / "root.pem"))
    assert stamp is not None
    (authority / "checkpoint").write_bytes(HEAD)
    (authority / "checkpoint.tsr").write_bytes(stamp(HEAD))
    files = ["-in", str(authority / "checkpoint.tsr"), "-CAfile", str(authority / "root.pem")]
    command = ["openssl", "ts", "-verify", "-data", str(authority / "checkpoint"), *files]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0
    (authority / "checkpoint").write_bytes(HEAD + b"another")
    assert subprocess.run(command, capture_output=True, check=False).returncode != 0


def test_a_stamp_of_another_authority_is_not_kept(
    authority: Path, tsa_url: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    stranger = ec.generate_private_key(ec.SECP256R1())
    other = tmp_path_factory.mktemp("other") / "root.pem"
    other.write_bytes(
        certificate("Other root", stranger, "Other root", stranger, ca=True).public_bytes(Encoding.PEM)
    )
    stamp = stamper(EvidenceSettings(tsa_url=tsa_url, tsa_ca_file=other))
    assert stamp is not None
    with pytest.raises(Transient, match="does not verify"):
        stamp(HEAD)


def test_an_authority_that_is_away_is_away_and_one_without_a_root_is_a_mistake(authority: Path) -> None:
    away = stamper(EvidenceSettings(tsa_url="http://127.0.0.1:1", tsa_ca_file=authority / "root.pem"))
    assert away is not None
    with pytest.raises(Transient, match="is away"):
        away(HEAD)
    with pytest.raises(Misconfigured):
        stamper(EvidenceSettings(tsa_url="http://127.0.0.1:1"))
    assert stamper(EvidenceSettings()) is None
