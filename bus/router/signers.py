"""Who signs for the bus: its seal under what it says, its log key under the ledger's heads."""

from __future__ import annotations

from datetime import timedelta

from bus.documents.notes import log_key
from bus.documents.seal import Seal
from bus.ledger.checkpoint import Signer
from bus.ledger.store import Ledger
from bus.settings.bus import BusSettings
from bus.thai import now


def bus_seal(settings: BusSettings) -> Seal:
    """Return the bus's own seal. Raises Misconfigured for a key that is missing, weak or readable by others,

    and for a certificate that may not sign now: everything sealed with it would lie in quarantine at the agencies.
    """
    section = settings.seal
    seal = Seal.from_settings(section)
    seal.require_in_force(section.certificate, now())
    return seal


def ledger_signer(settings: BusSettings, ledger: Ledger) -> Signer:
    """Return who signs the ledger's heads. Raises Misconfigured for a key that is missing or readable by others."""
    section = settings.ledger
    key = log_key(section.key, section.origin, section.passphrase_text())
    every = timedelta(seconds=section.anchor_interval)
    return Signer(ledger, key, section.kept_head, anchor_every=every)
