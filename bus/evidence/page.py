"""The page of a pack that people read: what happened, in plain words, Thai first, with both calendars."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from bus.directory import Names
from bus.documents.letter import Letter
from bus.documents.xml import open_envelope, read
from bus.evidence import views
from bus.evidence.certificates import certificates_of
from bus.evidence.summary import answered
from bus.identifiers import RawDigest
from bus.ledger.evidence import Evidence
from bus.text import printable

if TYPE_CHECKING:
    from jinja2 import Environment

MOST = 1500
"""So many rows a table of the page has; a letter to ten thousand would make a page that no browser opens."""


def page(
    evidence: Evidence,
    at: datetime,
    *,
    files: Mapping[RawDigest, str] | None = None,
    stamped: bool = False,
    doubts: Sequence[str] = (),
) -> str:
    """Return the page as HTML; everything in it is escaped.

    `files` says under which names the letter's files are beside it, by SHA-256; `stamped`, whether a time-stamp is;
    `doubts` are the checks that the pack does not pass.
    """
    letter = letter_of(evidence)
    names = Names(directory.agencies.values() for directory in evidence.directories)
    notices = views.notices_of(evidence)
    recipients = list(evidence.state.recipients.values())
    acts = list(views.acts(evidence, notices, names))
    carriage = list(views.carriage(evidence, names))
    certificates = certificates_of(evidence, names)
    return (
        environment()
        .get_template("evidence.html")
        .render(
            doubts=doubts,
            answer=answered(recipients, notices, names),
            letter=views.letter_view(letter, evidence, names),
            files=views.file_views(letter, files or {}),
            recipients=[
                views.recipient_view(one, notices, names, evidence.row.registration_due)
                for one in recipients[:MOST]
            ],
            silent=[names.full(code) for code in evidence.state.unacknowledged],
            registration=evidence.state.asks_registration,
            acts=acts[:MOST],
            carriage=carriage[:MOST],
            certificates=certificates[:MOST],
            more={
                name: max(len(every) - MOST, 0)
                for name, every in (
                    ("recipients", recipients),
                    ("acts", acts),
                    ("carriage", carriage),
                    ("certificates", certificates),
                )
            },
            size=evidence.head.size,
            head_at=views.moment(evidence.head.at),
            root=evidence.head.root.hex(),
            through=evidence.entries[-1].seq,
            cosigned=[names.full(code) for code in evidence.cosigned],
            stamped=stamped,
            made=views.moment(at.isoformat()),
        )
    )


def letter_of(evidence: Evidence) -> Letter:
    """Return the letter that the evidence is about."""
    letter = read(open_envelope(evidence.members["letter.xml"]).root)
    if not isinstance(letter, Letter):
        raise TypeError("the document of an accepted letter is a notice")
    return letter


def environment() -> Environment:
    # Imported here: most commands make no page, and it takes a tenth of a start.
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("bus.evidence"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_harmless,
    )
    environment.filters["css"] = _css
    return environment


def _harmless(value: Any) -> Any:
    """A text from elsewhere turns no direction and hides nothing on the page either."""
    return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _css(text: str) -> Markup:
    """A text for a string in the style sheet: nothing in it is a mark of its own (CSS Syntax, section 4.3.7)."""
    return Markup(re.sub(r"[^\w ]", lambda char: f"\\{ord(char[0]):x} ", printable(text)))  # noqa: S704
