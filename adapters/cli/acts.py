"""The commands by which a clerk acts, as data; each of them, said twice, is one act."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any

import typer

from adapters import views
from adapters.cli.asking import understood
from adapters.cli.output import AsJson, Config, opened, say
from adapters.connectors.folder.acts import read_act
from adapters.connectors.folder.parsing import fields_of
from adapters.mailbox.acts import Verb, perform
from adapters.mailbox.lookup import any_key

_OPTIONS: dict[str, Any] = {
    "number": Annotated[str | None, typer.Option(help="The receiving number (เลขรับ).")],
    "registered_at": Annotated[
        datetime | None, typer.Option("--at", help="When it was registered; now, if left out.")
    ],
    "year": Annotated[
        int | None, typer.Option(help="The register's year (พ.ศ.); that of the time, if left out.")
    ],
    "unit": Annotated[str | None, typer.Option(help="The unit whose register it is.")],
    "officer": Annotated[str | None, typer.Option(help="The officer who does it.")],
    "officer_title": Annotated[str | None, typer.Option(help="The officer's position.")],
    "reason": Annotated[str | None, typer.Option(help="The reason, in Thai.")],
    "reason_en": Annotated[str | None, typer.Option(help="The reason, in English.")],
    "reason_code": Annotated[str | None, typer.Option(help="A code of clerk_reasons.toml, or its name.")],
    "suggested_receiver": Annotated[
        str | None, typer.Option("--suggest", help="The agency that it is for: code, name or abbreviation.")
    ],
    "recipients": Annotated[
        list[str] | None, typer.Option("--to", help="Only these recipients: code, name or abbreviation.")
    ],
    "means": Annotated[str | None, typer.Option(help="How it was sent instead, such as paper.")],
    "means_reference": Annotated[str | None, typer.Option(help="The number of that sending.")],
    "letter_date": Annotated[
        str | None, typer.Option("--date", help="The letter's date, if its number is not the only one.")
    ],
    "letter_sender": Annotated[
        str | None, typer.Option("--sender", help="The sender, if number and date are not enough.")
    ],
    "reference": Annotated[str | None, typer.Option(help="Your own key; it comes back with the answer.")],
}
_REASONS = ("reason", "reason_en", "reason_code")
_REGISTRATION = ("number", "registered_at", "year", "unit")
_OFFICER = ("officer", "officer_title")
_RECEIVED = (*_OFFICER, "letter_date", "letter_sender", "reference")
_SENT = (*_OFFICER, "letter_date", "reference")

_COMMANDS: dict[Verb, tuple[str, tuple[str, ...]]] = {
    Verb.REGISTER: (
        "Register a letter: give it a receiving number (ลงทะเบียนรับ).",
        (*_REGISTRATION, *_RECEIVED),
    ),
    Verb.REFUSE: ("Refuse a letter (ปฏิเสธการรับ).", (*_REASONS, *_RECEIVED)),
    Verb.MISDIRECTED: (
        "Say that a letter is for somebody else (แจ้งหนังสือผิด).",
        ("suggested_receiver", *_REASONS, *_RECEIVED),
    ),
    Verb.CORRECT: (
        "Correct the answer given: with a number it becomes a registration, else a refusal or a misdirection.",
        (*_REGISTRATION, "suggested_receiver", *_REASONS, *_RECEIVED),
    ),
    Verb.DISPUTE: ("Dispute a recipient's receiving number (แจ้งเลขรับผิด).", ("recipients", *_REASONS, *_SENT)),
    Verb.WITHDRAW: (
        "Ask the recipients to let a letter be withdrawn (ขอลบเพื่อส่งใหม่).",
        ("recipients", *_REASONS, *_SENT),
    ),
    Verb.GRANT: ("Grant the withdrawal that the sender asked for.", (*_REASONS, *_RECEIVED)),
    Verb.DECLINE: ("Decline the withdrawal that the sender asked for.", (*_REASONS, *_RECEIVED)),
    Verb.SETTLE: (
        "Say that a letter has reached its recipients by other means.",
        ("recipients", "means", "means_reference", *_SENT),
    ),
    Verb.OPENED: ("Tell the sender that a letter has been opened (เปิดอ่านแล้ว).", _RECEIVED),
    Verb.UNDER_ACTION: (
        "Tell the sender that a letter is under action (สั่งการแล้ว).",
        ("reason", "reason_en", *_RECEIVED),
    ),
}
"""Each verb's sentence and options."""


def add_to(app: typer.Typer) -> None:
    """Give the application these commands."""
    for verb, (sentence, options) in _COMMANDS.items():
        app.command(name=verb, help=sentence)(_command(verb, options))


def _command(verb: Verb, options: tuple[str, ...]) -> Callable[..., None]:
    def command(letter: str, config: Any, as_json: bool, **given: Any) -> None:
        _act(verb, letter, given, config, as_json)

    # Typer reads a command's options from its signature; this one's are data.
    types = {
        "letter": Annotated[str, typer.Argument(help="LetterID, or letter number (ที่).")],
        **{name: _OPTIONS[name] for name in options},
        "config": Config,
        "as_json": AsJson,
    }
    keyword = inspect.Parameter.KEYWORD_ONLY
    defaults = {"letter": inspect.Parameter.empty, "as_json": False}
    parameters = [
        inspect.Parameter(name, keyword, default=defaults.get(name), annotation=annotation)
        for name, annotation in types.items()
    ]
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = dict(types)
    return command


def _act(verb: Verb, letter: str, given: dict[str, Any], config: Any, as_json: bool) -> None:
    """Read as a manifest is read, so that both say the same of the same mistake."""
    key = any_key(letter)
    with opened(config) as mailbox:
        given = understood(given, mailbox.directories.latest())
        fields = fields_of(given | {"letter_id": key.letter_id, "letter_number": key.number})
        row = perform(mailbox, read_act(fields, verb))
        say(as_json, views.sent(mailbox, row), f"{row.summary} {row.document_id}: {row.state}")
