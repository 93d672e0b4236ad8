"""Hypothesis strategies for every letter and notice that the schemas allow."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from hypothesis import strategies as st

from bus.calendar import Calendar, Closure, Deadline, Holiday
from bus.calendar.model import Span
from bus.documents.letter import (
    Contact,
    Content,
    Enclosure,
    Extension,
    File,
    Letter,
    Receiver,
    Reference,
    Replaces,
    SealedContent,
    Sender,
    Signer,
)
from bus.documents.notice import Event, Notice, Officer, OtherMeans, ReasonText, Registration, Terms
from bus.identifiers import AgencyCode
from bus.thai import BANGKOK

BLANKS = (
    "\u0020\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
)

# Drawn more often than chance would: Thai letters, marks without a base, joiners, and what lies beyond the basic plane.
_telling = st.sampled_from(
    "กขฃคงจฉำะาิีึืุู่้๊๋็์ํๆฯ๑๒๓\u0e3a\u0301\u20dd\u200b\u200d\ufeff\ufffd𝔖𠀋🐘\U000e0100\U0010ffff<>&\"']"
)
_any = st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp"), exclude_characters="\ufffe\uffff")
_character = _telling | _any


def line(longest: int = 40) -> st.SearchStrategy[str]:
    return st.text(_character, min_size=1, max_size=longest).map(lambda text: text.strip(BLANKS)).filter(bool)


def prose() -> st.SearchStrategy[str]:
    return st.text(_character | st.sampled_from("\n\t "), min_size=1, max_size=200)


def maybe(strategy: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    return st.none() | strategy


codes = st.from_regex(r"[a-z][a-z0-9-]{0,39}", fullmatch=True)
codes3 = st.from_regex(r"[0-9]{3}", fullmatch=True)
agencies = st.from_regex(r"[0-9]{10}", fullmatch=True)
digests = st.from_regex(r"[0-9a-f]{64}", fullmatch=True)
dates = st.dates(dt.date(1000, 1, 1))
moments = st.datetimes(
    dt.datetime(1000, 1, 2), dt.datetime(9999, 12, 30), timezones=st.just(BANGKOK) | st.just(dt.UTC)
)
file_names = line().filter(
    lambda name: (
        not name.startswith(".")
        and not set(name) & set("/\\\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
    )
)
emails = st.from_regex(r"[a-z.]{1,20}@[a-z.]{1,20}", fullmatch=True)

contacts = st.builds(Contact, telephone=line(), email=maybe(emails), address=maybe(prose())) | st.builds(
    Contact, email=emails
)
senders = st.builds(Sender, agency=agencies, name=line(255), unit=maybe(line()), contact=maybe(contacts))
signers = st.builds(
    Signer,
    given_name=line(),
    family_name=line(),
    job_title=line(),
    capacity=maybe(line()),
    acting_for=maybe(line()),
)
_to = {"role": codes, "unit": maybe(line()), "job_title": maybe(line())}
receivers = (
    st.builds(Receiver, agency=agencies, **_to)
    | st.builds(Receiver, group=codes, **_to)
    | st.builds(Receiver, topic=codes, **_to)
)
references = (
    st.builds(
        Reference,
        relation=codes,
        letter_id=st.uuids(),
        number=maybe(line()),
        date=maybe(dates),
        subject=maybe(line()),
    )
    | st.builds(Reference, relation=codes, number=line(), dated=maybe(line()))
    | st.builds(Reference, relation=codes, date=dates, subject=maybe(line()))
    | st.builds(Reference, relation=codes, subject=line())
)
enclosures = st.builds(
    Enclosure,
    description=line(),
    quantity=maybe(line()),
    form=codes,
    link=maybe(st.from_regex(r"https?://[a-zก-๙/?&=<>]{1,30}", fullmatch=True)),
)
files = st.builds(
    File,
    name=file_names,
    size=st.integers(0, 2**39),
    digest=digests,
    media_type=st.from_regex(r"[a-z]{1,9}/[a-z0-9.+-]{0,9}[a-z]", fullmatch=True).filter(
        lambda text: text.split("/")[1][0].isalnum()
    ),
)
contents = st.builds(
    Content,
    subject=line(1000),
    signers=st.lists(signers, max_size=2).map(tuple),
    references=st.lists(references, max_size=3).map(tuple),
    enclosures=st.lists(enclosures, max_size=2).map(tuple),
    body=maybe(prose()),
)
sealed_contents = st.builds(
    SealedContent,
    algorithm=st.just("A256GCM"),
    ciphertext=st.from_regex(r"([A-Za-z0-9+/]{4}){1,20}", fullmatch=True),
)
extensions = st.builds(
    Extension,
    must_understand=st.booleans(),
    content=st.sampled_from(
        [
            '<x:a xmlns:x="urn:example:a"></x:a>',
            '<a xmlns="urn:example:a">ก&lt;&amp;</a>',
            '<a xmlns="urn:example:a" b="1"><c><y:d xmlns:y="urn:example:b" y:e="๑">𝔖</y:d></c></a>',
        ]
    ),
)
_extensions = st.lists(extensions, max_size=2).map(tuple)
replaces = st.builds(Replaces, letter_id=st.uuids(), digest=digests, reason=prose())
_letter = {
    "letter_id": st.uuids(),
    "number": maybe(line(100)),
    "date": dates,
    "sent_at": moments,
    "kind": codes,
    "sub_kind": maybe(codes),
    "document_type": maybe(codes),
    "secrecy": codes3,
    "speed": codes3,
    "acknowledgement": codes,
    "due_by": maybe(moments),
    "retention": maybe(codes),
    "sender": senders,
    "receivers": st.lists(receivers, min_size=1, max_size=4).map(tuple),
    "replaces": maybe(replaces),
    "main_file": files,
    "files": st.lists(files, max_size=2).map(tuple),
    "sender_reference": maybe(line(100)),
    "extensions": _extensions,
}
letters = st.builds(Letter, content=contents, **_letter) | st.builds(
    Letter, sealed=sealed_contents, **_letter
)

registrations = st.builds(
    Registration,
    number=line(100),
    registered_at=moments,
    year=st.integers(2484, 9999),
    unit=maybe(line()),
    officer=maybe(line()),
)
terms = st.builds(
    Terms,
    recipients_digest=digests,
    recipient_count=st.integers(1, 20_000),
    recipients=st.lists(agencies, max_size=5).map(tuple),
    directory_version=st.integers(0, 2**31 - 1),
    calendar_version=st.integers(0, 2**31 - 1),
    receipt_due_by=maybe(moments),
    registration_due_by=maybe(moments),
)
_notice = {
    "notice_id": st.uuids(),
    "event": st.sampled_from(Event).map(str),
    "event_uri": maybe(st.just("http://uri.etsi.org/19522/Event/ContentHandover")),
    "author": agencies | st.just("bus"),
    "about": st.lists(agencies, max_size=3).map(tuple),
    "event_time": moments,
    "received_time": maybe(moments),
    "ledger_time": maybe(moments),
    "supersedes": maybe(st.uuids()),
    "registration": maybe(registrations),
    "reason_code": maybe(codes),
    "reason_texts": st.lists(
        st.builds(ReasonText, language=st.sampled_from(["th", "en"]), value=prose()), max_size=2
    ).map(tuple),
    "suggested_receiver": maybe(agencies),
    "successor": maybe(agencies),
    "officer": maybe(st.builds(Officer, name=line(), job_title=maybe(line()))),
    "terms": maybe(terms),
    "examined_through": maybe(moments),
    "other_means": maybe(st.builds(OtherMeans, code=codes, reference=maybe(line()))),
    "extensions": _extensions,
}
notices = st.builds(Notice, letter_id=st.uuids(), letter_digest=digests, **_notice) | st.builds(
    Notice, submission_digest=digests, **_notice
)
documents = letters | notices


# Calendars --------------------------------------------------------------------------------------------------------


def calendars(first: dt.date, some: Sequence[AgencyCode], *, version: int = 1) -> st.SearchStrategy[Calendar]:
    """Calendars of a working week, with holidays and closures of these agencies within 20 days from `first` on.

    A registration is due after eight to forty working hours.
    """
    days = st.integers(0, 19).map(lambda n: first + dt.timedelta(days=n))
    closures = st.builds(
        lambda agency, day, length: Closure(
            agencies=(agency,),
            first=day,
            last=day + dt.timedelta(days=length),
            reason_th="ย้าย",
            reason_en="moving",
        ),
        st.sampled_from(some),
        days,
        st.integers(0, 9),
    )
    return st.builds(
        lambda free, closed, hours: Calendar(
            version=version,
            hours=(*((Span(dt.time(8, 30), dt.time(16, 30)),),) * 5, (), ()),
            holidays={day: Holiday(day=day, name_th="วันหยุด", name_en="holiday") for day in free},
            closures=tuple(closed),
            deadlines={
                speed: Deadline(receipt=dt.timedelta(hours=4), registration=dt.timedelta(hours=hours))
                for speed in ("001", "002", "003", "004")
            },
        ),
        st.sets(days, max_size=8),
        st.lists(closures, max_size=3),
        st.sampled_from((8, 16, 40)),
    )
