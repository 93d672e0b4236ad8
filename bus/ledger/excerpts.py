"""What of a version of the directory goes into an evidence pack: the records that matter, proven to stand in it.

That a version has no record of a name is shown by its two neighbours, between which it would stand.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Iterable, Iterator

from bus.directory import BUS, Directory, Records
from bus.directory.lines import AGENCY, AUTHORITY, GROUP, TOPIC
from bus.directory.model import EVERYONE
from bus.directory.records import Tree, key_of
from bus.documents.xml import parse
from bus.errors import Refused
from bus.identifiers import AgencyCode
from bus.ledger.entry import canonical

_CODE = re.compile(r"[0-9]{10}")
_NAMED = {"GroupID": GROUP, "TopicID": TOPIC}


def named_in(documents: Iterable[bytes]) -> set[str]:
    """Return the keys of what signed documents name: agencies by their codes, groups and topics."""
    return {key for raw in documents for key in _named(raw)}


def _named(raw: bytes) -> Iterator[str]:
    try:
        root = parse(raw)
    except Refused:
        return  # such a document is shown all the same; the verifier says what is wrong with it
    for element in root.iter("{*}*"):
        text, name = (element.text or "").strip(), str(element.tag).rpartition("}")[2]
        if _CODE.fullmatch(text):
            yield f"{AGENCY}{text}"
        elif text and name in _NAMED:
            yield f"{_NAMED[name]}{text}"


def excerpt(records: Records, directory: Directory, named: Iterable[str]) -> bytes:
    """Return the records of a version that matter where these are named, and the hashes that prove them.

    JSON: `records`, each with its place in the order of the keys, and `hashes` (base64) of all that lies between them,
    from left to right. The bus's own record is always among them.
    """
    tree = Tree(records)
    places = tree.places({BUS, *_with_all_they_need(directory, named)})
    lines = [line.decode() for line in tree.lines(places)]
    hashes = [b64encode(one).decode() for one in tree.proof(places)]
    return canonical({"records": list(zip(places, lines, strict=True)), "hashes": hashes}).encode()


def records_shown(member: bytes) -> Records:
    """Return the records that an excerpt has."""
    lines = (line.encode() for _, line in json.loads(member)["records"])
    return {key_of(line): line for line in lines}


def _with_all_they_need(directory: Directory, named: Iterable[str]) -> set[str]:
    """The keys, and those of members, of parents, through whom letters go, and of authorities that vouch for them."""
    found = set(named)
    codes = {AgencyCode(key.removeprefix(AGENCY)) for key in found if key.startswith(AGENCY)}
    for key in found:
        listed = _listed(directory, key)
        # That nobody was left out of "everyone" is shown by all.
        codes |= set(directory.agencies if listed == (EVERYONE,) else listed)
    codes |= {one.code for code in codes for one in directory.line(code, "parent")}
    known = [directory.agencies[code] for code in codes if code in directory.agencies]
    found |= {f"{AUTHORITY}{pin.authority}" for agency in known for pin in agency.vouched}
    return found | {f"{AGENCY}{code}" for code in codes}


def _listed(directory: Directory, key: str) -> tuple[AgencyCode, ...]:
    kind, _, id_ = key.partition("/")
    if group := directory.groups.get(id_) if kind == "group" else None:
        return group.members
    topic = directory.topics.get(id_) if kind == "topic" else None
    return topic.subscribers if topic else ()
