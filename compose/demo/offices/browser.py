"""A browser without scripts: it keeps its cookies, and sends the forms of the pages that it has been given."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import httpx
from lxml import html

from compose.demo.offices.asking import Wrong

Ask = Callable[..., httpx.Response]
"""As `AskingOffice._ask`: method and path, and what httpx takes."""
Files = Sequence[tuple[str, tuple[str, bytes, str]]]


def send_form(
    ask: Ask, page: str, action: str, values: Mapping[str, str], *, button: str = "", files: Files = ()
) -> httpx.Response:
    """Open a page, fill in the form that goes to `action`, and send it by a button; return what that led to.

    What the form has already stays as it is, its token among it. Raises Wrong where there is no such form, or where it
    comes back with mistakes, and what `ask` raises.
    """
    shown: Any = html.document_fromstring(ask("GET", page).content)
    form = next((one for one in shown.forms if one.action == action), None)
    if form is None:
        raise Wrong(f"{page} has no form for {action}")
    fields = {name: value for name, value in form.form_values() if isinstance(value, str)} | dict(values)
    if button:
        fields["do"] = button
    return ask("POST", action, data=fields, files=list(files) or None)
