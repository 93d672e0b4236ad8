"""What an AS2 peer does (RFC 4130), by pyas2lib: a signed and encrypted message out, a signed receipt (MDN) back.

In memory, in one thread, with nothing written down. It runs in an environment of its own (as2.py) and prints how many
such round trips it makes in a second of CPU.
"""

from __future__ import annotations

import datetime
import re
import sys
import time
from importlib import import_module
from typing import Any
from unittest.mock import patch

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, pkcs12

SECONDS = 5.0
_PASSWORD = "sample"


def _imported() -> Any:
    """Return pyas2lib.as2; its oscrypto 1.3 gives up where OpenSSL's version has two digits at a place (3.0.10)."""
    search, known = re.search, r"\b(\d\.\d\.\d[a-z]*)\b"

    def wider(pattern: Any, *rest: Any) -> Any:
        return search(r"\b(\d+\.\d+\.\d+[a-z]*)\b" if pattern == known else pattern, *rest)

    with patch.object(re, "search", wider):
        return import_module("pyas2lib.as2")


def _key(name: str) -> tuple[bytes, bytes]:
    """A key of RSA 2048 with a certificate of its own: as PKCS #12, and the certificate as PEM."""
    key = rsa.generate_private_key(65537, 2048)
    called = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    today = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(called)
        .issuer_name(called)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - datetime.timedelta(1))
        .not_valid_after(today + datetime.timedelta(30))
        .sign(key, hashes.SHA256())
    )
    secret = BestAvailableEncryption(_PASSWORD.encode())
    bundle = pkcs12.serialize_key_and_certificates(name.encode(), key, certificate, None, secret)
    return bundle, certificate.public_bytes(Encoding.PEM)


def main(size: int) -> float:
    """Return how many messages of this size are confirmed in a second of CPU."""
    as2 = _imported()
    peers = {name: _key(name) for name in ("sender", "receiver")}

    def organization(name: str) -> Any:
        bundle = peers[name][0]
        return as2.Organization(
            as2_name=name,
            sign_key=bundle,
            sign_key_pass=_PASSWORD,
            decrypt_key=bundle,
            decrypt_key_pass=_PASSWORD,
        )

    def partner(name: str) -> Any:
        return as2.Partner(
            as2_name=name,
            verify_cert=peers[name][1],
            encrypt_cert=peers[name][1],
            validate_certs=False,
            sign=True,
            digest_alg="sha256",
            encrypt=True,
            enc_alg="aes_256_cbc",
            mdn_mode="SYNC",
            mdn_digest_alg="sha256",
        )

    sender, receiver = organization("sender"), organization("receiver")
    to_receiver, to_sender = partner("receiver"), partner("sender")
    data = b"x" * size

    def round_trip() -> None:
        out = as2.Message(sender, to_receiver)
        out.build(data)
        come = as2.Message()
        status, _, mdn = come.parse(
            out.headers_str + b"\r\n" + out.content,
            find_org_cb=lambda name: receiver,
            find_partner_cb=lambda name: to_sender,
        )
        if status != "processed":
            raise RuntimeError(f"the message was not taken: {status}")
        home = as2.Mdn()
        said, _ = home.parse(mdn.headers_str + b"\r\n" + mdn.content, lambda *ids: out)
        if said != "processed":
            raise RuntimeError(f"the receipt was not taken: {said}")

    for _ in range(5):
        round_trip()
    began, count = time.process_time(), 0
    while time.process_time() - began < SECONDS:
        round_trip()
        count += 1
    return count / (time.process_time() - began)


if __name__ == "__main__":
    print(round(main(int(sys.argv[1])), 1))
