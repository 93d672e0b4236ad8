"""A cluster of private broker nodes on loopback, any of which can be frozen or cut off from the others.

They share one cookie, one operator and one epmd, the first node's: while that node is down, none can join or come back.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Self

from compose.node import Node, NodeFailed
from compose.ports import LOOPBACK

_SECRETS = ("operator.password", "home/.erlang.cookie")
_ADVANCED = "[{kernel, [{net_ticktime, 8}]}].\n"
"""After so many seconds, give or take a quarter, the others count a frozen node as down. Until then they let nobody in
who connects anew and leave its queues without a leader: for a minute, by Erlang's default."""


class Nodes:
    """So many nodes, one cluster; a context manager that leaves no process behind."""

    def __init__(self, folder: Path, *, count: int = 3, settings: Mapping[str, object] | None = None) -> None:
        names = [f"node{number}" for number in range(1, count + 1)]
        formation = {
            "cluster_formation.peer_discovery_backend": "classic_config",
            **{
                f"cluster_formation.classic_config.nodes.{number}": f"{name}@localhost"
                for number, name in enumerate(names, start=1)
            },
            **(settings or {}),
        }
        self.all = [Node(folder / name, name=name, settings=formation) for name in names]
        self._parted: set[Node] = set()
        for node in self.all[1:]:
            node.ports = replace(node.ports, epmd=self.all[0].ports.epmd)

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def url(self, vhost: str, user: str, password: str) -> str:
        """The AMQP URL of a user in a vhost, with every node as a host."""
        login = self.all[0].url(vhost, user, password)
        here = f"@{LOOPBACK}:{self.all[0].ports.amqp}/"
        return login.replace(here, f"@{self.hosts}/")

    @property
    def hosts(self) -> str:
        """The nodes' hosts and ports, as they stand in a URL."""
        return ",".join(host_of(node) for node in self.all)

    def at(self, host: str | None) -> Node:
        """The node at this host and port."""
        return next(node for node in self.all if host_of(node) == host)

    @property
    def amqp_url(self) -> str:
        """Where AMQP is spoken, without a user: every node is a host."""
        return f"amqp://{self.hosts}"

    @property
    def management_url(self) -> str:
        """The HTTP API of the first node, with the operator's name and password in the URL."""
        return self.all[0].management_url

    def kill(self) -> None:
        """Stop all of them hard."""
        for node in reversed(self.all):
            node.kill()

    def freeze(self, node: Node) -> None:
        """Suspend a node (SIGSTOP): its connections stay open and nothing answers, clients and nodes alike."""
        self._parted.add(node)
        node.freeze()

    def cut_off(self, node: Node) -> None:
        """Break a node's connections to the others, and let none be made: its clients notice nothing of it."""
        self._parted.add(node)
        self._let(node, "'another cookie'")
        node.ctl("eval", "[erlang:disconnect_node(N) || N <- nodes()].")

    def recover(self) -> None:
        """Undo what the faults above have done, and wait until all nodes see each other."""
        for node in self.all:
            node.recover()
        # What was parted stays so, in its own eyes and the others', until it is started anew.
        while self._parted:
            node = self._parted.pop()
            self._let(node, "erlang:get_cookie()")
            node.ctl("stop_app", timeout=60)
            node.ctl("start_app", timeout=60)
            if len(self._running(node)) < len(self.all):
                raise NodeFailed(f"{node.nodename} sees only {self._running(node)}")

    def _start(self) -> None:
        first, *others = self.all
        for node in self.all:
            node.folder.mkdir(parents=True, exist_ok=True)
            (node.folder / "advanced.config").write_text(_ADVANCED)
        first.start()
        for node in others:
            for name in _SECRETS:
                (node.folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(first.folder / name, node.folder / name)
        with ThreadPoolExecutor() as threads:
            list(threads.map(Node.start, others))
        if len(self._running(first)) < len(self.all):
            raise NodeFailed(f"no cluster: {first.nodename} sees {self._running(first)}")

    def _let(self, node: Node, cookie: str) -> None:
        """Have a node use this cookie (an Erlang term) with each of the others, in both directions."""
        others = [f"'{each.nodename}'" for each in self.all if each is not node]
        node.ctl("eval", f"[erlang:set_cookie(N, {cookie}) || N <- [{', '.join(others)}]].")

    def _running(self, node: Node) -> list[str]:
        return re.findall(r"\w+@localhost", node.ctl("eval", "rabbit_mnesia:cluster_nodes(running)."))


def host_of(node: Node) -> str:
    """A node's host and port for AMQP."""
    return f"{LOOPBACK}:{node.ports.amqp}"
