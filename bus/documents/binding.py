"""How a field of a frozen dataclass is bound to XML: declarations only; `xml.py` reads and writes by them."""

from __future__ import annotations

from dataclasses import MISSING, dataclass, field
from typing import Any, Literal

Place = Literal["element", "attribute", "text", "flatten"]


@dataclass(frozen=True, slots=True)
class Binding:
    """Where a field stands in its element, and under which name."""

    place: Place
    name: str = ""
    """Element: a local name, or two joined by `/` for a wrapper. Attribute: its name. Text: `xml`, `base64`, empty."""
    of: str = ""
    """Attribute only: the child element that bears it, empty for the element itself."""
    since: str = "1.0"
    """The first version of the document that has it."""


def _bound(binding: Binding, default: Any) -> Any:
    return field(default=default, metadata={"binding": binding})


def element(name: str, *, since: str = "1.0", default: Any = MISSING) -> Any:
    """A child element; a tuple repeats it, a dataclass nests it, None leaves it out."""
    return _bound(Binding("element", name, since=since), default)


def attribute(name: str, *, of: str = "", default: Any = MISSING) -> Any:
    """An attribute of the element itself, or of its child `of`."""
    return _bound(Binding("attribute", name, of), default)


def text(kind: str = "", *, default: Any = MISSING) -> Any:
    """The element's own text; `xml` is one foreign child element kept as a string, `base64` is text without blanks."""
    return _bound(Binding("text", kind), default)


def flatten(*, default: Any = MISSING) -> Any:
    """A group of elements that stand directly in the parent, present when its first required element is."""
    return _bound(Binding("flatten"), default)
