"""The files of a letter in the office's tables: whole BLOBs, or paths below one folder that the settings name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, Integer
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from adapters.connectors.folder.attachments import Copy, copied
from adapters.connectors.folder.folders import Folder, size_of
from adapters.connectors.folder.manifest import Fields
from adapters.connectors.folder.names import readable
from adapters.connectors.sql.values import Writing
from adapters.mailbox import Mailbox
from adapters.mailbox.mistakes import Mistaken


class octets(FunctionElement[int]):
    """How many bytes a BLOB has, without fetching it."""

    type = Integer()
    inherit_cache = True
    name = "octets"


@compiles(octets)
def _octet_length(element: octets, compiler: Any, **options: Any) -> str:
    return f"octet_length({compiler.process(element.clauses, **options)})"


@compiles(octets, "sqlite")
def _length(element: octets, compiler: Any, **options: Any) -> str:
    return f"length(CAST({compiler.process(element.clauses, **options)} AS BLOB))"


@compiles(octets, "mssql")
def _data_length(element: octets, compiler: Any, **options: Any) -> str:
    return f"DATALENGTH({compiler.process(element.clauses, **options)})"


@compiles(octets, "oracle")
def _lob_length(element: octets, compiler: Any, **options: Any) -> str:
    return f"DBMS_LOB.GETLENGTH({compiler.process(element.clauses, **options)})"


def octets_of(column: ColumnElement[Any]) -> octets:
    """How many bytes this BLOB has."""
    return octets(column)


class Reader:
    """Copies files into the mailbox's store, none larger than `most` bytes."""

    def __init__(self, mailbox: Mailbox, writing: Writing, folder: Path | None, most: int) -> None:
        self._mailbox, self._writing, self._folder, self._most = mailbox, writing, folder, most

    def too_large(self, fields: Fields, name: str, size: int) -> bool:
        """Whether a BLOB is, which is then noted and not fetched."""
        if size > self._most:
            shown = readable(name)
            th, en = f"{shown} ใหญ่เกิน {self._most} ไบต์", f"{shown} is larger than {self._most} bytes"
            fields.wrong("files", th, en)
        return size > self._most

    def blob(self, fields: Fields, name: str, content: Any, stack: ExitStack) -> Copy:
        """Copy a BLOB."""
        raw = content.encode() if isinstance(content, str) else bytes(content)
        return copied(self._mailbox.store, fields, name, BytesIO(raw), len(raw), stack)

    def file(self, fields: Fields, name: str, path: str, stack: ExitStack) -> Copy | None:
        """Copy a file below the folder; None where that cannot be, which is noted."""
        try:
            if self._folder is None:
                fields.wrong(
                    "files", "ไม่ได้ตั้งค่า files_folder", "files_folder is not set, and the row has a path"
                )
                return None
            with _opened(self._folder, path, self._most) as file:
                return copied(self._mailbox.store, fields, name, file, size_of(file), stack)
        except Mistaken as exc:
            for each in exc.mistakes:
                fields.wrong("files", f"{each.where} {each.th}", f"{each.where} {each.en}")
        except OSError as exc:
            why = exc.strerror or type(exc).__name__
            shown = readable(path)
            fields.wrong("files", f"อ่านไฟล์ {shown} ไม่ได้ ({why})", f"{shown} cannot be read ({why})")
        return None


@contextmanager
def _opened(folder: Path, path: str, most: int) -> Iterator[Any]:
    """Open a file below a folder; no part of the path may lead out of it, by a link or by its name."""
    *above, name = [each for each in path.replace("\\", "/").split("/") if each] or [""]
    with ExitStack() as stack:
        place = stack.enter_context(Folder.at(folder))
        for each in above:
            _require_name(each)
            place = stack.enter_context(place.folder(each))
        _require_name(name)
        yield stack.enter_context(place.opened(name, most))


def _require_name(name: str) -> None:
    if name in ("", ".", ".."):
        raise FileNotFoundError(2, "the path leads nowhere below files_folder")
