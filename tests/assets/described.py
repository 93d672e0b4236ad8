"""What the models of the settings say of themselves, for the tests of the examples."""

from __future__ import annotations

from typing import NamedTuple

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from bus.settings.loading import _declaring, _is_secret, _sentence, _settings_of


class Described(NamedTuple):
    """One setting."""

    key: str
    default: str
    sentence: str
    secret: bool


def describe(model: type[BaseModel]) -> list[Described]:
    """Every setting with its dotted key, default and sentence, in the order of declaration."""
    return [
        Described(".".join(keys), _default(info), _sentence(*_declaring(model, keys)), _is_secret(info))
        for keys, info in _settings_of(model)
    ]


def _default(info: FieldInfo) -> str:
    if info.is_required():
        return "(required)"
    default = info.get_default(call_default_factory=True, validated_data={})
    return "" if default is None else str(default).lower() if isinstance(default, bool) else str(default)
