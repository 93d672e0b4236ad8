"""Which cases of the contract a door has no words for, and why; docs/doors.md has this table for deployers."""

from __future__ import annotations

from collections.abc import Mapping

NOT_APPLYING: Mapping[str, Mapping[str, str]] = {
    "desk": {
        "test_every_mistake_is_told_at_once_in_both_languages": "a form has lists where a word could be misspelt",
        "test_a_field_that_no_letter_has_is_told": "a form has the fields that a letter has",
        "test_the_offices_own_key_comes_back_with_every_event": (
            "a person has pages in place of a feed of events"
        ),
        "test_the_sender_settles": "the desk does not settle: `saraban-adapter settle`",
        "test_the_own_key_of_an_act_is_kept": "a person has no key of an act of its own",
    },
    "ecms": {
        "test_another_content_under_the_same_key_is_told_and_never_taken_for_it": (
            "e-CMS has no key of the office's own: another content is another letter"
        ),
        "test_a_reference_that_is_too_long_is_told": (
            "a `MessageID` is no key, and one of more than 100 characters is left out of the letter"
        ),
        "test_a_field_that_no_letter_has_is_told": "clients write elements of their own, which are passed over",
        "test_a_refused_letter_is_told_with_its_code_in_both_languages": (
            "an `InvalidLetterNotifier` has no code; `ErrorDetail` has it where the bus answers within `verdict_wait`"
        ),
        "test_the_sender_settles": "no element says that a letter has gone by other means: `saraban-adapter settle`",
        "test_the_signed_document_is_shown_as_it_came": (
            "e-CMS carries a letter's values and files: `saraban-adapter show` has the document"
        ),
        "test_a_second_registration_is_told_to_be_a_correction": (
            "an `AcceptLetterNotifier` with another number is the correction"
        ),
        "test_the_own_key_of_an_act_is_kept": "a notifier has no key of its own",
        "test_an_act_without_its_reason_is_told": (
            "a notifier has no reason; the refusal says that none was given by e-CMS"
        ),
        "test_a_withdrawal_is_granted_by_the_office": (
            "no element asks or grants: the façade grants what was never served, a clerk the rest"
        ),
        "test_several_doors_on_one_mailbox_send_one_letter_and_each_hears_everything": (
            "without a key of the office's own it is another letter, and the client hears of its own alone"
        ),
    },
}
"""Door → name of the case → the reason."""

NOT_TOLD: Mapping[str, Mapping[str, str]] = {
    "ecms": {"accepted": "the answer to a post, and `OutboundStatusRequest`, say so"},
}
"""Door → event → why the office is not told of it as news."""
