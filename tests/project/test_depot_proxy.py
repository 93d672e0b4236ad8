"""The example of a proxy before the depot says what it has to, as far as its text can tell: nginx itself is not run."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from bus.settings import BusSettings
from tests.project import ROOT

TEXT = (ROOT / "config" / "depot-proxy.conf").read_text(encoding="utf-8")
UNITS = {"m": 2**20, "g": 2**30}
Block = dict[str, list[list[str]]]


def tokens(text: str) -> Iterator[str]:
    """The words of a configuration, with braces and semicolons by themselves (no quotes but empty ones, no escapes)."""
    for line in text.splitlines():
        yield from re.findall(r'""|[{};]|[^\s{};]+', line.partition("#")[0])


def read(words: Iterator[str], closing: str = "") -> tuple[Block, dict[str, Block]]:
    """The directives of a block, by name, and the blocks in it, by their heading."""
    directives: Block = {}
    blocks: dict[str, Block] = {}
    said: list[str] = []
    for word in words:
        if word == closing:
            assert not said, f"{said} is not ended by a semicolon"
            return directives, blocks
        if word == ";":
            directives.setdefault(said[0], []).append(said[1:])
        elif word == "{":
            inner, more = read(words, "}")
            assert " ".join(said) not in blocks
            blocks[" ".join(said)] = inner
            blocks |= {f"{' '.join(said)} / {name}": block for name, block in more.items()}
        else:
            said.append(word)
            continue
        said = []
    assert not closing, "a block is not closed"
    assert not said
    return directives, blocks


OUTSIDE, BLOCKS = read(tokens(TEXT))
SERVER = BLOCKS["server"]


def test_nothing_stands_outside_of_a_block_and_there_is_one_server() -> None:
    assert OUTSIDE == {}
    assert set(BLOCKS) == {"upstream depot", "server", "server / location /", "server / location = /metrics"}


def test_it_listens_with_tls_alone() -> None:
    assert SERVER["listen"] == [["443", "ssl"], ["[::]:443", "ssl"]]
    assert SERVER["ssl_protocols"] == [["TLSv1.2", "TLSv1.3"]]
    assert {"ssl_certificate", "ssl_certificate_key"} <= SERVER.keys()


def test_it_goes_to_the_depot_where_that_listens_by_default() -> None:
    depot = BusSettings().depot
    assert BLOCKS["upstream depot"]["server"] == [[f"{depot.listen_host}:{depot.listen_port}"]]
    assert BLOCKS["server / location /"]["proxy_pass"] == [["http://depot"]]


def test_every_file_that_the_depot_takes_gets_through_as_it_comes() -> None:
    ((size,),) = SERVER["client_max_body_size"]
    assert int(size[:-1]) * UNITS[size[-1]] >= BusSettings().depot.max_file_bytes
    assert SERVER["proxy_request_buffering"] == SERVER["proxy_buffering"] == [["off"]]
    assert SERVER["proxy_http_version"] == [["1.1"]]


def test_metrics_are_kept_inside_and_what_adapters_ask_for_is_not() -> None:
    assert BLOCKS["server / location = /metrics"] == {"return": [["404"]]}


@pytest.mark.parametrize("directive", ["client_header_timeout", "client_body_timeout", "send_timeout"])
def test_slow_clients_are_bounded_where_they_are_seen(directive: str) -> None:
    ((seconds,),) = SERVER[directive]
    assert 0 < int(seconds.removesuffix("s")) <= 60
