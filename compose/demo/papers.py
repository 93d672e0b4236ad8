"""Sample scans: one-page PDFs of about a wanted size, as an office's scanner would make them."""

from __future__ import annotations

import random
import zlib

_WIDTH = 1240
"""Dots across an A4 page at 150 dots per inch."""


def scan(title: str, size: int) -> bytes:
    """Return a valid PDF of about `size` bytes: a page that bears a title over a grey picture."""
    picture = random.Random(title).randbytes(max(size - 900, _WIDTH))
    rows = len(picture) // _WIDTH
    pixels = zlib.compress(picture[: rows * _WIDTH], 0)
    words = "".join(char for char in title if (char.isascii() and char.isalnum()) or char == " ")
    page = f"q 595 0 0 700 0 20 cm /Scan Do Q BT /F 14 Tf 40 780 Td (SAMPLE  {words}) Tj ET".encode()
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 5 0 R"
        b" /Resources << /XObject << /Scan 4 0 R >> /Font << /F 6 0 R >> >> >>",
        b"<< /Type /XObject /Subtype /Image /Width %d /Height %d /ColorSpace /DeviceGray /BitsPerComponent 8"
        b" /Filter /FlateDecode /Length %d >>\nstream\n%s\nendstream" % (_WIDTH, rows, len(pixels), pixels),
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(page), page),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    return _assembled(objects)


def _assembled(objects: list[bytes]) -> bytes:
    """Return a PDF file with its cross-reference table (ISO 32000-1, 7.5)."""
    content = bytearray(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n")
    offsets = []
    for number, body in enumerate(objects, start=1):
        offsets.append(len(content))
        content += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(content)
    content += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    content += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    content += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start)
    return bytes(content)
