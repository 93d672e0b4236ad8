"""A pack whose entries and directory say anything at all: the verifier comes to a verdict, and nothing is raised."""

from __future__ import annotations

import json
import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bus.ledger.store import Ledger
from bus.verifier import proving
from bus.verifier.checking import judge
from bus.verifier.cli import report_of
from bus.verifier.findings import Result
from bus.verifier.printing import json_text
from tests.assets import factory
from tests.assets.factory import DGA, SOC
from tests.contract.lived import live
from tests.contract.test_evidence import Members, extended, members_of, packed, repacked

VALUES: st.SearchStrategy[Any] = st.one_of(
    st.sampled_from(
        [None, True, -1, 0, 3, 1e308, "", "accepted", "notice", "9999999999", [], {}, [[]], {"": {}}]
    ),
    st.text(max_size=5),
    st.lists(st.sampled_from(["0100900000", 7, None, {}]), max_size=3),
    st.just("\ud800\x1b[2J"),
)


@pytest.fixture(scope="module")
def honest(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Members:
    """The members of a pack in which everything is right."""
    folder = tmp_path_factory.mktemp("lived")
    shutil.copy(sqlite_template, folder / "ledger.db")
    lived = live(Ledger(f"sqlite:///{folder / 'ledger.db'}"), folder)
    extended(lived, timedelta(days=1), SOC, DGA)
    lived.signer.sign()
    members = members_of(packed(lived, folder / "pack.asice"))
    lived.ledger.close()
    return members


def changed(value: Any, data: st.DataObject) -> Any:
    """The same with something else at a random place of it, or without it."""
    if isinstance(value, dict) and value and data.draw(st.booleans(), "deeper"):
        name = data.draw(st.sampled_from(sorted(value)), "name")
        if data.draw(st.integers(0, 4), "remove") == 0:
            return {key: each for key, each in value.items() if key != name}
        return value | {name: changed(value[name], data)}
    if isinstance(value, list) and value and data.draw(st.booleans(), "deeper"):
        place = data.draw(st.integers(0, len(value) - 1), "place")
        return [*value[:place], changed(value[place], data), *value[place + 1 :]]
    return data.draw(VALUES, "value")


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_the_entries_say_there_is_a_verdict(
    honest: Members, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: st.DataObject
) -> None:
    """As if somebody had a tree made for it, and the bus's key: every proof holds, and the container is signed anew."""
    members = dict(honest)
    names = [name for name in members if name.endswith(".json")]
    for name in data.draw(st.lists(st.sampled_from(names), min_size=1, max_size=2, unique=True), "members"):
        members[name] = json.dumps(changed(json.loads(members[name]), data)).encode()
    path = repacked(tmp_path / "forged.asice", members, by=factory.seal("bus"))
    with monkeypatch.context() as patched:
        patched.setattr(proving, "require_inclusion", lambda *_: None)
        findings = judge(path, None)
    assert findings.verdict in (Result.FAIL, Result.INDETERMINATE)
    json.loads(json_text(report_of(findings)))
