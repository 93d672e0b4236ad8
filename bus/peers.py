"""A TLS handshake for its own sake: whether a server's certificate is believed, and until when it will be."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import suppress
from datetime import UTC, datetime


async def valid_until(host: str, port: int, context: ssl.SSLContext, *, within: float = 10.0) -> datetime:
    """When the certificate that a server shows will have expired. Raises OSError, ssl.SSLError among them."""
    async with asyncio.timeout(within):
        _, writer = await asyncio.open_connection(host, port, ssl=context, server_hostname=host)
    try:
        shown = writer.get_extra_info("peercert") or {}
        return datetime.fromtimestamp(ssl.cert_time_to_seconds(str(shown["notAfter"])), UTC)
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


def why_not(error: BaseException) -> str:
    """Why a handshake failed, in OpenSSL's words where these are about the certificate."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message.rstrip(".")
    if isinstance(error, ssl.SSLError):
        return f"no TLS is spoken there ({error.reason or 'no reason given'})"
    return f"{type(error).__name__}"
