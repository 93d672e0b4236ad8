"""(a) and (b): what one letter costs at the least, and what it costs a router, gate by gate."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import process_time
from typing import TypeVar

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from lxml import etree

from bus.calendar import Calendar
from bus.codes import load_codes
from bus.depot.presence import Presence
from bus.directory import Directory
from bus.documents import schema, signing, xml
from bus.documents.seal import Seal
from bus.identifiers import AgencyCode
from bus.ledger import schema as ledger_schema
from bus.ledger.store import Ledger
from bus.router.activation import activate_calendar, activate_directory, versions
from bus.router.answers import Answers
from bus.router.concluding import conclude, files_of
from bus.router.delivery import Delivery, LetterAccepted
from bus.router.gates import Rules, examine
from bus.router.recording import Recorder
from bus.thai import now
from tests.assets.operators import by
from tests.bench.letters import id_of

BATCH = 64
T = TypeVar("T")


def floor_us(letters: Sequence[bytes], seal: Seal) -> float:
    """Return the least CPU per letter in microseconds: parse, XSD, three C14N and digests, one ECDSA check."""
    key = seal.private_key
    public = seal.certificate.public_key()
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(public, ec.EllipticCurvePublicKey):
        raise TypeError("the floor is measured with ECDSA P-256")
    method = ec.ECDSA(hashes.SHA256())
    signature = key.sign(b"a signature of the right size", method)

    def once(raw: bytes) -> None:
        envelope = xml.open_envelope(raw)
        schema.check(envelope)
        for _ in range(3):
            hashlib.sha256(etree.tostring(envelope.root, method="c14n")).digest()
        public.verify(signature, b"a signature of the right size", method)

    return _per_letter(once, letters)


def split_us(
    letters: Sequence[bytes], seal: Seal, directory: Directory, pin_of: AgencyCode
) -> dict[str, float]:
    """Return the CPU of each gate per letter, in microseconds, each measured by itself in this process."""
    envelopes = [xml.open_envelope(raw) for raw in letters]
    pins = directory.pins(pin_of)
    moment = now()
    return {
        "1-2 open": _per_letter(xml.open_envelope, letters),
        "3 schema": _per_letter(schema.check, envelopes),
        "4 digest": _per_letter(lambda one: one.digest, envelopes),
        "5-6 signature": _per_letter(
            lambda one: signing.verify(one, pins, moment, by_octets=True), envelopes
        ),
    }


class InProcess:
    """All gates, the signing of acceptances, and a ledger of its own, through which letters pass in one process.

    `before` is what the ledger has been through by then.
    """

    def __init__(
        self,
        ledger: Ledger,
        directory: Directory,
        calendar: Calendar,
        bus_seal: Seal,
        before: Callable[[Ledger], object] = lambda ledger: None,
    ) -> None:
        before(ledger)
        activate_directory(ledger, directory, bus_seal, operator=by("bench"))
        activate_calendar(ledger, calendar, operator=by("bench"))
        self._ledger = ledger
        self._rules = Rules(directory, calendar, load_codes(), Answers(bus_seal, load_codes()))
        self._recorder = Recorder("bench")

    def cost_us(self, letters: Sequence[bytes], agency: AgencyCode) -> dict[str, float]:
        """Accept these letters of one agency together; return the CPU per letter of each part, in microseconds."""
        moment: datetime = now()
        # Announced, as adapters do it, so that both look things up for all of them at once.
        deliveries = [
            Delivery(
                raw=raw, agency=agency, user=agency, received_at=moment, announced=("letter", id_of(raw))
            )
            for raw in letters
        ]
        began = process_time()
        with self._ledger.read() as reader:
            examined_under = versions(reader)
            passed = examine(deliveries, self._rules, reader)
        examined = process_time()
        found = conclude(passed, [Presence.OK] * len(files_of(passed)), self._rules)
        concluded = process_time()
        accepted = [one for one in found if isinstance(one, LetterAccepted)]
        if len(accepted) < len(letters):
            raise TypeError(f"a benchmark letter was not accepted: {found}")
        with self._ledger.append() as writer:
            self._recorder.record_all(accepted, examined_under, writer)
        recorded = process_time()
        spent = {"gates": examined - began, "signing": concluded - examined, "ledger": recorded - concluded}
        return {part: seconds / len(letters) * 1e6 for part, seconds in spent.items()}


def new_ledger(folder: Path) -> Ledger:
    """Return a new ledger in a file of this folder."""
    url = f"sqlite:///{folder / 'ledger.db'}"
    ledger_schema.upgrade(url)
    return Ledger(url)


def batches(letters: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    """Yield the letters in batches of 64, as a router takes them."""
    return (letters[start : start + BATCH] for start in range(0, len(letters), BATCH))


def medians(costs: Sequence[dict[str, float]]) -> dict[str, float]:
    """Return the median of each part, and of all parts together as "all"."""
    found = {part: median(one[part] for one in costs) for part in costs[0]}
    return found | {"all": median(sum(one.values()) for one in costs)}


def in_process_us(
    letters: Sequence[bytes], directory: Directory, calendar: Calendar, bus_seal: Seal, agency: AgencyCode
) -> dict[str, float]:
    """Return the CPU per letter of each part in microseconds: the median of batches of 64, with a new ledger."""
    with TemporaryDirectory() as folder, closing(new_ledger(Path(folder))) as ledger:
        process = InProcess(ledger, directory, calendar, bus_seal)
        return medians([process.cost_us(batch, agency) for batch in batches(letters)])


def _per_letter(act: Callable[[T], object], things: Sequence[T]) -> float:
    for one in things[:20]:
        act(one)
    began = process_time()
    for one in things:
        act(one)
    return (process_time() - began) / len(things) * 1e6
