"""Files up and files down over lines that break, from depots that die and disks that lie."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import anyio
import anyio.lowlevel
import httpx
import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from adapters.depot import DepotClient
from adapters.refusals import FileUnavailable, NotTaken
from bus.depot.store import Limits
from bus.documents.seal import Seal
from bus.errors import Transient
from bus.identifiers import RawDigest
from bus.retry import Policy
from compose.ports import free_ports
from tests.assets import factory
from tests.assets.digests import NO_BYTES, raw_digest
from tests.assets.factory import OCS, OPM
from tests.contract.depot_rig import TLS, BreakingLine, World, depot_at, serving, some_file

MB = 1024 * 1024
SOON = Policy(first=0.02, longest=0.1, attempts=4)
ONCE = Policy(first=0.02, longest=0.1, attempts=1)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path / "depot", Limits(max_file_bytes=16 * MB))
    with depot_at(world):
        yield world


@pytest.fixture
def sent(tmp_path: Path) -> tuple[Path, bytes, RawDigest]:
    """A file of eight MiB on the sender's disk."""
    data, sha256 = some_file(8 * MB)
    path = tmp_path / "หนังสือ.pdf"
    path.write_bytes(data)
    return path, data, sha256


def client(world: World, agency: str = OPM, *, url: str = "", policy: Policy = SOON) -> DepotClient:
    return DepotClient(url or world.url, agency, world.seals[agency], tls=TLS, policy=policy)


def answered(world: World, method: str, status: int) -> int:
    """How often the depot answered so, by its own metrics."""
    metrics = httpx.get(world.url + "/metrics", verify=TLS).text
    line = rf'^saraban_depot_answers_total{{code="",method="{method}",status="{status}"}} (\d+)\.0$'
    found = re.search(line, metrics, re.MULTILINE)
    return int(found[1]) if found else 0


def open_here(path: Path) -> bool:
    """Whether this process has the file open."""
    its = os.stat(path)
    for name in os.listdir("/dev/fd"):
        with suppress(OSError):
            if os.path.samestat(os.fstat(int(name)), its):
                return True
    return False


Sent = tuple[Path, bytes, RawDigest]


async def test_a_file_goes_up_and_comes_down_as_it_was(world: World, sent: Sent, tmp_path: Path) -> None:
    path, data, sha256 = sent
    target = tmp_path / "down.pdf"
    async with client(world) as depot:
        assert (await depot.probe()).why is None
        await depot.upload(path, sha256, len(data))
        await depot.download(sha256, len(data), target)
    assert target.read_bytes() == data
    assert not target.with_name("down.pdf.part").exists()


async def test_an_empty_file_goes_up_and_comes_down(world: World, tmp_path: Path) -> None:
    path, sha256 = tmp_path / "empty", raw_digest(b"")
    path.touch()
    async with client(world) as depot:
        await depot.upload(path, sha256, 0)
        await depot.download(sha256, 0, tmp_path / "down")
    assert (tmp_path / "down").read_bytes() == b""


async def test_a_file_that_is_there_already_goes_up_without_its_bytes(world: World, sent: Sent) -> None:
    path, data, sha256 = sent
    with BreakingLine(world.url) as line:
        async with client(world, url=line.url) as depot:
            await depot.upload(path, sha256, len(data))
            once = line.carried["up"]
            await depot.upload(path, sha256, len(data))
        assert once > len(data)
        assert line.carried["up"] - once < 10_000


def more_arrived(world: World, sha256: str) -> Callable[[], bool]:
    """Whether the depot's part has grown since this said so last."""
    part, seen = world.folder / "incoming" / OPM / f"{sha256}.part", 0

    def grown() -> bool:
        nonlocal seen
        size = part.stat().st_size if part.exists() else 0
        more, seen = size > seen, max(size, seen)
        return more

    return grown


async def test_an_upload_whose_line_breaks_goes_on_where_it_broke(world: World, sent: Sent) -> None:
    path, data, sha256 = sent
    with BreakingLine(world.url, up=5 * MB, once=more_arrived(world, sha256)) as line:
        async with client(world, url=line.url) as depot:
            await depot.upload(path, sha256, len(data))
        assert line.cuts == 1
    assert answered(world, "PATCH", 201) == 1
    assert answered(world, "PUT", 201) == 0
    assert world.ask(OPM, "GET", f"/files/{sha256}").content == data


