"""Time-stamps by an authority outside of the bus (RFC 3161): who doubts all of the bus's clocks can ask there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import httpx
from cryptography import x509

from bus.errors import Misconfigured, Problem, Transient
from bus.settings.bus import EvidenceSettings
from bus.settings.tls import trusting

_WITHIN = 30.0
_LARGEST = 1024 * 1024
_QUERY, _REPLY = "application/timestamp-query", "application/timestamp-reply"


def stamper(settings: EvidenceSettings) -> Callable[[bytes], bytes] | None:
    """Return what time-stamps octets, None where no authority is configured. Raises Misconfigured.

    What it returns is a response whose signature was verified against the configured authority; it raises Transient
    when the authority is away or answers anything else.
    """
    if settings.tsa_url is None:
        return None
    from rfc3161_client import (
        HashAlgorithm,
        TimestampRequestBuilder,
        VerifierBuilder,
        decode_timestamp_response,
    )
    from rfc3161_client.errors import VerificationError

    roots = _roots(settings.tsa_ca_file)
    url = settings.tsa_url

    def stamp(octets: bytes) -> bytes:
        request = TimestampRequestBuilder().data(octets).hash_algorithm(HashAlgorithm.SHA256).build()
        answer = _asked(url, request.as_bytes())
        try:
            response = decode_timestamp_response(answer)
            builder = VerifierBuilder.from_request(request)
            for root in roots:
                builder = builder.add_root_certificate(root)
            builder.build().verify_message(response, octets)
        except (ValueError, VerificationError) as error:
            raise Transient(
                f"the time-stamp authority's answer does not verify ({type(error).__name__})"
            ) from error
        return answer

    return stamp


def _asked(url: str, query: bytes) -> bytes:
    try:
        response = httpx.post(
            url,
            content=query,
            headers={"Content-Type": _QUERY},
            timeout=_WITHIN,
            verify=trusting(None, ""),
            trust_env=False,
        )
    except httpx.HTTPError as error:
        raise Transient(f"the time-stamp authority is away ({type(error).__name__})") from error
    if response.status_code != 200 or len(response.content) > _LARGEST:
        raise Transient(f"the time-stamp authority answered {response.status_code}")
    return response.content


def _roots(file: Path | None) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(file.read_bytes() if file else b"")
    except (OSError, ValueError) as error:
        fix = "Name a PEM file with the root certificate of the time-stamp authority."
        raise Misconfigured(
            Problem(str(file), "evidence.tsa_ca_file", "holds no certificates", fix)
        ) from error
