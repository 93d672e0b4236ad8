"""Time-stamps over a signed head, by an authority made with `openssl ts` and reached over HTTP (RFC 3161)."""

from __future__ import annotations

import datetime as dt
import subprocess
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from bus.errors import Misconfigured, Transient
from bus.evidence.stamping import stamper
from bus.settings import EvidenceSettings

HEAD = b"saraban.example/ledger\n8\nc2FtcGxl\n"
DAY = dt.timedelta(days=1)
_CONFIG = """
[tsa]
default_tsa = sample
[sample]
serial = {folder}/serial
signer_cert = {folder}/tsa.pem
signer_key = {folder}/tsa.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256
ess_cert_id_alg = sha256
accuracy = secs:1
"""


def _certificate(
    name: str, key: ec.EllipticCurvePrivateKey, issuer: str, by: ec.EllipticCurvePrivateKey, *, ca: bool
) -> x509.Certificate:
    now = dt.datetime.now(dt.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - DAY)
        .not_valid_after(now + 30 * DAY)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    if not ca:
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING])
        builder = builder.add_extension(usage, critical=True)
    return builder.sign(by, SHA256())


@pytest.fixture
def authority(tmp_path: Path) -> Path:
    """A time-stamp authority's folder: its root, its certificate and key, and openssl's configuration."""
    root, tsa = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    pem = Encoding.PEM
    certificates = {
        "root.pem": _certificate("Sample root", root, "Sample root", root, ca=True),
        "tsa.pem": _certificate("Sample TSA", tsa, "Sample root", root, ca=False),
    }
    for name, certificate in certificates.items():
        (tmp_path / name).write_bytes(certificate.public_bytes(pem))
    (tmp_path / "tsa.key").write_bytes(tsa.private_bytes(pem, PrivateFormat.PKCS8, NoEncryption()))
    (tmp_path / "serial").write_text("01\n")
    (tmp_path / "tsa.cnf").write_text(_CONFIG.format(folder=tmp_path))
    return tmp_path


@pytest.fixture
def url(authority: Path) -> Iterator[str]:
    class Desk(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            (authority / "query").write_bytes(self.rfile.read(int(self.headers["Content-Length"])))
            config = ["-config", str(authority / "tsa.cnf")]
            files = ["-queryfile", str(authority / "query"), "-out", str(authority / "reply")]
            subprocess.run(["openssl", "ts", "-reply", *config, *files], capture_output=True, check=True)
            self.send_response(200)
            self.send_header("Content-Type", "application/timestamp-reply")
            self.end_headers()
            self.wfile.write((authority / "reply").read_bytes())

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Desk) as server:
        serving = Thread(target=server.serve_forever)
        serving.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        serving.join()


def test_a_stamp_is_verified_before_it_is_kept_and_openssl_verifies_it_too(authority: Path, url: str) -> None:
    stamp = stamper(EvidenceSettings(tsa_url=url, tsa_ca_file=authority / "root.pem"))
    assert stamp is not None
    (authority / "checkpoint").write_bytes(HEAD)
    (authority / "checkpoint.tsr").write_bytes(stamp(HEAD))
    files = ["-in", str(authority / "checkpoint.tsr"), "-CAfile", str(authority / "root.pem")]
    command = ["openssl", "ts", "-verify", "-data", str(authority / "checkpoint"), *files]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0
    (authority / "checkpoint").write_bytes(HEAD + b"another")
    assert subprocess.run(command, capture_output=True, check=False).returncode != 0


def test_a_stamp_of_another_authority_is_not_kept(
    authority: Path, url: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    stranger = ec.generate_private_key(ec.SECP256R1())
    other = tmp_path_factory.mktemp("other") / "root.pem"
    other.write_bytes(
        _certificate("Other root", stranger, "Other root", stranger, ca=True).public_bytes(Encoding.PEM)
    )
    stamp = stamper(EvidenceSettings(tsa_url=url, tsa_ca_file=other))
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
