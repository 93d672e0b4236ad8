"""The mailbox: what is kept, once, whoever asks for it and how often."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from adapters.mailbox import AlreadyPut, AlreadyRunning, Gap, Mailbox, Message, OutboxState
from adapters.mailbox.files import FileChanged
from bus.errors import Misconfigured, Refused
from bus.thai import now
from tests.assets.digests import OTHER_BYTES, SOME_BYTES
from tests.assets.factory import DAY, OCS, OPM, letter
from tests.unit.adapter.network import Office, file_of


def numbered(*consignments: int) -> list[Message]:
    return [Message(type="letter", body=b"%d" % n, headers={"consignment": n}) for n in consignments]


def test_the_same_letter_put_twice_is_one_letter(sender: Office, tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(b"%PDF")
    made = letter(main_file=file_of(b"%PDF"))
    put = sender.mailbox.outbox.put_letter
    first = put(made, [tmp_path / "a.pdf"], "key")
    again = put(replace(made, sent_at=now() + DAY), [tmp_path / "a.pdf"], "key")
    under_another_key = put(made, [tmp_path / "a.pdf"], "other key")
    assert first.id == again.id == under_another_key.id
    assert again.document == first.document
    assert len(sender.mailbox.outbox.letters()) == 1


def test_one_key_or_one_id_never_stands_for_two_contents(sender: Office, tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(b"%PDF")
    made = letter(main_file=file_of(b"%PDF"))
    put = sender.mailbox.outbox.put_letter
    put(made, [tmp_path / "a.pdf"], "key")
    with pytest.raises(AlreadyPut):
        put(letter(main_file=file_of(b"%PDF")), [tmp_path / "a.pdf"], "key")
    with pytest.raises(AlreadyPut):
        put(replace(made, number="นร 1/2"), [tmp_path / "a.pdf"], "another key")
    assert len(sender.mailbox.outbox.letters()) == 1


def test_a_file_that_is_not_the_one_stated_is_not_taken_in(sender: Office, tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(b"changed since")
    with pytest.raises(FileChanged):
        sender.mailbox.outbox.put_letter(letter(main_file=file_of(b"%PDF")), [tmp_path / "a.pdf"], "key")
    assert sender.mailbox.outbox.letters() == []
    assert list(sender.mailbox.store.partial.iterdir()) == []


def test_a_letter_against_the_schema_is_refused_before_it_is_put(sender: Office, tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(b"%PDF")
    with pytest.raises(Refused, match=r"schema\."):
        sender.mailbox.outbox.put_letter(
            letter(main_file=file_of(b"%PDF"), secrecy="most secret"), [tmp_path / "a.pdf"], "key"
        )
    assert sender.mailbox.outbox.letters() == []


def test_signed_bytes_are_never_replaced(sender: Office, tmp_path: Path) -> None:
    row = sender.put(tmp_path)
    sender.mailbox.outbox.seal(row, b"first", SOME_BYTES)
    assert sender.mailbox.outbox.seal(row, b"second", OTHER_BYTES).raw == b"first"
    assert sender.mailbox.outbox.get(row.id).raw == b"first"
    assert sender.mailbox.outbox.get(row.id).state == OutboxState.SEALED


def test_what_is_delivered_again_is_stored_once(recipient: Office) -> None:
    arrivals = recipient.mailbox.arrivals
    assert arrivals.store(numbered(1, 2, 2)) == 2
    assert arrivals.store(numbered(2, 3)) == 1
    assert [each.consignment for each in arrivals.waiting(0.0, 10)] == [1, 2, 3]


def test_another_message_under_a_known_number_is_not_lost(recipient: Office) -> None:
    arrivals = recipient.mailbox.arrivals
    arrivals.store(numbered(1))
    assert arrivals.store([Message(type="letter", body=b"other", headers={"consignment": 1})]) == 1


def test_a_gap_in_consignment_numbers_is_seen_until_it_closes(recipient: Office) -> None:
    arrivals = recipient.mailbox.arrivals
    assert arrivals.gaps() == []
    arrivals.store(numbered(2, 3, 7, 9))
    assert arrivals.gaps() == [Gap(1, 1), Gap(4, 6), Gap(8, 8)]
    arrivals.store(numbered(1, 4, 5, 6, 8))
    assert arrivals.gaps() == []


def test_one_process_at_a_time_runs_on_a_mailbox_and_others_may_still_write(
    sender: Office, tmp_path: Path
) -> None:
    folder = tmp_path / OPM
    program = (
        "import sys; from pathlib import Path; from adapters.mailbox import Mailbox, AlreadyRunning\n"
        f"box = Mailbox(Path({str(folder)!r}), {OPM!r})\n"
        "try:\n    box.exclusive().__enter__(); print('ran')\n"
        "except AlreadyRunning: print('refused', box.running())\n"
        "from adapters.mailbox import Message\n"
        "print(box.arrivals.store([Message(type='x', body=b'y', headers={})]))\n"
    )
    before = sender.mailbox.changed()
    with sender.mailbox.exclusive():
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["refused True", "1"]
    assert sender.mailbox.changed() != before
    assert not sender.mailbox.running()
    with sender.mailbox.exclusive(), pytest.raises(AlreadyRunning), sender.mailbox.exclusive():
        pass


def test_a_killed_process_leaves_no_lock_behind(sender: Office, tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from adapters.mailbox import Mailbox\n"
        f"with Mailbox(Path({str(tmp_path / OPM)!r}), {OPM!r}).exclusive():\n"
        "    print('holds it', flush=True); sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "holds it\n"
        assert sender.mailbox.running()
        with pytest.raises(AlreadyRunning), sender.mailbox.exclusive():
            pass
        holder.kill()
    assert not sender.mailbox.running()
    with sender.mailbox.exclusive(), Mailbox(tmp_path / OPM, OPM) as opened_again:
        assert opened_again.running()


def test_a_mailbox_belongs_to_one_agency(sender: Office, tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=OPM):
        Mailbox(tmp_path / OPM, OCS)


def test_who_listens_hears_of_what_is_put_out_once_it_can_be_read(sender: Office, tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(b"%PDF")
    heard: list[int] = []
    deaf = sender.mailbox.listen(
        lambda _: heard.append(sum(sender.mailbox.outbox.counts()["letter"].values()))
    )
    with sender.mailbox.transaction():
        for key in ("1", "2"):
            sender.mailbox.outbox.put_letter(letter(main_file=file_of(b"%PDF")), [tmp_path / "a.pdf"], key)
        assert heard == []
    assert heard == [2]
    (tmp_path / "b.pdf").write_bytes(b"changed since")
    with pytest.raises(FileChanged), sender.mailbox.transaction():
        sender.mailbox.outbox.put_letter(letter(main_file=file_of(b"%PDF b")), [tmp_path / "b.pdf"], "3")
    assert heard == [2]
    deaf()