async def test_a_line_that_breaks_again_and_again_gets_the_file_through(world: World, sent: Sent) -> None:
    path, data, sha256 = sent
    with BreakingLine(world.url, up=MB // 2, cuts=7, once=more_arrived(world, sha256)) as line:
        async with client(world, url=line.url) as depot:
            await depot.upload(path, sha256, len(data))
        assert line.cuts == 7 > (SOON.attempts or 0)
    assert world.ask(OPM, "GET", f"/files/{sha256}").content == data


async def test_an_upload_that_breaks_leaves_its_file_closed(world: World, sent: Sent) -> None:
    path, data, sha256 = sent
    with BreakingLine(world.url, up=MB // 2, cuts=99) as line:
        async with client(world, url=line.url, policy=ONCE) as depot:
            with pytest.raises(Transient) as failure:
                await depot.upload(path, sha256, len(data))
        assert line.cuts
    # The failure still holds on to all that was under way.
    assert failure.value.__cause__ is not None
    assert not open_here(path)


async def test_a_download_whose_line_breaks_goes_on_where_it_broke(
    world: World, sent: Sent, tmp_path: Path
) -> None:
    path, data, sha256 = sent
    target = tmp_path / "down.pdf"
    async with client(world) as depot:
        await depot.upload(path, sha256, len(data))
    with BreakingLine(world.url, down=5 * MB) as line:
        async with client(world, url=line.url) as depot:
            await depot.download(sha256, len(data), target)
        assert line.cuts == 1
        assert line.carried["down"] < len(data) + 4 * MB
    assert target.read_bytes() == data


async def test_a_download_is_gone_on_with_by_the_next_process(
    world: World, sent: Sent, tmp_path: Path
) -> None:
    path, data, sha256 = sent
    target = tmp_path / "down.pdf"
    async with client(world) as depot:
        await depot.upload(path, sha256, len(data))
    with BreakingLine(world.url, down=5 * MB, cuts=99) as line:
        async with client(world, url=line.url, policy=ONCE) as depot:
            with pytest.raises(Transient):
                await depot.download(sha256, len(data), target)
    assert not target.exists()
    part = target.with_name("down.pdf.part")
    assert 0 < part.stat().st_size < len(data)
    with BreakingLine(world.url) as line:
        async with client(world, url=line.url) as depot:
            await depot.download(sha256, len(data), target)
        assert line.carried["down"] < len(data)
    assert target.read_bytes() == data
    assert not part.exists()


async def test_a_damaged_part_on_the_recipients_disk_is_fetched_anew(
    world: World, sent: Sent, tmp_path: Path
) -> None:
    path, data, sha256 = sent
    target = tmp_path / "down.pdf"
    target.with_name("down.pdf.part").write_bytes(bytes(MB))
    async with client(world) as depot:
        await depot.upload(path, sha256, len(data))
        await depot.download(sha256, len(data), target)
    assert target.read_bytes() == data


async def test_a_damaged_part_on_the_depots_disk_is_sent_anew(world: World, sent: Sent) -> None:
    path, data, sha256 = sent
    with BreakingLine(world.url, up=5 * MB, once=more_arrived(world, sha256)) as line:
        async with client(world, url=line.url, policy=ONCE) as depot:
            with pytest.raises(Transient):
                await depot.upload(path, sha256, len(data))
        assert line.cuts == 1
    [part] = (world.folder / "incoming").rglob("*.part")
    with part.open("r+b") as file:
        file.write(b"\0\0\0\0")
    async with client(world) as depot:
        await depot.upload(path, sha256, len(data))
    assert answered(world, "PUT", 201) == 1
    assert world.ask(OPM, "GET", f"/files/{sha256}").content == data


async def test_a_file_damaged_in_the_depot_never_gets_its_name(
    world: World, sent: Sent, tmp_path: Path
) -> None:
    path, data, sha256 = sent
    target = tmp_path / "down.pdf"
    async with client(world) as depot:
        await depot.upload(path, sha256, len(data))
        [stored] = (world.folder / "files").rglob(sha256)
        with stored.open("r+b") as file:
            file.write(bytes(10))
        with pytest.raises(FileUnavailable) as caught:
            await depot.download(sha256, len(data), target)
    assert caught.value.code == "file.digest"
    assert not target.exists()
    assert not target.with_name("down.pdf.part").exists()


async def test_a_file_of_another_size_than_the_letter_says_is_unavailable(
    world: World, sent: Sent, tmp_path: Path
) -> None:
    path, data, sha256 = sent
    async with client(world) as depot:
        with pytest.raises(FileUnavailable, match=r"file\.size"):
            await depot.upload(path, sha256, len(data) - 1)
        await depot.upload(path, sha256, len(data))
        with pytest.raises(FileUnavailable, match=r"file\.size"):
            await depot.download(sha256, len(data) - 1, tmp_path / "down")


async def test_a_file_that_changed_on_the_senders_disk_is_not_sent_as_the_other(
    world: World, sent: Sent
) -> None:
    path, data, sha256 = sent
    path.write_bytes(data[::-1])
    async with client(world) as depot:
        with pytest.raises(FileUnavailable, match=r"file\.digest"):
            await depot.upload(path, sha256, len(data))
    path.unlink()
    async with client(world) as depot:
        with pytest.raises(FileUnavailable, match=r"file\.unreadable"):
            await depot.upload(path, sha256, len(data))


async def test_a_stranger_learns_that_the_file_is_unknown(world: World, sent: Sent, tmp_path: Path) -> None:
    path, data, sha256 = sent
    async with client(world) as depot:
        await depot.upload(path, sha256, len(data))
    async with client(world, OCS) as depot:
        with pytest.raises(FileUnavailable, match=r"file\.unknown"):
            await depot.download(sha256, len(data), tmp_path / "down")


async def test_a_file_over_the_limit_is_refused_before_it_is_sent(world: World, tmp_path: Path) -> None:
    data, sha256 = some_file(16 * MB + 1)
    path = tmp_path / "large"
    path.write_bytes(data)
    with BreakingLine(world.url) as line:
        async with client(world, url=line.url) as depot:
            with pytest.raises(FileUnavailable, match=r"file\.too-large"):
                await depot.upload(path, sha256, len(data))
        assert line.carried["up"] < 10_000


async def test_a_key_that_the_depot_does_not_believe_condemns_no_file(
    world: World, sent: Sent, tmp_path: Path
) -> None:
    _, data, sha256 = sent
    async with DepotClient(world.url, OPM, factory.seal("stranger"), tls=TLS, policy=ONCE) as depot:
        with pytest.raises(Transient, match=r"token\.key"):
            await depot.download(sha256, len(data), tmp_path / "down")


async def test_a_depot_that_is_away_is_a_transient(world: World, sent: Sent, tmp_path: Path) -> None:
    path, data, sha256 = sent
    with socket.create_server(("127.0.0.1", 0)) as closed:
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
    async with client(world, url=url) as depot:
        assert (await depot.probe()).why is not None
        with pytest.raises(Transient):
            await depot.upload(path, sha256, len(data))
        with pytest.raises(Transient):
            await depot.download(sha256, len(data), tmp_path / "down")


async def test_a_disk_of_the_recipient_that_fails_condemns_no_file(
    world: World, sent: Sent, tmp_path: Path
) -> None:
    path, data, sha256 = sent
    async with client(world, policy=ONCE) as depot:
        await depot.upload(path, sha256, len(data))
        with pytest.raises(Transient, match="disk"):
            await depot.download(sha256, len(data), tmp_path / "no-such-folder" / "down")


@pytest.mark.parametrize(
    "answer",
    [
        Response("<html>not found</html>", 404),
        Response(status_code=302, headers={"Location": "/elsewhere"}),
        Response(b"x" * 10, 206, {"Content-Range": "bytes 7-16/99"}),
        Response(b"x" * 10, 206),
        Response(status_code=204, headers={"Content-Length": "99"}),
    ],
    ids=["a-proxys-404", "redirect", "another-range", "no-range", "nothing"],
)
async def test_an_answer_that_no_depot_gives_condemns_no_file(tmp_path: Path, answer: Response) -> None:
    async def anything(_request: Request) -> Response:
        return answer

    with serving(Starlette(routes=[Route("/{path:path}", anything)])) as url:
        async with DepotClient(url, OPM, factory.seal(), tls=TLS, policy=ONCE) as depot:
            with pytest.raises(Transient):
                await depot.download(NO_BYTES, 99, tmp_path / "down")
            (tmp_path / "up").write_bytes(bytes(99))
            with pytest.raises(Transient):
                await depot.upload(tmp_path / "up", NO_BYTES, 99)


# ── a depot in a process of its own ────────────────────────────────────────────────────────────────


class DepotProcess:
    """A depot that can be killed and started again at the same address."""

    def __init__(self, folder: Path, seal: Seal) -> None:
        self._folder = folder
        self._certificate = folder.with_suffix(".pem")
        self._certificate.write_bytes(seal.certificate.public_bytes(Encoding.PEM))
        (self._port,) = free_ports(1)  # none that an outgoing connection may be given while it is down
        self.url = f"http://127.0.0.1:{self._port}"
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Start it; returns when it serves."""
        words = [sys.executable, "-m", "tests.contract.depot_process", str(self._folder), str(self._port)]
        self.process = subprocess.Popen(
            [*words, f"{OPM}={self._certificate}"], stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "serving\n"

    def end(self, signum: signal.Signals = signal.SIGTERM) -> int:
        """Signal it, wait, and return how it ended."""
        assert self.process is not None
        assert self.process.stdout is not None
        self.process.send_signal(signum)
        code = self.process.wait(20)
        self.process.stdout.close()
        return code

    def memory(self, which: str = "VmRSS") -> int:
        """Bytes of its memory, now or (VmHWM) at most so far."""
        assert self.process is not None
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(rf"^{which}:\s+(\d+) kB$", status, re.MULTILINE)
        assert found
        return int(found[1]) * 1024


@contextmanager
def depot_process(folder: Path, seal: Seal) -> Iterator[DepotProcess]:
    depot = DepotProcess(folder, seal)
    depot.start()
    try:
        yield depot
    finally:
        assert depot.process is not None
        if depot.process.poll() is None:
            depot.end()


async def test_a_depot_killed_in_the_middle_of_an_upload_goes_on_with_it_when_it_is_back(
    tmp_path: Path, sent: Sent
) -> None:
    path, data, sha256 = sent
    seal = factory.seal()
    with depot_process(tmp_path / "depot", seal) as depot, BreakingLine(depot.url) as line:
        part = tmp_path / "depot" / "incoming" / OPM / f"{sha256}.part"
        slow = Policy(first=0.1, longest=0.3, attempts=60)
        async with DepotClient(line.url, OPM, seal, tls=TLS, policy=slow) as up:
            async with anyio.create_task_group() as group:
                group.start_soon(up.upload, path, sha256, len(data))
                with anyio.fail_after(20):
                    while not (part.exists() and part.stat().st_size > MB):
                        await anyio.lowlevel.checkpoint()
                assert depot.end(signal.SIGKILL) == -signal.SIGKILL
                kept = part.stat().st_size
                assert kept < len(data)
                depot.start()
            await up.download(sha256, len(data), tmp_path / "down")
        assert line.carried["up"] < 2 * len(data) - kept + 4 * MB
    assert (tmp_path / "down").read_bytes() == data


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads memory from Linux's /proc")
async def test_memory_stays_flat_for_a_file_of_300_megabytes(tmp_path: Path) -> None:
    size, seal = 300 * MB, factory.seal()
    path, target = tmp_path / "large", tmp_path / "down"
    sha256 = write_large(path, size)
    with depot_process(tmp_path / "depot", seal) as depot:
        async with DepotClient(depot.url, OPM, seal, tls=TLS) as line:
            assert (await line.probe()).why is None
            idle, own_idle = depot.memory(), own_memory()
            await line.upload(path, sha256, size)
            path.unlink()
            await line.download(sha256, size, target)
        grown, own_grown = depot.memory("VmHWM") - idle, own_memory() - own_idle
    assert target.stat().st_size == size
    # What pytest would keep of the last three runs.
    target.unlink()
    shutil.rmtree(tmp_path / "depot")
    assert grown < 100 * MB, f"the depot grew by {grown / MB:.0f} MiB"
    assert own_grown < 100 * MB, f"the adapter grew by {own_grown / MB:.0f} MiB"


def own_memory() -> int:
    found = re.search(r"^VmHWM:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert found
    return int(found[1]) * 1024


def write_large(path: Path, size: int) -> RawDigest:
    """A large file, of which no two MiB are alike."""
    digest, block = hashlib.sha256(), os.urandom(MB)
    with path.open("wb") as file:
        for number in range(size // MB):
            some = number.to_bytes(8, "big") + block[8:]
            digest.update(some)
            file.write(some)
    return RawDigest(digest.hexdigest())


# ── what stands between ─────────────────────────────────────────────────────────────────────────────


@contextmanager
def answering(status: int, headers: dict[str, str]) -> Iterator[str]:
    """Something that is no depot and answers every request in one way, without reading what it is sent."""

    async def answer(_request: Request) -> Response:
        return Response("no", status, headers)

    methods = ["GET", "HEAD", "PUT", "PATCH"]
    with serving(Starlette(routes=[Route("/{path:path}", answer, methods=methods)])) as url:
        yield url


@pytest.mark.parametrize(("status", "code"), [(413, "file.too-large"), (415, "file.refused")])
@pytest.mark.parametrize("size", [1000, 3 * MB])
async def test_a_proxy_that_never_takes_a_file_is_told_at_once(
    world: World, tmp_path: Path, status: int, code: str, size: int
) -> None:
    data, sha256 = some_file(size)
    (tmp_path / "a.pdf").write_bytes(data)
    with answering(status, {}) as url:
        async with client(world, url=url) as depot:
            with pytest.raises(FileUnavailable) as refused:
                await depot.upload(tmp_path / "a.pdf", sha256, size)
    assert refused.value.code == code


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (401, "token.time", "clock"),
        (401, "", "clock"),
        (403, "agency.suspended", "suspended"),
        (403, "", "proxy"),
        (407, "", "login"),
        (429, "token.too-many", "too often"),
        (507, "quota.exceeded", "share"),
        (302, "", "depot.url"),
        (404, "", "depot.url"),
        (400, "", "depot.url"),
        (451, "", "depot.url"),
    ],
)
async def test_what_somebody_has_to_see_to_is_told_with_what_to_do(
    world: World, tmp_path: Path, status: int, code: str, words: str
) -> None:
    data, sha256 = some_file(1000)
    (tmp_path / "a.pdf").write_bytes(data)
    with answering(status, {"Saraban-Code": code} if code else {}) as url:
        async with client(world, url=url, policy=ONCE) as depot:
            with pytest.raises(NotTaken, match=words) as told:
                await depot.upload(tmp_path / "a.pdf", sha256, 1000)
            assert str(status) in str(told.value)
            with pytest.raises(Transient):
                await depot.download(sha256, 1000, tmp_path / "b.pdf")


@pytest.mark.parametrize("status", [500, 502, 503, 504, 408])
async def test_what_passes_by_itself_is_only_tried_again(world: World, tmp_path: Path, status: int) -> None:
    data, sha256 = some_file(1000)
    (tmp_path / "a.pdf").write_bytes(data)
    with answering(status, {}) as url:
        async with client(world, url=url, policy=ONCE) as depot:
            with pytest.raises(Transient) as away:
                await depot.upload(tmp_path / "a.pdf", sha256, 1000)
    assert not isinstance(away.value, NotTaken)


@pytest.mark.parametrize("status", [413, 415])
async def test_no_letter_is_given_up_for_what_a_proxy_says_of_a_download(
    world: World, tmp_path: Path, status: int
) -> None:
    with answering(status, {}) as url:
        async with client(world, url=url, policy=ONCE) as depot:
            with pytest.raises(Transient):
                await depot.download(NO_BYTES, 1000, tmp_path / "b.pdf")
