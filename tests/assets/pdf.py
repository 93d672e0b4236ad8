"""What stands in a PDF that typst wrote: its text as a reader copies it, and the file inside. No general reader."""

from __future__ import annotations

import re
import unicodedata
import zlib
from collections.abc import Iterator, Mapping

_REFERENCE = rb"(\d+) 0 R"
_TOKEN = re.compile(
    rb"/Span<</ActualText(?:<(?P<actual>[0-9A-F]*)>>>BDC|(?P<plain>\())"
    rb"|/(?P<begins>\w+)(?:<<[^>]*>* ?BDC| BMC)|(?P<ends>EMC)"
    rb"|/(?P<font>f\d+) [\d.]+ Tf|(?P<string>\()|<(?P<octets>[0-9A-F]+)>|(?P<line>\bET\b)",
    re.DOTALL,
)
_ESCAPES = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"f": b"\f"}


class Pdf:
    """The objects of a file, by number."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        table = data[int(re.findall(rb"startxref\n(\d+)", data)[-1]) :]
        offsets = [int(one) for one in re.findall(rb"^(\d{10}) \d{5} n", table, re.MULTILINE)]
        self.objects: dict[int, bytes] = {}
        for start in offsets:
            found = re.match(rb"(\d+) 0 obj\n", data[start : start + 20])
            assert found, "the table of objects leads elsewhere"
            end = min((one for one in offsets if one > start), default=len(data))
            self.objects[int(found[1])] = data[start + found.end() : end]

    @property
    def head(self) -> bytes:
        """All of it but for the streams."""
        return b"\n".join(body.partition(b"stream\n")[0] for body in self.objects.values())

    @property
    def metadata(self) -> str:
        """The XMP packet."""
        (found,) = (body for body in self.objects.values() if b"/Type/Metadata" in body.partition(b"\n")[0])
        return found.decode()

    @property
    def embedded(self) -> bytes:
        """The one file inside."""
        (found,) = (number for number, body in self.objects.items() if b"/Type/EmbeddedFile" in body[:100])
        return self.stream(found)

    def stream(self, number: int) -> bytes:
        body = self.objects[number]
        head, _, rest = body.partition(b"stream\n")
        length = re.search(rb"/Length (\d+)", head)
        assert length
        data = rest[: int(length[1])]
        return zlib.decompress(data) if b"/FlateDecode" in head else data

    def lines(self) -> list[str]:
        """The pieces of text, in order, each of one line and one style."""
        return [line for page in self._pages() for line in self._lines_of(page) if line]

    @property
    def text(self) -> str:
        """All text without blanks, which lines and styles leave out in places."""
        return unspaced("".join(self.lines()))

    def _pages(self) -> list[bytes]:
        (tree,) = (body for body in self.objects.values() if body.startswith(b"<</Type/Pages/Count"))
        kids = re.search(rb"/Kids\[(.*?)\]", tree)
        assert kids, "the pages are nested"
        return [self.objects[int(one)] for one in re.findall(_REFERENCE, kids[1])]

    def _lines_of(self, page: bytes) -> Iterator[str]:
        resources, contents = (
            re.search(rb"/%s %s" % (name, _REFERENCE), page) for name in (b"Resources", b"Contents")
        )
        assert resources
        assert contents
        fonts = {
            name: self._characters(int(number))
            for name, number in re.findall(rb"/(f\d+) (\d+) 0 R", self.objects[int(resources[1])])
        }
        return _read(self.stream(int(contents[1])), fonts)

    def _characters(self, font: int) -> dict[bytes, str]:
        found = re.search(rb"/ToUnicode %s" % _REFERENCE, self.objects[font])
        assert found, "a font whose signs nobody can read"
        mapped = self.stream(int(found[1]))
        assert b"beginbfrange" not in mapped
        pairs = re.findall(rb"<([0-9A-F]{4})> <([0-9A-F]+)>\n", mapped.partition(b"endcodespacerange")[2])
        return {bytes.fromhex(code.decode()): _utf16(text) for code, text in pairs}


def unspaced(text: str) -> str:
    """A text without blanks and what breaks lines, to be compared with what was copied out of a file."""
    return re.sub("[\\s\u00a0\u200b\u00ad]", "", text)


def _read(content: bytes, fonts: Mapping[bytes, dict[bytes, str]]) -> Iterator[str]:
    """What is shown stands for itself, unless its marks say what it stands for (ISO 32000-1, 14.9.4)."""
    line, last, place = "", "", 0
    font: Mapping[bytes, str] = {}
    marks: list[bool] = []
    while token := _TOKEN.search(content, place):
        place = token.end()
        if token["actual"] is not None:
            line += "" if any(marks) else _utf16(token["actual"].removeprefix(b"FEFF"))
            marks.append(True)
        elif token["plain"]:
            start, place = place, _end_of_string(content, place)
            line += "" if any(marks) else _unescaped(content[start : place - 1]).decode("ascii")
            marks.append(True)
        elif token["begins"]:
            # Page numbers and heads of a table that are repeated are no part of the text.
            marks.append(token["begins"] == b"Artifact")
        elif token["ends"]:
            marks.pop()
        elif token["font"]:
            font = fonts[token["font"]]
        elif token["line"]:
            if not _rest_of_syllable(line, last):
                yield line
                last = line
            line = ""
        else:
            if token["octets"]:
                codes = bytes.fromhex(token["octets"].decode())
            else:
                start, place = place, _end_of_string(content, place)
                codes = _unescaped(content[start : place - 1])
            if not any(marks):
                line += "".join(font[codes[at : at + 2]] for at in range(0, len(codes), 2))


def _rest_of_syllable(line: str, last: str) -> bool:
    """Whether it is a mark at a height of its own, which stands for the whole syllable that came before it."""
    return (
        last.endswith(line) and len(line) > 1 and all(unicodedata.category(one) == "Mn" for one in line[1:])
    )


def _end_of_string(content: bytes, place: int) -> int:
    """Where a string ends whose parenthesis was opened before `place`; pairs of them need no escape."""
    depth = 1
    while depth:
        escaped = content[place : place + 1] == b"\\"
        if not escaped:
            depth += (content[place] == ord("(")) - (content[place] == ord(")"))
        place += 1 + escaped
    return place


def _unescaped(text: bytes) -> bytes:
    return re.sub(
        rb"\\([0-7]{1,3}|.)",
        lambda found: bytes([int(found[1], 8)]) if found[1].isdigit() else _ESCAPES.get(found[1], found[1]),
        text,
        flags=re.DOTALL,
    )


def _utf16(text: bytes) -> str:
    return bytes.fromhex(text.decode()).decode("utf-16-be")
