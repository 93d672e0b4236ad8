"""The depot over HTTP: who may put, who may have, and what stays when something breaks. A real server each time."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from bus.depot.client import PresenceClient
from bus.depot.contents import BLOCK
from bus.depot.presence import Check, Presence
from bus.depot.refusals import RequestRefused
from bus.depot.store import KEPT, Depot, Limits
from bus.documents.tokens import request_token
from bus.errors import Transient
from bus.identifiers import AgencyCode
from compose.cluster import PostgresCluster
from tests.assets import factory
from tests.assets.digests import NO_BYTES
from tests.assets.factory import OCS, OPM, SOC
from tests.contract.depot_rig import TLS, World, depot_at, some_file
from tests.faults.waiting import eventually

MB = 1024 * 1024


@pytest.fixture(params=["sqlite", "postgresql"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    url = request.getfixturevalue("postgres_url") if request.param == "postgresql" else None
    return World(tmp_path / "depot", Limits(max_file_bytes=4 * MB, quota_bytes=8 * MB), url)


@pytest.fixture
def depot(world: World) -> Iterator[Depot]:
    with depot_at(world) as depot:
        yield depot


@pytest.fixture
def plain(tmp_path: Path) -> Iterator[World]:
    """A running depot on SQLite, for what does not touch the books."""
    world = World(tmp_path / "depot", Limits(max_file_bytes=4 * MB, quota_bytes=8 * MB))
    with depot_at(world):
        yield world


def refused(response: httpx.Response, status: int, code: str) -> bool:
    """Whether the answer is this refusal, in both languages, and says nothing else."""
    body = response.json()
    assert body.keys() == {"code", "th", "en"}
    assert body["th"]
    assert body["en"]
    return (response.status_code, body["code"]) == (status, code)


def stored(world: World) -> list[Path]:
    return [path for path in (world.folder / "files").rglob("*") if path.is_file()]


def unfinished(world: World) -> list[Path]:
    return list((world.folder / "incoming").rglob("*.part"))


def hold(world: World, *checks: Check) -> list[Presence]:
    async def ask() -> list[Presence]:
        async with PresenceClient(world.url, world.seals["bus"], tls=TLS) as holds:
            return await holds.hold(checks)

    return asyncio.run(ask())


# ── presence ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.usefixtures("depot")
def test_a_file_that_was_put_is_there_for_its_agency_and_for_nobody_else(world: World) -> None:
    data, sha256 = some_file(300_000)
    assert world.ask(OPM, "PUT", f"/files/{sha256}", content=data).status_code == 201
    assert world.ask(OPM, "GET", f"/files/{sha256}").content == data
    absent = world.ask(OCS, "GET", f"/files/{'0' * 64}")
    stranger = world.ask(OCS, "GET", f"/files/{sha256}")
    assert refused(stranger, 404, "file.unknown")
    assert (stranger.content, stranger.status_code) == (absent.content, absent.status_code)
    hidden, nothing = world.ask(OCS, "HEAD", f"/files/{sha256}"), world.ask(OCS, "HEAD", f"/files/{'0' * 64}")
    assert hidden.status_code == nothing.status_code == 404
    assert {**hidden.headers, "date": ""} == {**nothing.headers, "date": ""}


@pytest.mark.usefixtures("depot")
def test_an_agency_that_streams_a_file_already_there_gets_its_own_presence(world: World) -> None:
    data, sha256 = some_file(300_000)
    assert world.ask(OPM, "PUT", f"/files/{sha256}", content=data).status_code == 201
    assert world.ask(OCS, "PUT", f"/files/{sha256}", content=data).status_code == 201
    assert world.ask(OCS, "PUT", f"/files/{sha256}", content=data).status_code == 200
    assert world.ask(OCS, "GET", f"/files/{sha256}").content == data
    assert [path.name for path in stored(world)] == [sha256]
    assert unfinished(world) == []


@pytest.mark.usefixtures("depot")
def test_knowing_the_hash_of_another_agencys_file_shows_nothing(world: World) -> None:
    data, sha256 = some_file(300_000)
    world.ask(OPM, "PUT", f"/files/{sha256}", content=data)
    length = {"Upload-Length": str(len(data))}
    assert world.ask(OCS, "HEAD", f"/uploads/{sha256}").headers["Upload-Offset"] == "0"
    claim = world.ask(OCS, "PATCH", f"/uploads/{sha256}", headers={"Upload-Offset": str(len(data)), **length})
    assert refused(claim, 409, "upload.offset")
    wrong = world.ask(OCS, "PUT", f"/files/{sha256}", content=bytes(len(data)))
    assert refused(wrong, 422, "file.digest")
    assert hold(world, Check(OCS, sha256, len(data))) == [Presence.MISSING]


@pytest.mark.usefixtures("depot")
def test_a_party_of_a_letter_may_fetch_what_it_never_put_and_forward_it(world: World) -> None:
    data, sha256 = some_file(300_000)
    world.ask(OPM, "PUT", f"/files/{sha256}", content=data)
    world.parties.add((OCS, sha256))
    assert world.ask(OCS, "GET", f"/files/{sha256}").content == data
    assert hold(world, Check(OCS, sha256, len(data)), Check(SOC, sha256, len(data))) == [
        Presence.OK,
        Presence.MISSING,
    ]


@pytest.mark.usefixtures("depot")
def test_holds_answer_each_check_in_its_place(world: World) -> None:
    data, sha256 = some_file(1000)
    world.ask(OPM, "PUT", f"/files/{sha256}", content=data)
    checks = [
        Check(OPM, sha256, 999),
        Check(OPM, NO_BYTES, 1),
        Check(OPM, sha256, 1000),
        Check(OCS, sha256, 1000),
    ]
    assert hold(world, *checks) == [Presence.SIZE, Presence.MISSING, Presence.OK, Presence.MISSING]


@pytest.mark.usefixtures("depot")
def test_two_agencies_that_upload_the_same_file_at_once_both_have_it(world: World) -> None:
    data, sha256 = some_file(2 * MB)
    with ThreadPoolExecutor(6) as pool:
        answers = [
            pool.submit(world.ask, agency, "PUT", f"/files/{sha256}", content=data)
            for agency in (OPM, OCS, SOC)
        ]
        assert {answer.result().status_code for answer in answers} == {201}
    for agency in (OPM, OCS, SOC):
        assert world.ask(agency, "GET", f"/files/{sha256}").content == data
    assert len(stored(world)) == 1


# ── uploads that break ─────────────────────────────────────────────────────────────────────────────


def break_off(world: World, agency: str, sha256: str, sent: bytes, length: int) -> None:
    """PUT the beginning of a file and hang up; returns when the depot has let go of the connection."""
    path = f"/files/{sha256}"
    token = request_token(world.seals[agency], agency, "PUT", path)
    head = (
        f"PUT {path} HTTP/1.1\r\nHost: d\r\nAuthorization: Bearer {token}\r\nContent-Length: {length}\r\n\r\n"
    )
    host, port = world.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as line:
        line.sendall(head.encode() + sent)
        line.shutdown(socket.SHUT_WR)
        while line.recv(4096):
            pass


def await_end(world: World, agency: str, sha256: str, expected: int) -> None:
    """Wait until the depot has this many bytes and has closed them: before that it says that they are being written."""
    await_offset(world, agency, sha256, expected)
    eventually(lambda: is_closed(world.folder / "incoming" / agency / f"{sha256}.part"), "it is closed")


def is_closed(part: Path) -> bool:
    """Whether nobody writes an unfinished upload."""
    with part.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def await_offset(world: World, agency: str, sha256: str, expected: int) -> None:
    """Ask until the depot has this many bytes: it writes in blocks, after the line that brought them is gone."""
    deadline = time.monotonic() + 20
    while int(world.ask(agency, "HEAD", f"/uploads/{sha256}").headers["Upload-Offset"]) < expected:
        assert time.monotonic() < deadline, "the depot did not keep what it got"


@pytest.mark.usefixtures("depot")
def test_a_put_that_broke_off_is_gone_on_with_by_its_agency_and_unseen_by_another(world: World) -> None:
    data, sha256 = some_file(MB)
    break_off(world, OPM, sha256, data[:700_000], len(data))
    await_end(world, OPM, sha256, 700_000)
    assert world.ask(OCS, "HEAD", f"/uploads/{sha256}").headers["Upload-Offset"] == "0"
    assert world.ask(OPM, "HEAD", f"/files/{sha256}").status_code == 404
    length = {"Upload-Length": str(len(data))}
    some = world.ask(
        OPM,
        "PATCH",
        f"/uploads/{sha256}",
        headers={"Upload-Offset": "700000", **length},
        content=data[700_000:900_000],
    )
    assert (some.status_code, some.headers["Upload-Offset"]) == (204, "900000")
    rest = world.ask(
        OPM,
        "PATCH",
        f"/uploads/{sha256}",
        headers={"Upload-Offset": "900000", **length},
        content=data[900_000:],
    )
    assert rest.status_code == 201
    assert world.ask(OPM, "GET", f"/files/{sha256}").content == data


@pytest.mark.parametrize("size", [2, 1000, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 7])
@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_a_file_of_any_size_that_broke_off_goes_up_and_comes_down_whole_and_in_parts(
    plain: World, method: str, size: int
) -> None:
    """What fits into one block is taken and given in one step, all else block by block."""
    (data, sha256), half = some_file(size), size // 2
    break_off(plain, OPM, sha256, data[:half], size)
    await_end(plain, OPM, sha256, half)
    if method == "PUT":
        answer = plain.ask(OPM, method, f"/files/{sha256}", content=data)
    else:
        headers = {"Upload-Offset": str(half), "Upload-Length": str(size)}
        answer = plain.ask(OPM, method, f"/uploads/{sha256}", headers=headers, content=data[half:])
    assert answer.status_code == 201
    assert plain.ask(OPM, "GET", f"/files/{sha256}").content == data
    part = plain.ask(OPM, "GET", f"/files/{sha256}", headers={"Range": "bytes=1-"})
    assert (part.status_code, part.content) == (206, data[1:])


@pytest.mark.usefixtures("depot")
def test_an_upload_goes_on_only_where_it_broke_off(world: World) -> None:
    data, sha256 = some_file(MB)
    break_off(world, OPM, sha256, data[:500_000], len(data))
    await_end(world, OPM, sha256, 500_000)
    wrong = world.ask(
        OPM,
        "PATCH",
        f"/uploads/{sha256}",
        headers={"Upload-Offset": "400000", "Upload-Length": str(len(data))},
        content=data[400_000:],
    )
    assert refused(wrong, 409, "upload.offset")
    assert wrong.headers["Upload-Offset"] == "500000"


@pytest.mark.usefixtures("depot")
def test_a_whole_put_after_a_broken_one_starts_over(world: World) -> None:
    data, sha256 = some_file(MB)
    break_off(world, OPM, sha256, bytes(500_000), len(data))
    await_end(world, OPM, sha256, 500_000)
    assert world.ask(OPM, "PUT", f"/files/{sha256}", content=data).status_code == 201


def test_an_upload_that_stands_still_gives_way(tmp_path: Path) -> None:
    world = World(tmp_path / "depot")
    data, sha256 = some_file(MB)
    path = f"/files/{sha256}"
    with depot_at(world, idle_seconds=0.3):
        token = request_token(world.seals[OPM], OPM, "PUT", path)
        head = (
            f"PUT {path} HTTP/1.1\r\nHost: d\r\nAuthorization: Bearer {token}\r\nContent-Length: {MB}\r\n\r\n"
        )
        host, port = world.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=20) as line:
            line.sendall(head.encode() + data[:1000])
            assert b"408" in line.recv(4096).partition(b"\r\n")[0]
        await_offset(world, OPM, sha256, 1000)


def test_a_second_connection_for_the_same_upload_is_told_to_wait(plain: World) -> None:
    data, sha256 = some_file(MB)
    path = f"/files/{sha256}"
    token = request_token(plain.seals[OPM], OPM, "PUT", path)
    head = f"PUT {path} HTTP/1.1\r\nHost: d\r\nAuthorization: Bearer {token}\r\nContent-Length: {MB}\r\n\r\n"
    host, port = plain.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as line:
        line.sendall(head.encode() + data[:600_000])
        await_offset(plain, OPM, sha256, 256 * 1024)
        assert refused(plain.ask(OPM, "PUT", path, content=data), 409, "upload.busy")
        assert plain.ask(OCS, "PUT", path, content=data).status_code == 201
        line.sendall(data[600_000:])
        assert b"201" in line.recv(4096).partition(b"\r\n")[0]


def test_a_file_that_is_complete_but_damaged_is_dropped_and_can_be_sent_again(plain: World) -> None:
    data, sha256 = some_file(MB)
    assert refused(plain.ask(OPM, "PUT", f"/files/{sha256}", content=data[::-1]), 422, "file.digest")
    assert stored(plain) == unfinished(plain) == []
    assert plain.ask(OPM, "HEAD", f"/files/{sha256}").status_code == 404
    assert plain.ask(OPM, "PUT", f"/files/{sha256}", content=data).status_code == 201


def test_an_empty_file_is_a_file(plain: World) -> None:
    _, sha256 = some_file(0)
    assert plain.ask(OPM, "PUT", f"/files/{sha256}", content=b"").status_code == 201
    assert plain.ask(OPM, "GET", f"/files/{sha256}").content == b""
    assert refused(
        plain.ask(OPM, "GET", f"/files/{sha256}", headers={"Range": "bytes=0-"}), 416, "range.unsatisfiable"
    )


# ── limits ─────────────────────────────────────────────────────────────────────────────────────────


def test_a_file_over_the_limit_is_refused_by_its_stated_length(plain: World) -> None:
    data, sha256 = some_file(4 * MB + 1)
    assert refused(plain.ask(OPM, "PUT", f"/files/{sha256}", content=data), 413, "file.too-large")
    early = plain.ask(OPM, "HEAD", f"/uploads/{sha256}", headers={"Upload-Length": str(len(data))})
    assert (early.status_code, early.headers["Saraban-Code"]) == (413, "file.too-large")
    assert unfinished(plain) == []


def test_a_file_over_the_limit_is_refused_while_it_streams_without_a_length(plain: World) -> None:
    data, sha256 = some_file(4 * MB + 1)
    answer = plain.ask(
        OPM, "PUT", f"/files/{sha256}", content=(data[at : at + MB] for at in range(0, 5 * MB, MB))
    )
    assert "content-length" not in answer.request.headers
    assert refused(answer, 413, "file.too-large")
    assert stored(plain) == unfinished(plain) == []


def test_a_file_without_a_stated_length_is_taken_when_it_fits(plain: World) -> None:
    data, sha256 = some_file(MB)
    assert plain.ask(OPM, "PUT", f"/files/{sha256}", content=iter([data])).status_code == 201
    assert plain.ask(OPM, "GET", f"/files/{sha256}").content == data


def test_more_bytes_than_stated_are_refused(plain: World) -> None:
    data, sha256 = some_file(MB)
    answer = plain.ask(
        OPM, "PUT", f"/files/{sha256}", headers={"Upload-Length": "1000"}, content=iter([data])
    )
    assert refused(answer, 400, "upload.length")
    assert unfinished(plain) == []


@pytest.mark.usefixtures("depot")
def test_an_agency_over_its_quota_is_refused_and_another_is_not(world: World) -> None:
    files = [some_file(3 * MB, seed) for seed in range(3)]
    codes = [world.ask(OPM, "PUT", f"/files/{sha256}", content=data).status_code for data, sha256 in files]
    assert codes == [201, 201, 507]
    data, sha256 = files[2]
    assert refused(world.ask(OPM, "PUT", f"/files/{sha256}", content=data), 507, "quota.exceeded")
    again, again_sha256 = files[0]
    assert world.ask(OPM, "PUT", f"/files/{again_sha256}", content=again).status_code == 200
    assert world.ask(OCS, "PUT", f"/files/{sha256}", content=data).status_code == 201


@pytest.mark.usefixtures("depot")
def test_uploads_at_the_same_time_keep_to_the_quota_together(world: World) -> None:
    files = [some_file(3 * MB, seed) for seed in range(5)]
    with ThreadPoolExecutor(5) as pool:
        answers = pool.map(
            lambda file: world.ask(OPM, "PUT", f"/files/{file[1]}", content=file[0]).status_code, files
        )
        assert sorted(answers) == [201, 201, 507, 507, 507]
    assert len(stored(world)) == 2


def test_a_disk_that_fills_up_keeps_nothing_of_the_upload_and_harms_no_file(
    plain: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, kept_sha256 = some_file(MB, 1)
    data, sha256 = some_file(2 * MB, 2)
    assert plain.ask(OPM, "PUT", f"/files/{kept_sha256}", content=kept).status_code == 201
    pwrite, filled = os.pwrite, []

    def full_after_a_megabyte(file: int, block: Any, at: int) -> int:
        if at >= MB:
            filled.append(at)
            raise OSError(errno.ENOSPC, "No space left on device")
        return pwrite(file, block, at)

    monkeypatch.setattr("bus.depot.contents.os.pwrite", full_after_a_megabyte)
    assert refused(plain.ask(OCS, "PUT", f"/files/{sha256}", content=data), 507, "depot.full")
    assert filled
    assert unfinished(plain) == []
    monkeypatch.undo()
    assert plain.ask(OPM, "GET", f"/files/{kept_sha256}").content == kept
    assert plain.ask(OCS, "PUT", f"/files/{sha256}", content=data).status_code == 201


@pytest.mark.skipif(os.geteuid() != 0 or sys.platform != "linux", reason="mounts a small disk")
def test_a_small_disk_that_is_really_full_gives_out_its_files_and_takes_others_again(tmp_path: Path) -> None:
    world = World(tmp_path)
    kept, kept_sha256 = some_file(MB, 1)
    large, large_sha256 = some_file(8 * MB, 2)
    small, small_sha256 = some_file(MB, 3)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(tmp_path)], check=True)
    try:
        with depot_at(world):
            assert world.ask(OPM, "PUT", f"/files/{kept_sha256}", content=kept).status_code == 201
            # Without a stated length, only the disk itself can say that there is no room.
            blocks = (large[at : at + MB] for at in range(0, len(large), MB))
            answer = world.ask(OCS, "PUT", f"/files/{large_sha256}", content=blocks)
            assert refused(answer, 507, "depot.full")
            assert unfinished(world) == []
            assert world.ask(OPM, "GET", f"/files/{kept_sha256}").content == kept
            assert world.ask(OCS, "PUT", f"/files/{small_sha256}", content=small).status_code == 201
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


def test_a_file_that_would_not_leave_the_reserve_is_refused_before_it_is_sent(tmp_path: Path) -> None:
    world = World(tmp_path / "depot")
    data, sha256 = some_file(1000)
    with depot_at(world, reserve=1 << 60):
        assert refused(world.ask(OPM, "PUT", f"/files/{sha256}", content=data), 507, "depot.full")
        assert unfinished(world) == []


# ── fetching ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("header", "status", "start", "stop"),
    [
        ("bytes=0-99", 206, 0, 100),
        ("bytes=999-", 206, 999, 1000),
        ("bytes=-10", 206, 990, 1000),
        ("bytes=-5000", 206, 0, 1000),
        ("bytes=500-9999", 206, 500, 1000),
        ("bytes=5-4", 200, 0, 1000),
        ("bytes=0-1,5-6", 200, 0, 1000),
        ("bytes=-", 200, 0, 1000),
        ("lines=1-2", 200, 0, 1000),
    ],
)
def test_a_range_is_given_as_asked(plain: World, header: str, status: int, start: int, stop: int) -> None:
    data, sha256 = some_file(1000)
    plain.ask(OPM, "PUT", f"/files/{sha256}", content=data)
    answer = plain.ask(OPM, "GET", f"/files/{sha256}", headers={"Range": header})
    assert (answer.status_code, answer.content) == (status, data[start:stop])
    assert answer.headers["ETag"] == f'"{sha256}"'
    if status == 206:
        assert answer.headers["Content-Range"] == f"bytes {start}-{stop - 1}/1000"


@pytest.mark.parametrize("header", ["bytes=1000-", "bytes=-0"])
def test_a_range_outside_the_file_is_refused(plain: World, header: str) -> None:
    data, sha256 = some_file(1000)
    plain.ask(OPM, "PUT", f"/files/{sha256}", content=data)
    answer = plain.ask(OPM, "GET", f"/files/{sha256}", headers={"Range": header})
    assert refused(answer, 416, "range.unsatisfiable")
    assert answer.headers["Content-Range"] == "bytes */1000"


def test_a_range_of_another_version_is_the_whole_file(plain: World) -> None:
    data, sha256 = some_file(1000)
    plain.ask(OPM, "PUT", f"/files/{sha256}", content=data)
    answer = plain.ask(OPM, "GET", f"/files/{sha256}", headers={"Range": "bytes=5-", "If-Range": '"another"'})
    assert (answer.status_code, answer.content) == (200, data)


def test_a_head_tells_the_size_and_sends_nothing(plain: World) -> None:
    data, sha256 = some_file(1000)
    plain.ask(OPM, "PUT", f"/files/{sha256}", content=data)
    answer = plain.ask(OPM, "HEAD", f"/files/{sha256}")
    assert (answer.status_code, answer.headers["Content-Length"], answer.content) == (200, "1000", b"")


# ── tokens ─────────────────────────────────────────────────────────────────────────────────────────


def test_a_request_without_a_token_is_refused(plain: World) -> None:
    answer = httpx.get(f"{plain.url}/files/{'0' * 64}")
    assert refused(answer, 401, "token.missing")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_a_token_opens_one_path_by_one_method_only(plain: World) -> None:
    data, sha256 = some_file(1000)
    path = f"/files/{sha256}"
    for method, there in (("PUT", "/files/" + "0" * 64), ("GET", path), ("PUT", f"/uploads/{sha256}")):
        token = request_token(plain.seals[OPM], OPM, method, there)
        answer = plain.ask(OPM, "PUT", path, token=token, content=data)
        assert refused(answer, 401, "token.other-request")
    assert stored(plain) == []


def test_a_key_is_known_to_the_depot_as_soon_as_it_is_pinned(plain: World) -> None:
    path, made = f"/files/{'0' * 64}", factory.seal("stranger")
    token = request_token(made, OPM, "GET", path)
    assert refused(plain.ask(OPM, "GET", path, token=token), 401, "token.key")
    plain.to_be_pinned = {OPM: made}
    assert refused(plain.ask(OPM, "GET", path, token=token), 404, "file.unknown")
    plain.to_be_pinned = {OCS: made}
    late = request_token(made, OPM, "GET", path, at=datetime.now(UTC) - timedelta(minutes=5))
    assert refused(plain.ask(OPM, "GET", path, token=late), 401, "token.time")
    assert plain.to_be_pinned, "for a key that it knows it does not look again"


def test_an_expired_token_is_refused(plain: World) -> None:
    path = f"/files/{'0' * 64}"
    token = request_token(plain.seals[OPM], OPM, "GET", path, at=datetime.now(UTC) - timedelta(minutes=5))
    assert refused(plain.ask(OPM, "GET", path, token=token), 401, "token.time")


def test_a_token_sealed_by_another_agency_is_refused(plain: World) -> None:
    path = f"/files/{'0' * 64}"
    foreign = request_token(plain.seals[OCS], OPM, "GET", path)
    assert refused(plain.ask(OPM, "GET", path, token=foreign), 401, "token.key")
    unknown = request_token(factory.seal("stranger"), "9999999999", "GET", path)
    assert refused(plain.ask(OPM, "GET", path, token=unknown), 401, "token.key")


def test_a_token_that_changed_something_is_not_taken_again(plain: World) -> None:
    data, sha256 = some_file(1000)
    path = f"/files/{sha256}"
    token = request_token(plain.seals[OPM], OPM, "PUT", path)
    assert plain.ask(OPM, "PUT", path, token=token, content=data).status_code == 201
    assert refused(plain.ask(OPM, "PUT", path, token=token, content=data), 401, "token.replayed")


def test_only_the_router_asks_for_holds_and_it_puts_no_files(plain: World) -> None:
    data, sha256 = some_file(1000)
    assert refused(plain.ask(OPM, "POST", "/presence", content=b'{"checks": []}'), 403, "agency.not-yours")
    assert refused(plain.ask("bus", "PUT", f"/files/{sha256}", content=data), 403, "agency.not-yours")


def test_a_suspended_agency_fetches_and_does_not_send(plain: World) -> None:
    data, sha256 = some_file(1000)
    plain.ask(OPM, "PUT", f"/files/{sha256}", content=data)
    plain.suspended.add(OPM)
    assert plain.ask(OPM, "GET", f"/files/{sha256}").content == data
    assert refused(plain.ask(OPM, "PUT", f"/files/{sha256}", content=data), 403, "agency.suspended")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'{"checks": 1}',
        b'{"checks": [1]}',
        b'{"checks": [{"agency": "0100100000", "sha256": "../../x", "size": 1}]}',
        b'{"checks": [{"agency": 1, "sha256": 2, "size": 3}]}',
        b'{"checks": [{"agency": "0100100000", "sha256": "' + b"0" * 64 + b'", "size": true}]}',
        b"[" * 100_000,
        b" " * (MB + 1),
    ],
)
def test_checks_that_cannot_be_read_are_refused(plain: World, body: bytes) -> None:
    assert refused(plain.ask("bus", "POST", "/presence", content=body), 400, "request.malformed")


def test_every_other_address_and_method_is_answered_in_json(plain: World) -> None:
    assert refused(httpx.get(plain.url + "/"), 404, "request.unknown")
    assert refused(httpx.delete(f"{plain.url}/files/{'0' * 64}"), 405, "request.method")
    assert refused(plain.ask(OPM, "GET", "/files/..%2f..%2fetc%2fpasswd"), 404, "request.unknown")
    assert refused(plain.ask(OPM, "GET", "/files/" + "A" * 64), 404, "file.unknown")


def test_an_error_that_nobody_expected_is_answered_in_json_and_tells_nothing(
    plain: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_depot: Depot, _agency: str, _sha256: str) -> int:
        raise RuntimeError("what nobody outside may read")

    monkeypatch.setattr(Depot, "size", broken)
    assert refused(plain.ask(OPM, "GET", f"/files/{'0' * 64}"), 500, "depot.failed")


# ── the router's client, and being away ────────────────────────────────────────────────────────────


def test_a_depot_that_is_away_is_a_transient_to_the_router(tmp_path: Path) -> None:
    world = World(tmp_path / "depot")
    with depot_at(world):
        assert hold(world) == []
    with pytest.raises(Transient):
        hold(world, Check(OPM, NO_BYTES, 1))


def test_a_router_whose_key_is_not_believed_refuses_no_letter_for_it(plain: World) -> None:
    async def ask() -> None:
        async with PresenceClient(plain.url, factory.seal("stranger"), tls=TLS) as holds:
            await holds.hold([Check(OPM, NO_BYTES, 1)])

    with pytest.raises(Transient, match=r"token\.key"):
        asyncio.run(ask())


def test_a_depot_whose_database_is_away_is_alive_and_not_ready_and_says_so_to_all(
    tmp_path: Path, postgres_url: str, postgres_server: PostgresCluster
) -> None:
    world = World(tmp_path / "depot", database_url=postgres_url)
    data, sha256 = some_file(1000)
    with depot_at(world):
        assert httpx.get(world.url + "/readyz").status_code == 200
        postgres_server.stop()
        try:
            assert httpx.get(world.url + "/healthz").status_code == 200
            assert refused(httpx.get(world.url + "/readyz"), 503, "depot.away")
            assert refused(world.ask(OPM, "PUT", f"/files/{sha256}", content=data), 503, "depot.away")
            with pytest.raises(Transient, match=r"depot\.away"):
                hold(world, Check(OPM, sha256, 1000))
        finally:
            postgres_server.start()
        assert httpx.get(world.url + "/readyz").status_code == 200
        assert world.ask(OPM, "PUT", f"/files/{sha256}", content=data).status_code == 201


def test_metrics_count_answers_by_their_code(plain: World) -> None:
    plain.ask(OPM, "GET", f"/files/{'0' * 64}")
    metrics = httpx.get(plain.url + "/metrics").text
    assert 'saraban_depot_answers_total{code="file.unknown",method="GET",status="404"} 1.0' in metrics


# ── letting go ─────────────────────────────────────────────────────────────────────────────────────


def test_what_nobody_holds_names_or_showed_for_seven_days_is_let_go(world: World, depot: Depot) -> None:
    data, sha256 = some_file(1000)
    world.ask(OPM, "PUT", f"/files/{sha256}", content=data)
    now = int(world.now())
    assert depot.collect(now + KEPT - 60).files == 0
    collected = depot.collect(now + KEPT + 60)
    assert (collected.files, collected.bytes) == (1, 1000)
    assert stored(world) == []
    assert world.ask(OPM, "GET", f"/files/{sha256}").status_code == 404
    assert world.ask(OPM, "PUT", f"/files/{sha256}", content=data).status_code == 201


def test_a_hold_keeps_a_file_for_seven_days_more(world: World, depot: Depot) -> None:
    data, sha256 = some_file(1000)
    start = world.now()
    world.ask(OPM, "PUT", f"/files/{sha256}", content=data)
    late = start + KEPT - 60
    assert depot.hold([Check(OPM, sha256, 1000)]) == [Presence.OK]
    world.now = lambda: late
    assert depot.hold([Check(OPM, sha256, 1000)]) == [Presence.OK]
    assert depot.collect(int(start) + KEPT + 60).files == 0
    assert depot.collect(int(late) + KEPT + 60).files == 1


def test_what_a_letter_names_is_kept_and_counts_against_no_quota(world: World, depot: Depot) -> None:
    files = [some_file(4 * MB, seed) for seed in range(3)]
    for data, sha256 in files[:2]:
        assert world.ask(OPM, "PUT", f"/files/{sha256}", content=data).status_code == 201
        world.parties.add((OPM, sha256))
    data, sha256 = files[2]
    assert world.ask(OPM, "PUT", f"/files/{sha256}", content=data).status_code == 507
    assert depot.collect(int(world.now()) + KEPT + 60).files == 0
    assert len(stored(world)) == 2
    assert world.ask(OPM, "PUT", f"/files/{sha256}", content=data).status_code == 201


def test_one_agencys_presence_lapses_while_anothers_keeps_the_file(world: World, depot: Depot) -> None:
    data, sha256 = some_file(1000)
    start = world.now()
    world.ask(OPM, "PUT", f"/files/{sha256}", content=data)
    depot_now = start + KEPT - 60
    world.now = lambda: depot_now
    world.ask(OCS, "PUT", f"/files/{sha256}", content=data)
    assert depot.collect(int(start) + KEPT + 60).files == 0
    assert world.ask(OPM, "GET", f"/files/{sha256}").status_code == 404
    assert world.ask(OCS, "GET", f"/files/{sha256}").content == data


def test_showing_a_file_again_without_its_bytes_renews_a_presence(world: World, depot: Depot) -> None:
    data, sha256 = some_file(1000)
    start = world.now()
    world.ask(OPM, "PUT", f"/files/{sha256}", content=data)
    late = start + KEPT - 60
    world.now = lambda: late
    assert world.ask(OPM, "HEAD", f"/uploads/{sha256}").headers["Upload-Offset"] == "1000"
    whole = {"Upload-Offset": "1000", "Upload-Length": "1000"}
    assert world.ask(OPM, "PATCH", f"/uploads/{sha256}", headers=whole).status_code == 200
    assert depot.collect(int(start) + KEPT + 60).files == 0


def test_an_upload_that_nobody_went_on_with_is_let_go(world: World, depot: Depot) -> None:
    data, sha256 = some_file(MB)
    break_off(world, OPM, sha256, data[:500_000], len(data))
    await_end(world, OPM, sha256, 500_000)
    assert depot.collect(int(world.now()) + KEPT - 60).uploads == 0
    assert depot.collect(int(world.now()) + KEPT + 60).uploads == 1
    assert unfinished(world) == []


def test_bytes_that_a_crash_left_without_a_row_are_let_go(world: World, depot: Depot) -> None:
    data, sha256 = some_file(1000)
    with depot.begin(OPM, sha256, 1000) as upload:
        upload.write(data)
        upload.part.seal()
        depot._contents.put(upload.part.path, sha256)
    assert depot.received(OPM, sha256) == 0
    assert len(stored(world)) == 1
    assert depot.collect(int(world.now()) + KEPT + 60).files == 1
    assert stored(world) == []


def test_a_file_lost_from_the_disk_is_missing_and_can_be_put_again(world: World, depot: Depot) -> None:
    data, sha256 = some_file(1000)
    world.ask(OPM, "PUT", f"/files/{sha256}", content=data)
    stored(world)[0].unlink()
    assert depot.hold([Check(OPM, sha256, 1000)]) == [Presence.MISSING]
    assert world.ask(OPM, "HEAD", f"/uploads/{sha256}").headers["Upload-Offset"] == "0"
    assert world.ask(OPM, "PUT", f"/files/{sha256}", content=data).status_code == 200
    assert world.ask(OPM, "GET", f"/files/{sha256}").content == data


def test_nobody_ever_has_a_file_that_is_not_there_however_uploads_and_collection_meet(
    world: World, depot: Depot
) -> None:
    data, sha256 = some_file(1000)
    whole = Check(OPM, sha256, len(data))
    lapsed = int(world.now()) + KEPT + 60
    done = threading.Event()

    def put_again_and_again(agency: AgencyCode) -> int:
        puts = 0
        while puts < 40:
            # To a collection far in the future, an upload of this moment is one that nobody went on with.
            with suppress(RequestRefused), depot.begin(agency, sha256, len(data)) as upload:
                upload.write(data)
                upload.finish()
                puts += 1
        return puts

    def collect_all_the_time() -> int:
        files = 0
        while not done.is_set():
            files += depot.collect(lapsed).files
        return files

    with ThreadPoolExecutor(4) as pool:
        collecting = pool.submit(collect_all_the_time)
        putting = [pool.submit(put_again_and_again, agency) for agency in (OPM, OCS, SOC)]
        try:
            assert [one.result(60) for one in putting] == [40, 40, 40]
        finally:
            done.set()
        collected = collecting.result(60)
    assert collected > 0
    shown = [agency for agency in (OPM, OCS, SOC) if depot.received(agency, sha256)]
    assert bool(shown) == bool(stored(world))
    assert (depot.hold([whole]) == [Presence.OK]) == (OPM in shown)
    assert depot._index.shown(OPM, sha256) == (OPM in shown)
    assert unfinished(world) == []
