"""What an agency has lost is given back to it: copies of its own documents, and the directory in force.

A mailbox that was brought back from a backup gets answers to documents that it does not have. It names the
consignments that brought them, and gets the documents that they answer, as new consignments: bytes that it signed
itself, kept in the ledger since.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bus.identifiers import AgencyCode, ContentDigest, LetterId, RawDigest
from bus.ledger.entry import Entry, Kind
from bus.ledger.store import Writer
from bus.ledger.work import AT_ONCE, batched

COPY = "copy"
"""The type of a consignment that gives an agency a document of its own."""


def consign_copies(writer: Writer, agency: AgencyCode, answers: Sequence[int]) -> int:
    """Consign to an agency its own accepted letters and notices that these consignments answer; return how many."""
    found = [own for some in batched(answers, AT_ONCE) for own in _own(writer, agency, some)]
    for id_, digest, document, entry in found:
        number = writer.numbers([agency])[agency]
        headers = {
            "verified-as-of": entry.body["receivedAt"],
            "sender": agency,
            "about": id_,
            "digest": digest,
        }
        writer.consign(agency, number, type=COPY, entry=entry.seq, document=document, headers=headers)
    return len(found)


def _own(
    writer: Writer, agency: AgencyCode, answers: Sequence[int]
) -> Iterator[tuple[str, ContentDigest, RawDigest, Entry]]:
    seen: set[int] = set()
    for verdict in writer.answered_by(agency, answers):
        # Of a duplicate it is the entry of what stands: the fact that the agency stated first.
        entry = writer.entry_at(verdict.entry)
        if entry is None or entry.document is None or entry.seq in seen:
            continue
        match entry.kind:
            case Kind.ACCEPTED:
                yield (
                    LetterId(entry.body["letterId"]),
                    ContentDigest(entry.body["digest"]),
                    entry.document,
                    entry,
                )
            case Kind.NOTICE:
                yield str(entry.body["noticeId"]), ContentDigest(entry.body["digest"]), entry.document, entry
            case _:
                continue
        seen.add(entry.seq)


def consign_directory(writer: Writer, agency: AgencyCode, held: int) -> bool:
    """Consign the directory in force to an agency that holds an older version or none; return whether it does."""
    entry = writer.latest(Kind.DIRECTORY)
    if entry is None or entry.body["version"] <= held:
        return False
    if own := writer.given_with(entry.seq, agency):
        writer.repeat(agency, own[0])
        return True
    # An agency that was not given this version gets the same signed bytes under a number of its own.
    if (others := writer.given_with(entry.seq)) is None:
        return False
    number = writer.numbers([agency])[agency]
    headers = {"version": entry.body["version"]}
    writer.consign(agency, number, type="directory", entry=entry.seq, document=others[1], headers=headers)
    return True
