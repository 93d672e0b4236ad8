"""A real Prometheus that watches a bus: its own folder and port, and the example settings with other targets."""

from __future__ import annotations

import json
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from compose.local import LOOPBACK, free_port
from compose.process import Process
from compose.programs import find
from tests.project import ROOT

EXAMPLES = ROOT / "compose" / "prometheus"


class Prometheus:
    """What it knows, asked over HTTP."""

    def __init__(self, url: str) -> None:
        self._url = url

    def ask(self, expression: str) -> list[dict[str, Any]]:
        """The series that an expression has now. Fails where Prometheus does not take it."""
        found: list[dict[str, Any]] = self._get("query", query=expression)["result"]
        return found

    def value(self, expression: str) -> float | None:
        """The one value of an expression; None while it has none."""
        found = self.ask(expression)
        assert len(found) <= 1, found
        return float(found[0]["value"][1]) if found else None

    def targets(self) -> dict[str, str]:
        """The health of each job's targets."""
        found = self._get("targets")["activeTargets"]
        return {one["labels"]["job"]: one["health"] for one in found}

    def rules(self) -> list[dict[str, Any]]:
        """Every rule with its health."""
        return [rule for group in self._get("rules")["groups"] for rule in group["rules"]]

    def _get(self, what: str, **asked: str) -> Any:
        url = f"{self._url}/api/v1/{what}?{urllib.parse.urlencode(asked)}"
        with urllib.request.urlopen(url, timeout=10) as answer:
            said = json.loads(answer.read())
        assert said["status"] == "success", (asked, said)
        return said["data"]


@contextmanager
def watching(folder: Path, targets: Mapping[str, list[str]]) -> Iterator[Prometheus]:
    """Run it with the example's jobs and rules; `targets` are the addresses of each job."""
    program = find("prometheus")
    assert program, "Prometheus is not installed: make setup"
    settings = yaml.safe_load((EXAMPLES / "prometheus.yml").read_text(encoding="utf-8"))
    settings["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    settings["rule_files"] = [str(EXAMPLES / name) for name in settings["rule_files"]]
    del settings["alerting"]
    for job in settings["scrape_configs"]:
        job["static_configs"] = [{"targets": targets[job["job_name"]]}]
    folder.mkdir()
    (folder / "prometheus.yml").write_text(yaml.safe_dump(settings, allow_unicode=True), encoding="utf-8")
    address = f"{LOOPBACK}:{free_port()}"
    command = [
        str(program),
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={address}",
        "--storage.tsdb.retention.time=1h",
        "--log.level=warn",
    ]
    process = Process("prometheus", command, folder / "prometheus.log")
    with _running(process):
        yield Prometheus(f"http://{address}")


@contextmanager
def _running(process: Process) -> Iterator[None]:
    try:
        process.start()
        yield
    finally:
        process.stop()
