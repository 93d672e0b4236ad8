"""Which door each agency of the demonstration uses."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Protocol

from bus.identifiers import AgencyCode
from bus.settings.adapter import load_adapter_settings
from bus.settings.writing import Values
from compose.demo.centre import Centre
from compose.demo.offices.desk import DeskOffice, link
from compose.demo.offices.ecms import EcmsOffice
from compose.demo.offices.folder import FolderOffice
from compose.demo.offices.office import Office
from compose.demo.offices.rest import KEY, RestOffice, address
from compose.demo.offices.sql import SqlOffice
from compose.demo.story import AGENCIES, DGA, ETDA, OCS, OCSC, OPDC, OPM, SOC
from compose.local import LOOPBACK
from compose.process import ROOT


class Kind(Protocol):
    """A kind of office: what opens its door, and an office at it."""

    @staticmethod
    def settings(centre: Centre, code: AgencyCode) -> Values:
        """Return the settings of the adapter that open the door."""

    def __call__(self, centre: Centre, code: AgencyCode, name: str) -> Office:
        """Return the office of an agency whose adapter has these settings, and may not run yet."""


DOORS: Mapping[AgencyCode, Kind] = {
    OPM: RestOffice,
    OCS: EcmsOffice,
    SOC: FolderOffice,
    OCSC: DeskOffice,
    OPDC: SqlOffice,
    DGA: FolderOffice,
    ETDA: DeskOffice,
}


def offices(centre: Centre) -> dict[AgencyCode, Office]:
    """Return the office of every agency."""
    names = centre.directory.agencies
    return {code: DOORS[code](centre, code, names[code].abbrev_th) for code in AGENCIES}


def hints(centre: Centre) -> list[str]:
    """Return commands that look through doors by hand, to be typed in the checkout while the adapters run."""
    folder = os.path.relpath(centre.agency_folder(OPM), ROOT)
    facade = load_adapter_settings(centre.adapter_settings(OCS)).connectors.ecms
    key = f'--header "Authorization: Bearer $(cat {folder}/{KEY})"'
    return [
        f"curl --silent {key} {address(centre, OPM)}/v1/events    # the REST door; /docs describes it",
        f"curl --silent 'http://{LOOPBACK}:{facade.port}{facade.path}?wsdl'    # the e-CMS façade",
    ]


def desks(centre: Centre) -> dict[str, str]:
    """Return, by the name of each agency that has a desk, an address that lets its sample clerk in, once."""
    names = centre.directory.agencies
    return {names[code].name_th: link(centre, code) for code, kind in DOORS.items() if kind is DeskOffice}
