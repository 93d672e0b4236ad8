"""The documentation page: the OpenAPI document, to be read without a script and without anything from elsewhere."""

from __future__ import annotations

import json
from collections.abc import Mapping
from html import escape
from typing import Any

_STYLE = (
    "body{font:16px/1.6 sans-serif;max-width:60rem;margin:auto;padding:1rem;color:#1a1a1a;background:#fff}"
    "code,pre{background:#f2f2f2;padding:.1rem .3rem}pre{overflow:auto;padding:.7rem}"
    "section{border-top:1px solid #767676;margin-top:1.5rem}"
)


def page_of(document: Mapping[str, Any]) -> str:
    """Return the page of an OpenAPI document."""
    info = document["info"]
    parts = [
        f"<h1>{escape(info['title'])} {escape(info['version'])}</h1><p>{escape(info['description'])}</p>"
        "<p><a href='/openapi.json'>openapi.json</a></p><main>"
    ]
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            parts.append(_operation(path, method, operation))
    parts.append("</main>")
    body = "".join(parts)
    head = f"<meta charset='utf-8'><title>{escape(info['title'])}</title><style>{_STYLE}</style>"
    return f"<!doctype html><html lang='en'><head>{head}</head><body>{body}</body></html>"


def _operation(path: str, method: str, operation: Mapping[str, Any]) -> str:
    parameters = "".join(
        f"<li><code>{escape(each['name'])}</code> ({escape(each['in'])}"
        f"{', required' if each.get('required') else ''}) {escape(each.get('description', ''))}</li>"
        for each in operation.get("parameters", ())
    )
    body = operation.get("requestBody", {}).get("content", {})
    asked = "".join(
        f"<details><summary>{escape(media_type)}</summary>{_schema(each.get('schema', {}))}</details>"
        for media_type, each in body.items()
    )
    return (
        f"<section><h2>{escape(operation.get('summary', ''))}</h2>"
        f"<p><code>{escape(method.upper())} {escape(path)}</code></p>"
        f"<p>{escape(operation.get('description', ''))}</p><ul>{parameters}</ul>{asked}"
        f"<p>{escape(', '.join(operation['responses']))}</p></section>"
    )


def _schema(schema: Mapping[str, Any]) -> str:
    return f"<pre>{escape(json.dumps(schema, ensure_ascii=False, indent=2))}</pre>"
