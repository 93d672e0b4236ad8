"""What to believe of what the bus consigned: each message judged once, by what it is signed with.

1. A directory counts if the bus signed it and it is newer than the one held.
2. A letter counts if the agency that the bus names as its sender sealed it with a certificate that was good when the
   bus accepted it; another agency's notice likewise.
3. A verdict counts if the bus sealed it, and it names the very document that this mailbox sent.
   Where it names many recipients by the digest of their list, it waits until that list is here.
4. An unsigned answer counts for a notice only, and only for one that was sent.
5. A copy of a document of this agency's own counts if this agency sealed it.

What does not count is kept in quarantine. A letter in quarantine is told to its sender.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from uuid import UUID

from cryptography import x509

from adapters.agent import stated
from adapters.agent.tuning import Tuning
from adapters.mailbox import Arrival, Mailbox, arrivals
from adapters.mailbox.answering import Entered
from adapters.mailbox.directories import Taken
from adapters.mailbox.keys import KeyState, key_state
from adapters.mailbox.lists import AWAITED
from adapters.mailbox.receipts import failure
from bus.directory import BUS, PinnedCertificate
from bus.directory.statement import Statement, read_statement
from bus.documents import schema
from bus.documents.letter import Letter
from bus.documents.lifecycle import PASSED
from bus.documents.notice import Event, Notice, Terms
from bus.documents.recipients import NoRecipientSet, RecipientSet
from bus.documents.signing import Verified, verify
from bus.documents.tokens import Denied, open_signed_json
from bus.documents.xml import open_envelope
from bus.errors import Misconfigured, RefusalCode, Refused, Transient
from bus.identifiers import AgencyCode, ContentDigest, as_letter_id
from bus.logs import get, in_words
from bus.thai import now

_LOG = get(__name__)
_UNREADABLE = "message.unreadable"
_KEYS = {code for code in RefusalCode if code.startswith("key.")} - {
    RefusalCode.KEY_USAGE,
    RefusalCode.KEY_WEAK,
}
"""For which a directory that is yet to come may be the reason."""


AT_ONCE = 100
"""The most that are verified in one transaction."""
_Act = Callable[[], object]
"""What is to be written of a message that was examined."""


class Verifier:
    """Judges each arrival for itself; nothing that one of them holds stops the next.

    Examining writes nothing and takes its time; what comes of it is then written for a whole batch at once.
    """

    def __init__(
        self,
        mailbox: Mailbox,
        bus_certificate: x509.Certificate,
        tuning: Tuning,
        *,
        own: x509.Certificate | None = None,
    ) -> None:
        """`own`: the certificate that this adapter seals with; a refusal of any other has what it is of sealed anew."""
        self._mailbox = mailbox
        self._bus_certificate = bus_certificate
        self._tuning = tuning
        self._own = own
        self._looked_for_directory = False
        self._lacked: Statement | None = None
        self._by_type: dict[str, Callable[[Arrival], _Act]] = {
            arrivals.DIRECTORY: self._directory,
            arrivals.LETTER: self._letter,
            arrivals.NOTICE: self._notice,
            arrivals.VERDICT: self._verdict,
            arrivals.ENTRY: self._entry,
            arrivals.COPY: self._copy,
            arrivals.RECIPIENTS: self._recipients,
        }

    def work(self, limit: int = AT_ONCE) -> list[str]:
        """Verify what waits, and give the type of each; letters and notices wait until there is a directory."""
        unready = () if self._mailbox.directory() else (arrivals.LETTER, arrivals.NOTICE, arrivals.COPY)
        if unready and not self._looked_for_directory:
            self._looked_for_directory = True
            self._mailbox.arrivals.directories_again()
        longest = self._tuning.longest_pause
        waiting = self._mailbox.arrivals.waiting(time.time(), limit, but=unready, longest=longest)
        for arrival in waiting:
            if arrival.type == arrivals.DIRECTORY:
                # By itself, for it says how the others are to be examined.
                self._settle(arrival, self._examined(arrival))
        others = [arrival for arrival in waiting if arrival.type != arrivals.DIRECTORY]
        examined = [(arrival, self._examined(arrival)) for arrival in others]
        if examined:
            with self._mailbox.transaction():
                for arrival, act in examined:
                    self._settle(arrival, act)
                if copied := [each.header("about") for each in others if each.type == arrivals.COPY]:
                    self._mailbox.arrivals.place_again(copied)
        return [arrival.type for arrival in waiting]

    def _examined(self, arrival: Arrival) -> _Act:
        """What to do about a message; Transient only if the mailbox itself does not answer."""
        examine = self._by_type.get(arrival.type)
        try:
            if examine is None:
                raise stated.Unreadable(f"no known type of message: {arrival.type or 'none'}")
            return examine(arrival)
        except Transient:
            raise
        except Exception as exc:
            return partial(self._doubt, arrival, exc)

    def _settle(self, arrival: Arrival, act: _Act) -> None:
        try:
            act()
        except Transient:
            raise
        except Exception as exc:
            self._doubt(arrival, exc)

    def _doubt(self, arrival: Arrival, reason: Exception) -> None:
        match reason:
            case Refused():
                self._disbelieve(arrival, reason)
            case Denied():
                self._quarantine(arrival, reason.doubt, reason.detail)
            case stated.Unreadable() | Misconfigured() | NoRecipientSet():
                self._quarantine(arrival, _UNREADABLE, str(reason))
            case _:
                _LOG.error("verifying-failed", consignment=arrival.consignment, exc_info=reason)
                self._postpone(arrival, in_words(reason))

    def _directory(self, arrival: Arrival) -> _Act:
        signed = open_signed_json(
            stated.ascii(arrival.body), [pin.certificate for pin in self._directory_pins()]
        )
        return partial(self._take_up, arrival, read_statement(signed))

    def _take_up(self, arrival: Arrival, statement: Statement) -> None:
        match self._mailbox.directories.receive(arrival, statement):
            case Taken.IN_FORCE:
                _LOG.info("directory-taken-up", version=statement.version)
            case Taken.LACKING:
                if self._lacked is None or self._lacked.version < statement.version:
                    self._lacked = statement
                self._postpone(arrival, "the whole version has to be fetched from the depot")
            case Taken.KNOWN:
                pass

    def lacked(self) -> Statement | None:
        """The newest version of the directory that was stated and has to be fetched; None if it is held."""
        directory = self._mailbox.directory()
        if self._lacked and directory and directory.version >= self._lacked.version:
            self._lacked = None
        return self._lacked

    def _letter(self, arrival: Arrival) -> _Act:
        verified = self._verified(arrival, AgencyCode(arrival.header("sender")))
        letter = verified.document
        if not isinstance(letter, Letter):
            raise Refused(RefusalCode.TYPE_UNKNOWN_ROOT, "a notice where a letter is announced")
        self._require_author(AgencyCode(arrival.header("sender")), letter.sender.agency)
        return partial(self._mailbox.inbox.admit, arrival, letter, verified.digest)

    def _notice(self, arrival: Arrival) -> _Act:
        agency = AgencyCode(arrival.header("sender"))
        notice = stated.the_notice(self._verified(arrival, agency))
        self._require_author(agency, notice.author)
        # Whose party it is to the letter, and not which of its units wrote it, is what the letter's life goes by.
        return partial(self._mailbox.file_notice, arrival, replace(notice, author=agency))

    def _require_author(self, agency: AgencyCode, author: AgencyCode) -> None:
        directory = self._mailbox.directory()
        if author != agency and not (directory and directory.speaks_for(agency, author)):
            raise Refused(RefusalCode.IDENTITY_SENDER_FOREIGN, author)

    def _verdict(self, arrival: Arrival) -> _Act:
        notice = stated.the_notice(self._verified(arrival, BUS))
        if notice.author != BUS:
            raise Refused(RefusalCode.IDENTITY_SENDER_FOREIGN, notice.author)
        if notice.event in PASSED:
            letter = self._mailbox.sent_letter(as_letter_id(notice.letter_id), notice.letter_digest)
            if letter is None:
                raise Refused(RefusalCode.NOTICE_LETTER_UNKNOWN, "about a letter that was not sent from here")
            return partial(self._mailbox.file_notice, arrival, notice)
        key = self._key()
        if notice.event == Event.ACCEPTED and notice.terms:
            return partial(self._accepted, arrival, notice, notice.terms, key)
        return partial(self._mailbox.answer, arrival, stated.receipted(arrival, notice), notice, key)

    def _accepted(self, arrival: Arrival, notice: Notice, terms: Terms, key: KeyState | None) -> None:
        """Take an acceptance once its recipients are known: their list may be written just before it."""
        recipients = self._mailbox.recipients_of(terms)
        if recipients is None:
            self._postpone(arrival, AWAITED)
        else:
            self._mailbox.answer(arrival, stated.receipted(arrival, notice, recipients), notice, key)

    def _recipients(self, arrival: Arrival) -> _Act:
        RecipientSet.read(arrival.body)
        return partial(self._mailbox.take_list, arrival)

    def _key(self) -> KeyState | None:
        if self._own is None:
            return None
        return key_state(self._own, self._mailbox.agency, self._mailbox.directory(), now())

    def _entry(self, arrival: Arrival) -> _Act:
        try:
            said = json.loads(arrival.body)
            entered = Entered(
                entry=int(said["entry"]),
                id=str(UUID(said["notice"])),
                digest=ContentDigest(str(said["digest"])),
                report="again" in said,
            )
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as exc:
            raise stated.Unreadable("no answer of the form {entry, notice, digest}") from exc
        return partial(self._mailbox.note_entry, arrival, entered)

    def _copy(self, arrival: Arrival) -> _Act:
        verified = self._verified(arrival, self._mailbox.agency)
        document = verified.document
        author = document.sender.agency if isinstance(document, Letter) else document.author
        self._require_author(self._mailbox.agency, author)
        return partial(self._mailbox.take_back, arrival, verified)

    def _verified(self, arrival: Arrival, signer: AgencyCode) -> Verified[Letter | Notice]:
        """Gates 1 to 3, 5 and 6 of the bus, passed again here: the bus is not taken at its word."""
        envelope = open_envelope(arrival.body)
        schema.check(envelope)
        directory = self._mailbox.directory()
        of_agency = directory.pins(signer) if directory else ()
        # A letter is checked by signxml, where the router checked its octets: two implementations have to agree before
        # a receipt is made. Of notices there are several to each letter, and the router's way will do.
        return verify(
            envelope,
            self._bus_pins() if signer == BUS else of_agency,
            stated.verified_as_of(arrival),
            vouched=directory.vouched(signer) if directory else (),
            by_octets=arrival.type != arrivals.LETTER,
        )

    def _bus_pins(self) -> Sequence[PinnedCertificate]:
        """The bus's certificates by the directory, once there is one: it knows of revocations."""
        directory = self._mailbox.directory()
        return directory.pins(BUS) if directory else (PinnedCertificate.of(self._bus_certificate),)

    def _directory_pins(self) -> Sequence[PinnedCertificate]:
        """As for verdicts; but the configured certificate stands until a directory says that it is revoked."""
        configured = PinnedCertificate.of(self._bus_certificate)
        held = {pin.fingerprint: pin for pin in (configured, *self._bus_pins())}
        return [pin for pin in held.values() if pin.revoked_at is None]

    def _disbelieve(self, arrival: Arrival, reason: Refused) -> None:
        """Quarantine; but a certificate may be unknown only because the directory that has it is yet to come."""
        consignment = arrival.consignment
        by_key = reason.code in _KEYS
        if by_key and consignment and not self._mailbox.arrivals.complete_below(consignment):
            self._postpone(arrival, f"{reason.code}: an earlier consignment is missing and may explain it")
        elif arrival.type == arrivals.LETTER:
            self._give_up_letter(arrival, reason)
        else:
            self._quarantine(arrival, reason.code, f"{reason.detail} {reason.where}".strip())

    def _give_up_letter(self, arrival: Arrival, reason: Refused) -> None:
        detail = f"{reason.detail} {reason.where}".strip()
        named = stated.claimed(arrival)
        if named is None:
            # No notice can name it: nobody could say which letter is meant. It is shown, and its deadline will tell.
            self._quarantine(arrival, reason.code, detail)
            return
        _LOG.warning("letter-quarantined", consignment=arrival.consignment, code=reason.code)
        notice, reference = failure(self._mailbox, *named, reason.code, reason.where)
        self._mailbox.inbox.reject(arrival.id, notice, reference, reason=reason.code, detail=detail)

    def _quarantine(self, arrival: Arrival, reason: str, detail: str) -> None:
        _LOG.warning("message-quarantined", consignment=arrival.consignment, code=reason)
        self._mailbox.arrivals.quarantine(arrival.id, reason, detail)

    def _postpone(self, arrival: Arrival, reason: str) -> None:
        self._mailbox.arrivals.postpone(
            arrival.id, next_attempt_at=self._tuning.retry_at(arrival.attempts), reason=reason
        )
