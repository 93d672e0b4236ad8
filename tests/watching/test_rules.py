"""The rules for Prometheus, by `promtool`: each alert fires when it should, and does not when it should not."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from compose.programs import find
from tests.project import ROOT
from tests.watching.alert_cases import CASES, Case

RULES = ROOT / "compose" / "prometheus"
LOOKED_AT = "2h"


def alerts() -> dict[str, dict[str, Any]]:
    """The alert rules, by name."""
    groups = yaml.safe_load((RULES / "alerts.yml").read_text(encoding="utf-8"))["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"]}


def promtool(*words: str) -> subprocess.CompletedProcess[str]:
    program = find("promtool")
    assert program, "promtool is not installed: make setup"
    return subprocess.run([str(program), *words], capture_output=True, text=True, timeout=120, check=False)


def test_prometheus_takes_the_rules_and_the_example_of_its_settings() -> None:
    for words in (("rules", "recording.yml", "alerts.yml"), ("config", "prometheus.yml")):
        done = promtool("check", words[0], *(str(RULES / name) for name in words[1:]))
        assert done.returncode == 0, done.stdout + done.stderr


def _tests(cases: dict[str, Case]) -> Iterator[dict[str, Any]]:
    rules = alerts()
    for name, case in cases.items():
        rule = rules[name]
        fired = {
            "exp_labels": {"severity": rule["labels"]["severity"], **case.labels},
            "exp_annotations": rule["annotations"],
        }
        for series, expected in ((case.fires, [fired]), (case.calm, [])):
            yield {
                "interval": "1m",
                "input_series": [{"series": one, "values": values} for one, values in series.items()],
                "alert_rule_test": [{"eval_time": LOOKED_AT, "alertname": name, "exp_alerts": expected}],
            }


def outcome(folder: Path, cases: dict[str, Case]) -> subprocess.CompletedProcess[str]:
    file = folder / "alerts.test.yml"
    rule_files = [str(RULES / name) for name in ("recording.yml", "alerts.yml")]
    file.write_text(
        yaml.safe_dump({"rule_files": rule_files, "evaluation_interval": "5m", "tests": list(_tests(cases))}),
        encoding="utf-8",
    )
    return promtool("test", "rules", str(file))


def test_every_alert_fires_when_it_should_and_not_otherwise(tmp_path: Path) -> None:
    assert set(CASES) == set(alerts())
    done = outcome(tmp_path, CASES)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_case_that_is_wrong_is_found(tmp_path: Path) -> None:
    case = CASES["SarabanMailboxUnread"]
    done = outcome(tmp_path, {"SarabanMailboxUnread": case._replace(fires=case.calm)})
    assert done.returncode == 1
    assert "SarabanMailboxUnread" in done.stdout + done.stderr


@pytest.mark.parametrize("name", alerts())
def test_an_alert_says_in_both_languages_what_is_so_and_where_to_read_what_to_do(name: str) -> None:
    rule = alerts()[name]
    assert rule["labels"]["severity"] in ("critical", "warning", "info")
    said = rule["annotations"]
    assert set(said) == {"summary_th", "summary_en", "runbook_url"}
    assert re.search("[ก-๙]", said["summary_th"])
    assert re.fullmatch(r"[A-Z][ -~]+\.", said["summary_en"])
    page, anchor = said["runbook_url"].split("#")
    manual = (ROOT / page).read_text(encoding="utf-8")
    (row,) = (line for line in manual.splitlines() if f'<a id="{anchor}"></a>' in line)
    assert f"`{name}` | {rule['labels']['severity']} |" in row


def test_the_example_for_alertmanager_tells_everybody_it_names() -> None:
    file = ROOT / "compose" / "alertmanager" / "alertmanager.yml"
    if program := find("amtool"):
        done = subprocess.run(
            [str(program), "check-config", str(file)], capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
    settings = yaml.safe_load(file.read_text(encoding="utf-8"))
    assert set(settings) == {"global", "route", "inhibit_rules", "receivers"}
    receivers = {one["name"]: set(one) - {"name"} for one in settings["receivers"]}
    routes = [settings["route"], *settings["route"]["routes"]]
    assert {one["receiver"] for one in routes} == set(receivers)
    assert set().union(*receivers.values()) == {"email_configs", "webhook_configs"}
    text = file.read_text(encoding="utf-8")
    named = set(re.findall(r"Saraban[A-Za-z]+", text))
    assert named <= set(alerts())
    # Placeholders only: no secret stands in the file itself.
    assert not re.search(r"^\s*(smtp_auth_password|credentials|password|token):", text, re.MULTILINE)
    assert all(host.endswith("example.go.th") for host in re.findall(r"[\w.-]+\.go\.th", text))
