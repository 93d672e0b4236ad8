"""A client made from an OpenAPI document, and from nothing else: a method for each operation."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

import httpx


class Made:
    """Methods by the operations' names; parameters by theirs, with `_` for `-`."""

    def __init__(self, document: Mapping[str, Any], http: httpx.Client) -> None:
        self._http = http
        self._operations: dict[str, tuple[str, str, Mapping[str, Any]]] = {}
        for path, methods in document["paths"].items():
            for method, operation in methods.items():
                suffix = re.sub(r"\W", "_", path) + f"_{method}"
                name = operation["operationId"].removesuffix(suffix)
                self._operations[name] = (path, method, operation)
        self._schemas = document["components"]["schemas"]

    def __getattr__(self, name: str) -> Callable[..., Any]:
        path, method, operation = self._operations[name]

        def call(body: Any = None, **given: Any) -> Any:
            headers, query, at = {}, {}, path
            for each in operation.get("parameters", ()):
                key = each["name"].lower().replace("-", "_")
                if key not in given:
                    assert not each["required"], key
                    continue
                value = given.pop(key)
                if each["in"] == "path":
                    at = at.replace("{" + each["name"] + "}", quote(str(value), safe=""))
                elif each["in"] == "query":
                    query[each["name"]] = value
                else:
                    headers[each["name"]] = value
            assert not given
            kind = next(iter(operation.get("requestBody", {}).get("content", {})), None)
            sent: dict[str, Any] = {"json": body} if kind == "application/json" else {"content": body}
            if kind not in (None, "application/json"):
                headers["Content-Type"] = kind
            answer = self._http.request(method, at, params=query, headers=headers, **sent)
            answer.raise_for_status()
            stated = operation["responses"][str(answer.status_code)]["content"]
            media_type = answer.headers["Content-Type"].partition(";")[0]
            assert media_type in stated
            return answer.json() if media_type == "application/json" else answer.content

        return call

    def enums(self, name: str, parameter: str) -> list[str]:
        """The values that a parameter may have."""
        _, _, operation = self._operations[name]
        (schema,) = (each["schema"] for each in operation["parameters"] if each["name"] == parameter)
        if "$ref" in schema:
            schema = self._schemas[schema["$ref"].rpartition("/")[2]]
        return list(schema["enum"])


def client_of(document: Mapping[str, Any], http: httpx.Client) -> Made:
    """Make a client of this document."""
    return Made(document, http)
