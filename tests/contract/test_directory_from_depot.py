"""A version of the directory from the depot: by its digest, packed, in pieces, and to agencies only."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from adapters.depot import DepotClient
from adapters.refusals import FileUnavailable
from bus.depot.app import build_app
from bus.errors import Transient
from bus.identifiers import RawDigest
from bus.ledger.entry import Kind
from bus.ledger.store import Ledger
from bus.retry import Policy
from bus.serve import PackedDirectories
from tests.assets.factory import OCS, OPM, SOC
from tests.contract import ledger_rig as rig
from tests.contract.depot_rig import TLS, BreakingLine, World, serving, some_file

SOON = Policy(first=0.02, longest=0.1, attempts=4)
CONTENT = b"".join(
    b"agency/%010d %s\n" % (number, some_file(300, number)[0].hex().encode()) for number in range(900)
)
DIGEST = RawDigest(hashlib.sha256(CONTENT).hexdigest())
NO_SUCH = RawDigest("0" * 64)
PATH = f"/directories/{DIGEST}"


class Depot(World):
    """A world whose ledger has one version."""

    given: bytes = gzip.compress(CONTENT, mtime=0)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Depot]:
    world = Depot(tmp_path / "depot")
    depot = world.open_depot()
    access = replace(world.access(), directory=lambda digest: world.given if digest == DIGEST else None)
    try:
        with serving(build_app(depot, access, clock=lambda: world.now())) as world.url:
            yield world
    finally:
        depot.close()


def client(world: World, url: str = "") -> DepotClient:
    return DepotClient(url or world.url, OPM, world.seals[OPM], tls=TLS, policy=SOON)


async def test_an_agency_fetches_a_version_packed_and_verified(world: Depot) -> None:
    async with client(world) as depot:
        assert await depot.directory(DIGEST, len(CONTENT)) == CONTENT


def test_it_may_be_kept_for_ever_and_asked_for_in_pieces(world: Depot) -> None:
    whole = world.ask(OPM, "GET", PATH, headers={"Accept-Encoding": "gzip"})
    assert (whole.status_code, whole.content) == (200, CONTENT)
    assert whole.headers["Cache-Control"] == "private, max-age=31536000, immutable"
    assert whole.headers["Vary"] == "Accept-Encoding"
    etag = whole.headers["ETag"]
    again = world.ask(OPM, "GET", PATH, headers={"Accept-Encoding": "gzip", "If-None-Match": etag})
    assert (again.status_code, again.content) == (304, b"")
    rest = {"Accept-Encoding": "gzip", "Range": "bytes=100-", "If-Range": etag}
    part = world.ask(OPM, "HEAD", PATH, headers=rest)
    assert part.status_code == 206
    assert part.headers["Content-Range"] == f"bytes 100-{len(world.given) - 1}/{len(world.given)}"
    beyond = world.ask(OPM, "HEAD", PATH, headers=rest | {"Range": f"bytes={len(world.given)}-"})
    assert beyond.status_code == 416
    plain = world.ask(OPM, "GET", PATH, headers={"Accept-Encoding": "identity"})
    assert (plain.content, plain.headers["ETag"]) == (CONTENT, f'"{DIGEST}"')
    assert "Content-Encoding" not in plain.headers


def test_nobody_but_an_agency_gets_it_and_what_there_is_not_is_unknown(world: Depot) -> None:
    assert world.ask(OPM, "GET", PATH, token="none").status_code == 401
    assert world.ask("bus", "GET", PATH).status_code == 403
    world.suspended.add(OCS)
    assert world.ask(OCS, "GET", PATH).status_code == 200
    for other in ("0" * 64, "x"):
        unknown = world.ask(OPM, "GET", f"/directories/{other}")
        assert (unknown.status_code, unknown.headers["Saraban-Code"]) == (404, "file.unknown")


async def test_a_line_that_breaks_again_and_again_gets_it_through(world: Depot) -> None:
    line = BreakingLine(world.url, down=len(world.given) // 5, cuts=3)
    with line:
        async with client(world, line.url) as depot:
            assert await depot.directory(DIGEST, len(CONTENT)) == CONTENT


@pytest.mark.parametrize("lie", ["other", "no gzip", "cut off", "a bomb"])
async def test_what_is_not_the_version_is_refused(world: Depot, lie: str) -> None:
    world.given = {
        "other": gzip.compress(b"x" * len(CONTENT)),
        "no gzip": CONTENT[:1000],
        "cut off": world.given[:-100],
        "a bomb": gzip.compress(bytes(200_000_000)),
    }[lie]
    async with client(world) as depot:
        with pytest.raises((FileUnavailable, Transient)):
            await depot.directory(DIGEST, len(CONTENT))


def test_the_ledger_gives_every_version_that_was_in_force_and_no_other(ledger: Ledger) -> None:
    router = rig.Router(ledger)
    digests = []
    for version in (1, 2, 3):
        router.activate(rig.directory(version, SOC=rig.agency(SOC, abbrev_th=f"ช{version}")))
        with ledger.read() as reader:
            assert reader.directories.content(NO_SUCH) is None
        digests.append(RawDigest(rig.entries_of_kind(ledger, Kind.DIRECTORY)[-1]["digest"]))
    packed = PackedDirectories(ledger)
    for digest in [*digests, digests[0]]:
        found = packed.packed(digest)
        assert found is not None
        assert hashlib.sha256(gzip.decompress(found)).hexdigest() == digest
    assert packed.packed(NO_SUCH) is None
