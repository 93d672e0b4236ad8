"""Directory files for the tests: the shipped example, with an agency that has pinned every key that is no good."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache, partial

from bus import assets
from bus.documents.making import new_seal
from bus.documents.seal import Seal
from bus.identifiers import AgencyCode
from tests.assets import factory

NOBODY, UNHEARD = "nobody", "unheard"
"""A group without members, and a topic without subscribers."""
SUB_UNIT = AgencyCode("0100500001")
"""A unit of SOC without an inbox of its own."""
EMPTY = f"""
[[agency]]
code = "{SUB_UNIT}"
name_th = "หน่วยงานภายใน (ตัวอย่าง)"
name_en = "A sub-unit (sample)"
parent = "{factory.SOC}"
inbox = false

[[group]]
id = "{NOBODY}"
name_th = "ไม่มีผู้ใด"
name_en = "Nobody"
members = []

[[topic]]
id = "{UNHEARD}"
name_th = "ไม่มีผู้รับ"
name_en = "Without subscribers"
subscribers = []
"""


@cache
def revoked_seal() -> Seal:
    """A seal that OPM has had revoked."""
    return new_seal("revoked")


FAULTY: dict[str, Callable[[], Seal]] = {
    "expired": factory.expired_seal,
    "future": factory.future_seal,
    "not-for-signatures": factory.seal_not_for_signatures,
    "without-usage": factory.seal_without_usage,
    "rsa1024": factory.rsa_1024_seal,
    "revoked": revoked_seal,
}
"""What OPM has pinned besides its good keys, by the name of the file."""
UNFIT = ("not-for-signatures", "without-usage", "rsa1024")
"""Those of them that can never sign."""
SEALS: dict[str, Callable[[], Seal]] = {
    **{code: partial(factory.seal, code) for code in factory.NAMES},
    # The factory's letters are sealed by `seal()`, and a cache knows that from `seal(OPM)`.
    factory.OPM: factory.seal,
    "rsa2048": factory.rsa_seal,
    **FAULTY,
}
"""The keys that such a directory names, by the name of the file."""


def text(version: int = 1, *, suspended: Iterable[str] = (), more: str = "") -> str:
    """The text of a directory file."""
    shipped = assets.path("config/agencies.toml").read_text(encoding="utf-8")
    own = f'{{ file = "{factory.OPM}.crt.pem" }}'
    pins = [f'{{ file = "{name}.crt.pem"{_revoked(name)} }}' for name in ("rsa2048", *FAULTY)]
    changed = _replaced(shipped, own, ", ".join([own, *pins]))
    changed = _replaced(changed, "\nversion = 1\n", f"\nversion = {version}\n")
    for code in suspended:
        changed = _replaced(changed, f'code = "{code}"\n', f'code = "{code}"\nstate = "suspended"\n')
    return changed + EMPTY + more


def _revoked(name: str) -> str:
    """A pin that can never sign is in a directory only as one that ends; those here end long after the test."""
    if name == "revoked":
        return f", revoked_at = {(factory.NOW - factory.DAY / 2).isoformat()}"
    return f", revoked_at = {(factory.NOW + 365 * factory.DAY).isoformat()}" if name in UNFIT else ""


def _replaced(text: str, old: str, new: str) -> str:
    assert text.count(old) == 1, old
    return text.replace(old, new)
