"""Agencies and reasons as a clerk names them on the command line: understood, or a mistake with the nearest names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import typer

from bus.codes import load_codes
from bus.directory import Directory, Names
from bus.identifiers import AgencyCode
from bus.naming import meant, near

_AGENCY = {"suggested_receiver": "--suggest", "letter_sender": "--sender"}


def understood(given: Mapping[str, Any], directory: Directory | None) -> dict[str, Any]:
    """Return what was given with the codes of agencies and reasons; without a directory, agencies are left as given."""
    found = dict(given)
    if directory is not None:
        names = Names([directory.agencies.values()])
        for name, option in _AGENCY.items():
            if found.get(name):
                found[name] = _agency(names, found[name], option)
        if found.get("recipients"):
            found["recipients"] = [_agency(names, each, "--to") for each in found["recipients"]]
    if found.get("reason_code"):
        found["reason_code"] = _reason(found["reason_code"])
    return found


def one_agency(text: str, directory: Directory) -> AgencyCode:
    """The agency that a person names. Raises BadParameter with the nearest names."""
    return AgencyCode(_agency(Names([directory.agencies.values()]), text, "AGENCY"))


def _agency(names: Names, text: str, option: str) -> str:
    return _one("หน่วยงาน", "agency", text, names.codes(text), names.near(text), option)


def _reason(text: str) -> str:
    known = {code: (one.th, one.en) for code, one in load_codes().clerk_reasons.items()}
    shown = (f"{code} ({known[code][0]})" for code in near(text, known))
    return _one("เหตุผล", "reason", text, meant(text, known), shown, "--reason-code")


def _one(th: str, en: str, text: str, found: Iterable[str], nearest: Iterable[str], option: str) -> str:
    codes = list(found)
    if len(codes) == 1:
        return codes[0]
    offered = " · ".join(codes or nearest)
    said = f"ไม่พบ{th} {text!r} ใกล้เคียงที่สุด: {offered} · there is no {en} {text!r}; the nearest are {offered}"
    raise typer.BadParameter(said, param_hint=option)
