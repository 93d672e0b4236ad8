"""From what a page answers to the octets that a browser, a program or a spreadsheet gets."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from functools import cache, partial
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from bus.pages.answers import Listed, Shown
from bus.pages.asked import Asked, Language
from bus.pages.columns import as_csv
from bus.pages.site import Site
from bus.pages.wording import HERE, say
from bus.text import json_text, printable, printable_lines
from bus.thai import BANGKOK, BUDDHIST_OFFSET, thai_date, thai_datetime


def html(asked: Asked, shown: Shown) -> str:
    """Return a page for a person who is signed in."""
    site, role = asked.site, asked.session.role
    around = {
        "asked": asked,
        "person": asked.person,
        "shown": asked.session.shown or asked.person.name,
        "form_token": asked.session.form_token,
        "navigation": [(path, key) for path, key, roles in site.face.navigation if role in roles],
    }
    return rendered(site, asked.language, shown, around | {"address": asked.address})


def public_html(site: Site, language: Language, shown: Shown, address: str, form_token: str = "") -> str:
    """Return a page for anybody: the sign-in, or what went wrong before a person was known."""
    around: dict[str, Any] = {
        "asked": None,
        "person": None,
        "shown": "",
        "form_token": form_token,
        "navigation": [],
    }
    return rendered(site, language, shown, around | {"address": address})


def rendered(site: Site, language: Language, shown: Shown, around: Mapping[str, Any]) -> str:
    """Return a template with everything that it may use."""
    folder = site.face.folder
    spoken = {
        "language": language,
        "t": partial(say, folder, language),
        "other": "en" if language == "th" else "th",
        "site": site.section,
    }
    template = _environment(folder, language).get_template(shown.template)
    # What stands around a page is never the page's own: a name of a view cannot put itself in the place of a person.
    return template.render({"v": shown.value, **shown.beside, **spoken, **around})


def json_twin(shown: Shown) -> str:
    """Return the values of a page as JSON."""
    return json_text(shown.value)


def csv_twin(listed: Listed) -> bytes:
    """Return the rows of a list as a spreadsheet opens them."""
    return listed.file or as_csv(listed.columns, listed.rows, listed.about, listed.names)


def day(language: Language, text: str | None) -> Markup:
    """Return an ISO date as people read it; the ISO date is in its title."""
    if not text:
        return Markup("–")
    at = date.fromisoformat(text)
    words = thai_date(at) if language == "th" else f"{at:%-d %B %Y} (BE {at.year + BUDDHIST_OFFSET})"
    return Markup('<time datetime="{0}" title="{0}">{1}</time>').format(text, words)


def moment(language: Language, text: str | None) -> Markup:
    """Return an ISO time as people read it in Thailand; the ISO time is in its title."""
    if not text:
        return Markup("–")
    at = datetime.fromisoformat(text).astimezone(BANGKOK)
    iso = at.isoformat(timespec="seconds")
    words = (
        thai_datetime(at, seconds=True, short=True).replace(" น.", "\u00a0น.")
        if language == "th"
        else f"{at:%-d %b %Y} (BE {at.year + BUDDHIST_OFFSET}) {at:%H:%M:%S}"
    )
    return Markup('<time datetime="{0}" title="{0}">{1}</time>').format(iso, words)


def both(language: Language, words: tuple[str, str] | list[str] | None) -> str:
    """Return of a pair (Thai, English) the one of this language."""
    return "" if not words else words[0 if language == "th" else 1]


def with_query(address: str, **changed: Any) -> str:
    """Return a path with its query changed: None takes a name out, anything else is its one value."""
    path, _, query = address.partition("?")
    from urllib.parse import parse_qsl

    kept = [(name, value) for name, value in parse_qsl(query, keep_blank_values=True) if name not in changed]
    kept += [(name, str(value)) for name, value in changed.items() if value is not None]
    return f"{path}?{urlencode(kept)}" if kept else path


@cache
def _environment(folder: Path, language: Language) -> Environment:
    environment = Environment(
        loader=FileSystemLoader([folder / "templates", HERE / "templates"]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "day": partial(day, language),
        "moment": partial(moment, language),
        "both": partial(both, language),
        "plain": printable,
        "lines": printable_lines,
        "grouped": lambda number: f"{number:,}",
    }
    environment.globals |= {"with_query": with_query, "escape": escape}
    return environment
