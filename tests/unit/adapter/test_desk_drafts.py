"""Letters that people write: kept with who and when, never overwritten unseen, and fixed once they are sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from adapters.mailbox import Mailbox
from adapters.mailbox.desk_drafts import DeskDrafts, Overtaken
from adapters.mailbox.files import Fingerprint
from tests.assets.factory import OCS
from tests.unit.adapter.network import Office, sha

ONE, OTHER = Fingerprint(sha(b"1"), 1), Fingerprint(sha(b"2"), 1)


@pytest.fixture
def mailbox(tmp_path: Path) -> Iterator[Mailbox]:
    with Mailbox(tmp_path / "mailbox", OCS) as mailbox:
        yield mailbox


@pytest.fixture
def drafts(mailbox: Mailbox) -> DeskDrafts:
    return mailbox.drafts


def overtaken(*late: Callable[[], None]) -> None:
    for each in late:
        with pytest.raises(Overtaken):
            each()


def test_a_draft_says_who_wrote_it_and_who_changed_it_last(drafts: DeskDrafts) -> None:
    made = drafts.begin("somsri", "{}")
    drafts.save(made.id, 1, "somchai", '{"subject": "ก"}')
    found = drafts.get(made.id)
    assert found is not None
    assert (found.made_by, found.changed_by, found.version) == ("somsri", "somchai", 2)
    assert found.content == '{"subject": "ก"}'
    assert found.changed_at >= found.made_at == made.made_at
    assert drafts.get("none") is None


def test_who_has_seen_an_older_version_overwrites_nothing(drafts: DeskDrafts) -> None:
    made = drafts.begin("somsri", "{}")
    drafts.save(made.id, 1, "somchai", '{"a": 1}')
    overtaken(
        lambda: drafts.save(made.id, 1, "somsri", '{"b": 1}'),
        lambda: drafts.delete(made.id, 1),
        lambda: drafts.sent(made.id, 1, "somsri", 1),
    )
    found = drafts.get(made.id)
    assert found is not None
    assert (found.content, found.outbox) == ('{"a": 1}', None)


def test_files_stand_in_order_and_the_first_is_the_letter(drafts: DeskDrafts) -> None:
    made = drafts.begin("somsri", "{}", {"ก.pdf": ONE})
    for name, file in (("ข.pdf", ONE), ("ค.pdf", OTHER), ("ข.pdf", OTHER)):
        drafts.add_file(made.id, "somsri", name, file)
    assert drafts.files(made.id) == {"ก.pdf": ONE, "ข.pdf": OTHER, "ค.pdf": OTHER}
    drafts.put_first(made.id, "somsri", "ค.pdf")
    assert list(drafts.files(made.id)) == ["ค.pdf", "ก.pdf", "ข.pdf"]
    drafts.remove_file(made.id, "somchai", "ก.pdf")
    assert list(drafts.files(made.id)) == ["ค.pdf", "ข.pdf"]
    found = drafts.get(made.id)
    assert found is not None
    assert (found.changed_by, found.version) == ("somchai", 1)


def test_a_deleted_draft_is_gone_with_its_list_of_files(drafts: DeskDrafts) -> None:
    made = drafts.begin("somsri", "{}", {"ก.pdf": ONE})
    drafts.delete(made.id, 1)
    assert drafts.get(made.id) is None
    assert drafts.files(made.id) == {}
    overtaken(
        lambda: drafts.delete(made.id, 1),
        lambda: drafts.add_file(made.id, "somsri", "ข.pdf", ONE),
        lambda: drafts.save(made.id, 1, "somsri", "{}"),
    )
    assert drafts.files(made.id) == {}


def test_what_is_sent_is_changed_no_more_and_leaves_the_list(sender: Office, tmp_path: Path) -> None:
    row, drafts = sender.put(tmp_path), sender.mailbox.drafts
    made = drafts.begin("somsri", "{}", {"ก.pdf": ONE})
    drafts.sent(made.id, 1, "somchai", row.id)
    assert drafts.open(limit=10) == []
    kept = drafts.of_row(row.id)
    assert kept is not None
    assert (kept.id, kept.changed_by) == (made.id, "somchai")
    overtaken(
        lambda: drafts.save(made.id, 2, "somsri", "{}"),
        lambda: drafts.delete(made.id, 2),
        lambda: drafts.remove_file(made.id, "somsri", "ก.pdf"),
        lambda: drafts.put_first(made.id, "somsri", "ก.pdf"),
    )
    assert drafts.files(made.id) == {"ก.pdf": ONE}


def test_the_list_has_the_last_changed_first_page_by_page(drafts: DeskDrafts) -> None:
    made = [drafts.begin("somsri", "{}") for _ in range(5)]
    drafts.save(made[0].id, 1, "somsri", "{}")
    seen, before = [], None
    while page := drafts.open(before=before, limit=2):
        seen += [each.id for each in page]
        before = (page[-1].changed_at, page[-1].id)
    assert seen == [made[n].id for n in (0, 4, 3, 2, 1)]
