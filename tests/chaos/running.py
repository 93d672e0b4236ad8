"""One run: carry out a plan with real processes, let everything come to rest, and judge what is left."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Lock, Thread
from time import monotonic, sleep

from adapters import views
from adapters.mailbox import Mailbox
from adapters.views import View
from bus.identifiers import AgencyCode
from compose.cluster import PostgresCluster
from compose.node import Node
from tests.chaos import judging_acts, judging_books, judging_letters, looking
from tests.chaos.breaking import Breaker
from tests.chaos.draining import WITHIN, Rest, drain
from tests.chaos.known import KnownFault, unexplained
from tests.chaos.looking import Places
from tests.chaos.network import Network, network
from tests.chaos.offices import Offices
from tests.chaos.plan import AGENCIES, Fault, Kind, Plan
from tests.chaos.verdict import Trial, Violation

_OFFICES_LOOK_EVERY = 0.15
_ALL = 100_000
_NOT_NOW = 75
"""The exit code of a program that finds at its start that something it needs is away (EX_TEMPFAIL, sysexits.h)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a run has shown."""

    plan: Plan
    happened: Mapping[str, int]
    """Faults that were seen to happen, by kind."""
    letters: int
    acts: int
    refused: int
    entries: int
    drained: float
    violations: list[Violation]
    trial: Trial = field(repr=False)

    def lines(self, known: Iterable[KnownFault] = ()) -> Iterator[str]:
        """The outcome for a reader, who is told which violations come of faults that are known."""
        counts = ", ".join(f"{kind} {count}" for kind, count in sorted(self.happened.items()))
        yield (
            f"seed {self.plan.seed} on {self.plan.database}: {self.letters} letters, {self.acts} acts "
            f"({self.refused} refused), {self.entries} entries; at rest {self.drained:.1f} s after the last fault"
        )
        yield f"seed {self.plan.seed}: faults that happened: {counts or 'none'}"
        found = unexplained(self.violations, known)
        for each in self.violations:
            yield f"seed {self.plan.seed}: {'VIOLATION' if each in found else 'known fault:'} {each}"


def run(folder: Path, plan: Plan, node: Node, cluster: PostgresCluster | None) -> Outcome:
    """Carry out a plan; `folder` keeps ledger, mailboxes, folders and logs as the evidence."""
    with network(folder, plan, node, cluster) as found:
        found.start_all()
        offices = Offices(plan, found.folders)
        breaker = Breaker(found, offices)
        ended: list[Violation] = []
        with _at_work(offices):
            _break(plan, found, breaker, ended)
            rest = drain(_places(found), offices.due)
            breaker.count_cuts()
            _watch(found, ended)
        trial = _trial(found, offices, breaker)
        verified = found.bus.run_bus("ledger", "verify", "--signatures", "--json")
        violations = [
            *ended,
            *_not_at_rest(rest, found),
            *_verification(verified.stdout, verified.stderr, found),
        ]
        violations += judge(trial)
        return Outcome(
            plan=plan,
            happened=dict(breaker.happened),
            letters=len(trial.letters),
            acts=len(trial.acts),
            refused=sum(body["kind"] == "refused" for body in trial.found.ledger.entries),
            entries=len(trial.found.ledger.entries),
            drained=rest.took,
            violations=violations,
            trial=trial,
        )


def judge(trial: Trial) -> Iterator[Violation]:
    """Everything that is wrong with what a run has left."""
    for rules in (judging_letters, judging_acts, judging_books):
        yield from rules.judge(trial)


@contextmanager
def _at_work(offices: Offices) -> Iterator[None]:
    """Within the block the offices work, in a thread of their own; what goes wrong there is raised at its end."""
    stop, wrong = Event(), []

    def work() -> None:
        began = monotonic()
        try:
            while not stop.wait(_OFFICES_LOOK_EVERY):
                offices.look(monotonic() - began)
        except Exception as exc:
            wrong.append(exc)

    thread = Thread(target=work, name="offices")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
    if wrong:
        raise wrong[0]


def _break(plan: Plan, found: Network, breaker: Breaker, ended: list[Violation]) -> None:
    """Begin and end every fault in its time, side by side; one that takes long delays only what is done to the same."""
    began = monotonic()
    locks = {fault.target: Lock() for fault in plan.faults}

    def happen(fault: Fault) -> None:
        sleep(max(0.0, fault.at - (monotonic() - began)))
        with locks[fault.target]:
            breaker.begin(fault)
            sleep(fault.lasts)
            breaker.end(fault)

    with ThreadPoolExecutor(max_workers=max(len(plan.faults), 1)) as threads:
        in_flight = {threads.submit(happen, fault) for fault in plan.faults}
        while in_flight or monotonic() - began < plan.seconds:
            done, in_flight = wait(in_flight, timeout=0.5)
            for each in done:
                each.result()
            if not in_flight:
                sleep(0.1)
            _watch(found, ended)


def _watch(found: Network, ended: list[Violation]) -> None:
    """Start again what has ended although no fault ended it, as a supervisor does, and say so but for "not now"."""
    for name in ("serve", *found.plan.routers, *AGENCIES):
        process = found.process(name)
        # In this order: whoever kills it says so before, and whoever starts it again says so after.
        if process.running or name in found.down or process is not found.process(name):
            continue
        if process.exit_code != _NOT_NOW:
            what = f"ended by itself with {process.exit_code}: {process.last_words(1)[:300]}"
            ended.append(Violation(rule="process-ended", about=name, what=what, evidence=str(process.log)))
        found.start(name)


def _not_broken(plan: Plan, breaker: Breaker) -> Iterator[Violation]:
    """A run shows nothing by faults that did not happen. A line is cut by the next long frame, which may not come."""
    planned = Counter(fault.kind for fault in plan.faults)
    for kind, count in planned.items():
        happened = breaker.happened[kind]
        if happened < count and kind not in (Kind.CUT, Kind.DEPOT_CUT):
            what = f"{count} were planned, {happened} seen"
            yield Violation(rule="fault-missing", about=kind, what=what, evidence="plan.txt")


def _not_at_rest(rest: Rest, found: Network) -> Iterator[Violation]:
    where = str(found.bus.folder / "logs")
    about = f"{WITHIN:.0f} s after the last fault"
    if rest.late and not rest.left:
        what = f"{rest.late[0]}; it took {rest.took:.0f} s"
        yield Violation(rule="slow-to-rest", about=about, what=what, evidence=where)
    for what in rest.left[:20]:
        yield Violation(
            rule="not-at-rest", about=f"{rest.took:.0f} s after the last fault", what=what, evidence=where
        )


def _verification(stdout: str, stderr: str, found: Network) -> Iterator[Violation]:
    report = json.loads(stdout) if stdout.strip() else {"verdict": stderr.strip()[-500:]}
    if report["verdict"] != "pass":
        what = json.dumps(report, ensure_ascii=False)[:600]
        yield Violation(rule="ledger-fails", about="ledger verify", what=what, evidence=str(found.bus.folder))


def _places(found: Network) -> Places:
    url = found.bus.ledger_url
    return Places(
        ledger=url.removeprefix("sqlite:///").replace("postgresql+psycopg", "postgresql", 1),
        entries=found.bus.folder / "entries.jsonl",
        mailboxes={code: found.bus.mailbox(code) for code in AGENCIES},
        folders=found.folders,
        logs=found.bus.folder / "logs",
        management=found.node.management_url,
        vhost=found.bus.vhost,
    )


def _trial(found: Network, offices: Offices, breaker: Breaker) -> Trial:
    return Trial(
        letters=dict(offices.letters),
        acts=list(offices.acts),
        restored=dict(breaker.restored),
        found=looking.look(_places(found)),
        sent={code: _told(found, code, _letters_sent) for code in AGENCIES},
        received={code: _told(found, code, _letters_received) for code in AGENCIES},
    )


def _told(found: Network, code: AgencyCode, what: Callable[[Mailbox], Iterable[View]]) -> list[View]:
    """What an office's commands tell it about its letters: this is judged, so it is the product's own word."""
    with Mailbox(found.bus.mailbox(code), code) as mailbox:
        return list(what(mailbox))


def _letters_sent(mailbox: Mailbox) -> Iterator[View]:
    return (views.sent(mailbox, row) for row in mailbox.outbox.letters(limit=_ALL))


def _letters_received(mailbox: Mailbox) -> Iterator[View]:
    return (views.received(mailbox, row) for row in mailbox.inbox.letters(limit=_ALL))
