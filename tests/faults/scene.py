"""A small bus to be broken: three agencies with real adapters, office systems that write and read files.

`Scene` starts and kills the parts, gives letters to offices, and knows which adapters are meant to be running. What
became of everything is judged by `promises.py`, from mailboxes, broker and ledger, never from what a test remembers.
"""

from __future__ import annotations

import itertools
import json
import shutil
import signal
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

from sqlalchemy import Engine, NullPool, create_engine, func, select

from adapters.mailbox import tables as mail
from adapters.mailbox.entries import UNANSWERED
from bus.broker.management import Management
from bus.identifiers import AgencyCode
from bus.ledger.entry import Entry, Kind
from bus.ledger.tables import consignments, pending
from bus.thai import now
from compose.clusters import ClusteredBus
from compose.demo.offices.exchange import Exchange
from compose.local import LocalBus
from compose.node import Node
from compose.nodes import Nodes
from compose.process import Process
from tests.faults.waiting import nothing_left

OPM, SOC, DGA = map(AgencyCode, ("0100100000", "0100500000", "1100800000"))
AGENCIES = (OPM, SOC, DGA)
HEARTBEAT = 5
_SIGNER = {"given_name": "ตัวอย่าง", "family_name": "ผู้ลงนาม", "job_title": "ผู้อำนวยการ (ตัวอย่าง)"}


def agencies(
    version: int = 1,
    *,
    revoked: Mapping[str, str] | None = None,
    reads: Mapping[AgencyCode, Sequence[str]] | None = None,
    clusters: Mapping[AgencyCode, str] | None = None,
) -> str:
    """The text of a directory of the three.

    `revoked`: the time at which an agency's certificate ended; `reads`: the versions that its adapter understands;
    `clusters`: the broker cluster that it is on, if it is not `main`.
    """
    on = clusters or {}
    ended, understood = {code: f", revoked_at = {at}" for code, at in (revoked or {}).items()}, reads or {}
    head = f'version = {version}\n[bus]\ncertificates = [{{ file = "bus.crt.pem" }}]\n'
    return head + "".join(
        f'[[agency]]\ncode = "{code}"\nname_th = "หน่วยงาน {code} (ตัวอย่าง)"\nname_en = "Agency {code} (sample)"\n'
        f'certificates = [{{ file = "{code}.crt.pem"{ended.get(code, "")} }}]\n'
        + (f'cluster = "{on[code]}"\n' if code in on else "")
        + (f"reads = {json.dumps(list(understood[code]))}\n" if code in understood else "")
        for code in AGENCIES
    )


