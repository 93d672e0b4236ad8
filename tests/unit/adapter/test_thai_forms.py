"""What an office types finds its letters by what they look like."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters.connectors.folder.names import safe_name
from adapters.mailbox.lookup import LetterKey, any_key, received_letter, sent_letter
from adapters.mailbox.mistakes import Mistaken
from tests.assets.factory import letter
from tests.unit.adapter.network import Office, file_of
from tests.unit.adapter.test_acts import received

FORMS = ("น้ำ ๑๒/๓", "น\u0e4d\u0e49า 12/3", "น\u0e33\u0e49 ๑2 / ๓", "น้\u200bำ  12/3")


@pytest.mark.parametrize("typed", FORMS)
@pytest.mark.parametrize("written", FORMS)
def test_a_number_is_found_in_the_inbox_and_the_outbox(
    sender: Office, recipient: Office, tmp_path: Path, written: str, typed: str
) -> None:
    row = received(recipient, number=written)
    assert received_letter(recipient.mailbox, any_key(typed)).letter_id == row.letter_id
    sent = sender.put(tmp_path, number=written)
    assert sent_letter(sender.mailbox, any_key(typed)).document_id == sent.document_id


def test_a_reference_is_found_unless_two_look_like_it(sender: Office, tmp_path: Path) -> None:
    source = tmp_path / "a.pdf"
    source.write_bytes(b"%PDF")

    def put(reference: str) -> str:
        made = letter(main_file=file_of(b"%PDF"))
        return sender.mailbox.outbox.put_letter(made, [source], reference).document_id

    forms = [form.replace(" / ", "/") for form in FORMS]
    first = put(forms[0])
    for typed in forms:
        assert sent_letter(sender.mailbox, LetterKey(reference=typed)).document_id == first
    second = put(forms[1])
    for typed, exact in ((forms[0], first), (forms[1], second)):
        assert sent_letter(sender.mailbox, LetterKey(reference=typed)).document_id == exact
    with pytest.raises(Mistaken):
        sent_letter(sender.mailbox, LetterKey(reference=forms[3]))


def test_two_files_of_a_letter_never_get_names_that_look_the_same() -> None:
    taken: list[str] = []
    for form in ("น้ำ.pdf", "น\u0e4d\u0e49า.pdf", "น\u0e33\u0e49.pdf", "น\u0e49\u0e4dา.PDF"):
        taken.append(safe_name(form, taken))
    assert [name.rpartition(".")[0].rpartition("~")[2] for name in taken[1:]] == ["2", "3", "4"]
