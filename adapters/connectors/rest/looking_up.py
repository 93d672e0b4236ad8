"""The requests by which an office looks up whom it can write to."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Path, Query

from adapters.connectors.looking_up import AddresseeIndex
from adapters.connectors.rest.access import Reader, Shared, TheShared
from adapters.connectors.rest.problems import Problem
from adapters.connectors.rest.shapes import AddresseeShape, AgencyShape, GroupShape
from bus.directory import Agency, Directory
from bus.identifiers import AgencyCode

router = APIRouter(prefix="/v1/directory")
Code = Annotated[str, Path(pattern=r"^[0-9]{10}$")]


@router.get("/agencies", summary="Agencies by code or words of their names")
def agencies(
    shared: TheShared,
    _key: Reader,
    q: Annotated[str, Query(max_length=200)] = "",
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> list[AgencyShape]:
    """List the agencies whose code, name or abbreviation holds this text, in the order of their codes."""
    directory, wanted = _directory(shared), q.casefold().strip()
    found = [each for _, each in sorted(directory.agencies.items()) if wanted in _words(each)]
    return [_shown(directory, each) for each in found[:limit]]


@router.get("/agencies/{code}", summary="One agency")
def agency(shared: TheShared, _key: Reader, code: Code) -> AgencyShape:
    """Give the agency of this code."""
    directory = _directory(shared)
    found = directory.agencies.get(AgencyCode(code))
    if found is None:
        raise Problem("agency.unknown")
    return _shown(directory, found)


@router.get("/addressees", summary="Agencies, groups and topics by words of their names")
def addressees(
    shared: TheShared,
    _key: Reader,
    q: Annotated[str, Query(max_length=200)],
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> list[AddresseeShape]:
    """List whom a letter can name, the nearest first: `value` is what stands in `to` or `copy`."""
    found = AddresseeIndex.of(_directory(shared)).find(q, limit)
    return [AddresseeShape(**asdict(each)) for each in found]


@router.get("/groups", summary="Groups of agencies")
def groups(shared: TheShared, _key: Reader) -> list[GroupShape]:
    """List the groups, each with its members as of the directory that is here."""
    directory = _directory(shared)
    return [
        GroupShape(
            id=each.id,
            name_th=each.name_th,
            name_en=each.name_en,
            members=list(directory.members(each.id) or ()),
        )
        for each in directory.groups.values()
    ]


def _directory(shared: Shared) -> Directory:
    directory = shared.mailbox.directory()
    if directory is None:
        th, en = "ยังไม่ได้รับรายชื่อหน่วยงานจากระบบกลาง", "the directory has not come yet"
        raise Problem("now.unavailable", th, en, retry_after=5)
    return directory


def _words(agency: Agency) -> str:
    names = (agency.code, agency.name_th, agency.name_en, agency.abbrev_th, agency.abbrev_en)
    return "\n".join(names).casefold()


def _shown(directory: Directory, agency: Agency) -> AgencyShape:
    return AgencyShape(
        code=agency.code,
        name_th=agency.name_th,
        name_en=agency.name_en,
        abbrev_th=agency.abbrev_th,
        abbrev_en=agency.abbrev_en,
        state=agency.state,
        inbox_of=directory.inbox_of(agency.code),
    )
