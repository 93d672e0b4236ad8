"""The agency that follows from a request, once it is approved."""

from __future__ import annotations

from dataclasses import replace

from bus.directory import Agency, Directory, PinnedCertificate
from bus.directory.model import Login
from bus.documents.enrolment import Request
from bus.errors import Misconfigured, Problem
from bus.identifiers import MAIN
from bus.ledger.entry import Entry


def with_pin(
    directory: Directory, request: Request, invitation: Entry | None, pin: PinnedCertificate
) -> Agency:
    """Return the agency as it is once the request is approved; the certificates that it has stay pinned beside.

    `invitation` is the entry of that with which it joins, None where it renews its key. Raises Misconfigured for a
    renewal of who is not in the directory.
    """
    code = request.agency
    agency = directory.agencies.get(code)
    if agency is None:
        if invitation is None:
            fix = "Decline it; a new agency needs an invitation"
            raise Misconfigured(Problem("the request", "agency", f"{code} is not in the directory", fix))
        said = invitation.body
        agency = Agency(
            code=code,
            name_th=said["name_th"],
            name_en=said["name_en"],
            cluster=said.get("cluster", MAIN),
        )
    if all(one.fingerprint != pin.fingerprint for one in agency.certificates):
        agency = replace(agency, certificates=(*agency.certificates, pin))
    if invitation is None:
        return agency
    login: Login = "certificate" if request.login else "password"
    return replace(agency, witness=request.witness, inbox=True, broker_login=login)
