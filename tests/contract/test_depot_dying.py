"""A database or a disk that dies in the middle of a request: an answer, or a connection cut off; never a traceback."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from bus.depot.contents import LocalStore
from bus.depot.index import Index
from bus.errors import Transient
from bus.identifiers import AgencyCode, RawDigest
from compose.cluster import PostgresCluster
from tests.assets.factory import OPM
from tests.contract.depot_rig import World, depot_at, some_file

MB = 1024 * 1024


@pytest.fixture
def stored(tmp_path: Path) -> Iterator[tuple[World, bytes, str]]:
    world = World(tmp_path / "depot")
    data, sha256 = some_file(3 * MB)
    with depot_at(world):
        assert world.ask(OPM, "PUT", f"/files/{sha256}", content=data).status_code == 201
        yield world, data, sha256


def no_traceback(records: list[logging.LogRecord]) -> bool:
    return not any(each.exc_info or "Exception in ASGI" in each.getMessage() for each in records)


def test_a_database_that_dies_is_an_answer_and_is_asked_once_for_a_file(
    stored: tuple[World, bytes, str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    world, data, sha256 = stored
    asked: list[str] = []
    shown = Index.shown

    def dying(self: Index, agency: AgencyCode, digest: RawDigest) -> bool:
        asked.append(digest)
        if len(asked) == 1:
            raise Transient("the depot's bookkeeping is away")
        return shown(self, agency, digest)

    monkeypatch.setattr(Index, "shown", dying)
    answer = world.ask(OPM, "GET", f"/files/{sha256}")
    assert (answer.status_code, answer.headers["Saraban-Code"]) == (503, "depot.away")
    assert no_traceback(caplog.records)
    again = world.ask(OPM, "GET", f"/files/{sha256}")
    assert (again.status_code, again.content) == (200, data)
    assert len(asked) == 2, "once for each request"


class _Failing(io.BytesIO):
    """A file whose disk fails after its first block, or that is shorter than it was."""

    def __init__(self, data: bytes, error: OSError | None) -> None:
        super().__init__(data)
        self.error = error
        self.reads = 0

    def read(self, size: int | None = -1, /) -> bytes:
        self.reads += 1
        if self.reads > 1:
            if self.error:
                raise self.error
            return b""
        return super().read(size)


@pytest.mark.parametrize("error", [OSError(5, "Input/output error"), None])
def test_a_file_that_cannot_be_read_to_its_end_is_cut_off_and_logged_once(
    stored: tuple[World, bytes, str],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
    error: OSError | None,
) -> None:
    world, data, sha256 = stored
    opened: list[_Failing] = []

    def failing(_self: LocalStore, _sha256: str) -> Any:
        opened.append(_Failing(data, error))
        return opened[-1]

    with monkeypatch.context() as patched:
        patched.setattr(LocalStore, "open", failing)
        with pytest.raises(httpx.RemoteProtocolError):
            world.ask(OPM, "GET", f"/files/{sha256}")
    assert [each.closed for each in opened] == [True]
    assert opened[0].reads == 2
    assert no_traceback(caplog.records)
    told = capsys.readouterr().out + "".join(each.getMessage() for each in caplog.records)
    assert told.count("download-cut-off") == 1
    rest = world.ask(OPM, "GET", f"/files/{sha256}", headers={"Range": f"bytes={MB}-"})
    assert (rest.status_code, rest.content) == (206, data[MB:])


@pytest.mark.parametrize("error", [OSError(5, "Input/output error"), None])
def test_a_small_file_that_cannot_be_read_is_an_answer(
    stored: tuple[World, bytes, str], monkeypatch: pytest.MonkeyPatch, error: OSError | None
) -> None:
    world, data, sha256 = stored
    opened: list[_Failing] = []

    def failing(_self: LocalStore, _sha256: str) -> Any:
        opened.append(_Failing(data[:-1], error))
        opened[-1].reads += error is not None
        return opened[-1]

    rest = {"Range": f"bytes={len(data) - 1000}-"}
    with monkeypatch.context() as patched:
        patched.setattr(LocalStore, "open", failing)
        answer = world.ask(OPM, "GET", f"/files/{sha256}", headers=rest)
    assert (answer.status_code, answer.headers["Saraban-Code"]) == (503, "depot.away")
    assert [each.closed for each in opened] == [True]
    assert world.ask(OPM, "GET", f"/files/{sha256}", headers=rest).content == data[-1000:]


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_postgresql_that_dies_between_the_headers_and_the_body_of_an_upload_is_an_answer(
    tmp_path: Path,
    postgres_url: str,
    postgres_server: PostgresCluster,
    caplog: pytest.LogCaptureFixture,
    method: str,
) -> None:
    world = World(tmp_path / "depot", database_url=postgres_url)
    data, sha256 = some_file(MB)
    path = f"/files/{sha256}" if method == "PUT" else f"/uploads/{sha256}"
    headers = {"Upload-Length": str(MB)} | ({"Upload-Offset": "0"} if method == "PATCH" else {})

    def body() -> Iterator[bytes]:
        yield data[: MB // 2]
        postgres_server.stop()
        yield data[MB // 2 :]

    with depot_at(world):
        try:
            answer = world.ask(OPM, method, path, headers=headers, content=body())
            assert (answer.status_code, answer.headers["Saraban-Code"]) == (503, "depot.away")
        finally:
            postgres_server.start()
        assert no_traceback(caplog.records)
        again = world.ask(OPM, "PUT", f"/files/{sha256}", content=data)
        assert again.status_code == 201