class Scene:
    """A bus, its offices, and what of it is up; a context manager."""

    def __init__(self, bus: LocalBus) -> None:
        self.bus = bus
        self.offices = {code: Exchange(code, bus.exchange_folder(code)) for code in AGENCIES}
        self.given: dict[str, list[str]] = {code: [] for code in AGENCIES}
        """The reference of every letter that an office has put into its outbox."""
        self.present: set[str] = set()
        """The agencies whose adapter is running, or will be again before the promises are looked at."""
        self.marks: list[tuple[int, str]] = []
        """Number of entries and a digest of all their leaves, as they were seen at some time: they may not change."""
        self._serial = itertools.count(1)
        self._stack = ExitStack()
        self._engines: dict[str, Engine] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    # -- parts --

    def start(self, *codes: str, router: bool = True) -> Self:
        """Start the depot, a router and the adapters of these agencies, of all if none is named."""
        self.bus.start_depot()
        if router:
            self.router()
        started = [self.adapter(code, wait=False) for code in codes or AGENCIES]
        for process in started:
            process.wait_ready()
        return self

    def router(
        self, name: str = "router-1", *, failpoints: str = "", wait: bool = True, **settings: Any
    ) -> Process:
        """Start a router, or start it again."""
        self._forget(name)
        return self.bus.start_router(name, failpoints=failpoints, wait=wait, **settings)

    def adapter(self, code: str, *, failpoints: str = "", wait: bool = True, **settings: Any) -> Process:
        """Start an agency's adapter, or start it again; from now on it counts as present."""
        self._forget(f"adapter-{code}")
        self.present.add(code)
        return self.bus.start_adapter(
            code,
            failpoints=failpoints,
            wait=wait,
            **{"resend_after": 1.0, "broker__heartbeat": HEARTBEAT, **settings},
        )

    def process(self, name: str) -> Process:
        """The process of this name (an agency's code is its adapter), as it was started last."""
        return self.bus.processes[f"adapter-{name}" if name in AGENCIES else name]

    def dies(self, process: Process, point: str) -> None:
        """Wait until the process has died, and of nothing but its failpoint."""
        assert process.wait_gone(60) == -signal.SIGKILL, process.last_words()
        assert self.bus.failpoints_reached(process.name) == [point]
        process.stop()

    def _forget(self, name: str) -> None:
        if name in self.bus.processes:
            self.bus.processes[name].stop()
        (self.bus.folder / "logs" / f"{name}.failpoints").unlink(missing_ok=True)

    # -- letters --

    def send(self, sender: AgencyCode, *to: str, count: int = 1, size: int = 600, **fields: Any) -> list[str]:
        """Let an office put letters into its outbox; return its references for them."""
        keys = [f"{next(self._serial):04d}" for _ in range(count)]
        for key in keys:
            manifest = {
                "date": now().date().isoformat(),
                "kind": "external",
                "to": list(to),
                "subject": f"หนังสือทดสอบ {key}",
                "acknowledgement": "receipt",
                "signers": [_SIGNER],
                **fields,
            }
            self.given[sender].append(key)
            self.offices[sender].send(key, manifest, {f"หนังสือ {key}.pdf": paper(key, size)})
        return keys

    # -- looking --

    def mail(self, code: str) -> Engine:
        """An agency's mailbox, opened for looking at it."""
        if code not in self._engines:
            file = self.bus.mailbox(code) / "mailbox.sqlite"
            # Opened for each look: whoever copies the file in this process drops its locks, and a connection that is
            # kept would read a log that others have removed since.
            url = f"sqlite:///file:{file}?mode=ro&uri=true"
            self._engines[code] = create_engine(url, poolclass=NullPool)
            self._stack.callback(self._engines[code].dispose)
        return self._engines[code]

    def bring_back(self, code: str, backup: Path) -> None:
        """Put an older copy in the place of an agency's mailbox, while its adapter does not run."""
        if code in self._engines:
            self._engines.pop(code).dispose()
        shutil.rmtree(self.bus.mailbox(code))
        shutil.copytree(backup, self.bus.mailbox(code))

    def rows(self, code: str, query: Any) -> list[Any]:
        """What a query finds in an agency's mailbox; nothing while it has none."""
        if not (self.bus.mailbox(code) / "mailbox.sqlite").exists():
            return []
        with self.mail(code).connect() as connection:
            return list(connection.execute(query))

    def states(self, code: str) -> dict[str, str]:
        """The state of each letter that an agency has sent, by reference."""
        query = select(mail.outbox.c.reference, mail.outbox.c.state).where(mail.outbox.c.type == "letter")
        return {row.reference: row.state for row in self.rows(code, query)}

    def accepted(self, code: str, keys: Iterable[str]) -> bool:
        """Whether an agency holds the acceptance of these letters."""
        states = self.states(code)
        return all(states.get(key) == "accepted" for key in keys)

    def received(self, code: str) -> set[str]:
        """The senders' references of the letters that are complete at an agency."""
        inbox = self.bus.exchange_folder(code) / "inbox"
        manifests = (place / "letter.json" for place in inbox.iterdir() if not place.name.startswith("."))
        return {json.loads(each.read_text(encoding="utf-8"))["sender_reference"] for each in manifests}

    def raw(self, code: str, key: str) -> tuple[bytes, str]:
        """The signed bytes of a letter that an agency sent, and their SHA-256."""
        query = select(mail.outbox.c.raw, mail.outbox.c.raw_sha256).where(mail.outbox.c.reference == key)
        ((raw, submission),) = self.rows(code, query)
        return raw, submission

    def entries(self, kind: Kind) -> list[Entry]:
        """The ledger's entries of a kind, as of now."""
        with self.bus.open_ledger().read() as reader:
            return list(reader.every(kind))

    def calm(self, *, within: float = 60.0) -> None:
        """Wait until nothing is on its way any more, except to and from agencies that are not present."""
        nothing_left(self._unfinished, within=within)

    def _unfinished(self) -> list[str]:
        with self.bus.open_ledger().engine.connect() as ledger:
            waiting = ledger.execute(select(pending.c.agency, func.count()).group_by(pending.c.agency))
            left = [f"{n} consignments pending for {code}" for code, n in waiting if code in self.present]
        last = self._last_consignments()
        for code in sorted(self.present):
            left += [f"{code}: {what}" for what in self._unfinished_at(code, last.get(code, 0))]
        if self._last_consignments() != last:
            # One mailbox was looked at before, another after it: together they say nothing.
            left.append("something was consigned during this very look")
        return left

    def _last_consignments(self) -> dict[str, int]:
        query = select(consignments.c.agency, func.max(consignments.c.number)).group_by(consignments.c.agency)
        with self.bus.open_ledger().engine.connect() as ledger:
            return {code: number for code, number in ledger.execute(query)}

    def _unfinished_at(self, code: str, last: int) -> Iterator[str]:
        states = self.states(code)
        yield from (f"letter {key} was not taken" for key in self.given[code] if key not in states)
        for place in ("outbox", "working"):  # a clerk's acts, too, lie there until they are in the mailbox
            for left in (self.bus.exchange_folder(code) / place).glob("[!.]*"):
                yield f"{place}/{left.name} was not taken"
        outbox, arrivals, inbox = mail.outbox, mail.arrivals, mail.inbox
        for row in self.rows(code, select(outbox).where(outbox.c.state.in_(UNANSWERED))):
            yield f"{row.type} {row.reference} is {row.state}: {row.last_error}"
        for row in self.rows(code, select(arrivals).where(arrivals.c.state == "stored")):
            yield f"consignment {row.consignment} is not judged: {row.reason}"
        for row in self.rows(code, select(inbox).where(inbox.c.state == "fetching")):
            yield f"letter {row.letter_id} is fetched: {row.last_error}"
        ((arrived,),) = self.rows(code, select(func.count(arrivals.c.consignment.distinct()))) or [(0,)]
        if arrived < last:
            yield f"{arrived} of {last} consignments have arrived"
        told = self.rows(code, select(func.max(mail.bookmarks.c.told)))
        if told != self.rows(code, select(func.max(mail.news.c.id))):
            yield "the office has not been told everything"


