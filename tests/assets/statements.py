"""Signed statements of directory versions, as the bus consigns them."""

from __future__ import annotations

from bus.directory import Directory, records_of
from bus.directory.records import changes_between, content_of, digest_of
from bus.directory.statement import Statement, write_statement
from bus.documents.seal import Seal
from bus.documents.tokens import signed_json


def statement(directory: Directory, before: Directory | None = None) -> Statement:
    """What is stated of a version that follows on another, or on none."""
    records = records_of(directory)
    content = content_of(records)
    return Statement(
        version=directory.version,
        digest=digest_of(content),
        size=len(content),
        since=before.version if before else 0,
        changes=changes_between(records_of(before) if before else {}, records),
    )


def signed_statement(directory: Directory, seal: Seal, before: Directory | None = None) -> bytes:
    """The message body that says so."""
    return signed_json(write_statement(statement(directory, before)), seal).encode()
