"""What the centre answers about a request, to join or to renew a key, and asking it to renew one."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from typing import TYPE_CHECKING

from cryptography import x509

from bus.documents.enrolment import Answer, read_answer, request_digest
from bus.documents.seal import Seal
from bus.documents.tokens import Denied, request_token
from bus.errors import BusError, Transient
from bus.identifiers import AgencyCode
from bus.logs import in_words

if TYPE_CHECKING:
    import httpx  # loaded below, as a key is renewed once in years

_WITHIN = 20.0


class Declined(BusError):
    """The centre said no: to the request when it came, or by its operator."""

    def __init__(self, code: str, th: str, en: str) -> None:
        super().__init__(f"{code}: {th} · {en}" if th else f"{code}: {en}")
        self.code = code
        self.th = th or en
        self.en = en


class RenewalClient:
    """Where an agency asks for its next key to be pinned, with the key that it has."""

    def __init__(
        self, url: str, agency: AgencyCode, bus: x509.Certificate, tls: ssl.SSLContext | bool = True
    ) -> None:
        self._url = url
        self._tls = tls
        self._agency = agency
        self._bus = bus

    def ask(self, signed: str, seal: Seal) -> Answer | None:
        """Send a request, or the same one again, and return its answer; None while there is none.

        Raises Declined where the centre takes no such request, and Transient while it cannot be reached or does not
        take what the seal signs.
        """
        import httpx

        name = request_digest(signed)
        with httpx.Client(base_url=self._url, verify=self._tls, timeout=_WITHIN, trust_env=False) as http:
            request = http.build_request("PUT", f"/renewals/{name}", content=signed)
            token = request_token(seal, self._agency, "PUT", request.url.path)
            request.headers["Authorization"] = f"Bearer {token}"
            taken = answered(lambda: http.send(request))
            if taken.status_code == 401:
                raise Transient("the centre does not believe this agency's key now")
            require_taken(taken)
            found = answered(lambda: http.get(f"/enrolments/{name}"))
        if found.status_code == 202:
            return None
        require_taken(found)
        try:
            answer = read_answer(found.text.strip(), self._bus)
        except Denied as wrong:
            raise Transient("the centre's answer is not signed by the bus") from wrong
        if answer.request != name:
            raise Transient("the centre's answer is to another request")
        return answer


def answered(ask: Callable[[], httpx.Response]) -> httpx.Response:
    """Return what the centre answers. Raises Transient while it cannot be reached, or has trouble of its own."""
    import httpx

    try:
        response = ask()
    except httpx.HTTPError as away:
        raise Transient(f"the centre cannot be reached: {in_words(away)}") from away
    if response.status_code >= 500:
        raise Transient(f"the centre answered {response.status_code}")
    return response


def require_taken(response: httpx.Response) -> None:
    """Raise Declined, in the centre's words, unless it took what was asked."""
    if response.is_success:
        return
    try:
        said = response.json()
        refused = Declined(str(said["code"]), str(said["th"]), str(said["en"]))
    except (ValueError, KeyError, TypeError):
        refused = Declined(f"HTTP {response.status_code}", "", "the centre's address answers like no centre")
    raise refused
