"""What went wrong is said in the language of the page wherever its code has a sentence, and its code beside it."""

from __future__ import annotations

import html
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from bus.console.asked import Asked
from bus.console.roles import EVERYBODY
from bus.console.sentences import sentence_of
from bus.depot import refusals as of_depot
from bus.documents.tokens import Denied, Doubt
from bus.enrolment.order_refusals import OrderRefusal, OrderRefused
from bus.enrolment.refusals import EnrolmentRefused
from bus.enrolment.refusals import Refusal as EnrolmentRefusal
from bus.errors import BusError, Misconfigured, Problem, RefusalCode, Refused
from bus.ledger.store import Ledger
from bus.operators import Role
from bus.pages.answers import Answer, Page
from tests.contract.console_rig import Console, console_over

_THAI = re.compile("[\u0e00-\u0e7f]")


def errors() -> Iterator[BusError]:
    """Every error that has a code, once for each code of its kind."""
    yield from map(Refused, RefusalCode)
    yield from map(OrderRefused, OrderRefusal)
    yield from map(EnrolmentRefused, EnrolmentRefusal)
    yield from map(of_depot.RequestRefused, of_depot.Refusal)
    for doubt in Doubt:
        yield Denied(doubt, "for a log only")


ALL = list(errors())
WITHOUT = Misconfigured(Problem("bus.toml", "ledger.url", "is <none>", "Set it"))


def raising(asked: Asked) -> Answer:
    raise [*ALL, WITHOUT][int(asked.path["place"])]


@pytest.fixture(scope="module")
def console(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    folder = tmp_path_factory.mktemp("sentences")
    shutil.copy(sqlite_template, folder / "ledger.db")
    with pytest.MonkeyPatch.context() as patched, Ledger(f"sqlite:///{folder / 'ledger.db'}") as ledger:
        patched.setattr("bus.console.app.PAGES", (Page("/raising/{place:int}", EVERYBODY, raising),))
        with console_over(ledger, folder) as opened:
            yield opened


def test_every_code_has_a_sentence_on_the_page_in_its_language(console: Console) -> None:
    visitor = console.visited_by(Role.STEWARD)
    for place, error in enumerate(ALL):
        said = sentence_of(error)
        assert said is not None, error
        assert _THAI.search(said[0]), error
        assert not _THAI.search(said[1]), error
        for language, wanted, other in (("th", said[0], said[1]), ("en", said[1], said[0])):
            answer = visitor.get(f"/raising/{place}?lang={language}")
            assert answer.status_code == 409
            text = html.unescape(answer.text)
            assert wanted in text, error
            assert other not in text, error
            assert f'<code lang="en">{error}</code>' in text
        twin = visitor.get(f"/raising/{place}.json").json()
        assert (twin["detail"], twin["th"], twin["en"]) == (str(error), *said)


def test_what_has_no_code_is_said_as_it_is_and_marked_as_english(console: Console) -> None:
    answer = console.visited_by(Role.STEWARD).get(f"/raising/{len(ALL)}?lang=th")
    assert answer.status_code == 409
    said = "bus.toml: ledger.url: is &lt;none&gt;. Set it"
    assert f'<code lang="en">{said}</code>' in answer.text
    assert sentence_of(WITHOUT) is None