_END = b"%%EOF\n"


def paper(key: str, size: int) -> bytes:
    """Bytes that pass for a scanned letter, different for every letter."""
    line = f"%PDF-1.7 หนังสือ {key} (ตัวอย่าง)\n".encode()
    return (line * (size // len(line) + 1))[: size - len(_END)] + _END


@contextmanager
def scene(
    node: Node | Nodes, folder: Path, *, clusters: Mapping[str, Node] | None = None, **options: Any
) -> Iterator[Scene]:
    """A bus of the three agencies in a vhost of its own, nothing started yet; `clusters` are other nodes by name."""
    with ExitStack() as stack:
        vhost = f"faults-{uuid4().hex[:8]}"
        for each in (node, *(clusters or {}).values()):
            stack.enter_context(_left_as_it_was(each, vhost))
        router = {"sweep_interval": 0.5, "deadline_interval": 1.0, **options.pop("router", {})}
        # Witnesses look once, at the start, and not in the middle of a fault.
        settings = {"directory": agencies(), "router": router, "witness_poll": 600.0, **options}
        settings |= {"broker": node, "vhost": vhost}
        bus = (
            ClusteredBus(folder, clusters=clusters, **settings) if clusters else LocalBus(folder, **settings)
        )
        with bus, Scene(bus) as found:
            _with_short_heartbeat(bus.folder / "bus.toml")
            yield found


@contextmanager
def _left_as_it_was(node: Node | Nodes, vhost: str) -> Iterator[None]:
    """Take a vhost and every new user away from a node at the end of the block."""
    node.recover()
    with Management(node.management_url) as management:
        users = {each["name"] for each in management.get("users")}
    try:
        yield
    finally:
        node.recover()
        with Management(node.management_url) as management:
            management.delete("vhosts", vhost)
            for user in {each["name"] for each in management.get("users")} - users:
                management.delete("users", user)


def _with_short_heartbeat(settings: Path) -> None:
    text = settings.read_text(encoding="utf-8")
    assert text.count("\n[broker]\n") == 1
    settings.write_text(
        text.replace("\n[broker]\n", f"\n[broker]\nheartbeat = {HEARTBEAT}\n"), encoding="utf-8"
    )
