"""A plan: what the offices do and what breaks, as data; the same seed gives the same plan, and it can be printed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from bus.identifiers import AgencyCode

OPM, SOC, DGA, ETDA = map(AgencyCode, ("0100100000", "0100500000", "1100800000", "1100700000"))
AGENCIES = (OPM, SOC, DGA, ETDA)
GROUP = "everyone"
"""A group of all agencies: a letter to it reaches all but its sender."""


class Verb(StrEnum):
    """What a clerk can do, by the names of the folder connector's manifests."""

    REGISTER = "register"
    REFUSE = "refuse"
    MISDIRECTED = "misdirected"
    CORRECT = "correct"
    DISPUTE = "dispute"
    WITHDRAW = "withdraw"
    GRANT = "grant"
    DECLINE = "decline"
    SETTLE = "settle"


BY_SENDER = frozenset({Verb.DISPUTE, Verb.WITHDRAW, Verb.SETTLE})


class After(StrEnum):
    """What an office waits for before its clerk acts."""

    SHOWN = "shown"
    """The letter is in the recipient's inbox folder."""
    ACCEPTED = "accepted"
    """The sender was shown that the bus has accepted the letter."""
    DONE = "done"
    """The act before this one in the chain was put into the outbox."""
    ANSWERED = "answered"
    """The act before this one in the chain was answered."""
    REGISTERED = "registered"
    """The sender was shown this recipient's registration."""
    DISPUTED = "number-disputed"
    """The recipient was shown that its receiving number is disputed."""
    REQUESTED = "withdrawal-requested"
    """The recipient was shown that the letter is asked back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One act of a clerk, so many seconds after what it waits for."""

    verb: Verb
    after: After
    delay: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """What is done, one after the other, about one letter and one of its recipients."""

    recipient: str
    acts: tuple[Act, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """One letter that an office lays out."""

    key: str
    sender: str
    at: float
    to: tuple[str, ...]
    """Codes, or `group:everyone`."""
    recipients: tuple[str, ...]
    """The agencies that it has to reach."""
    sizes: tuple[int, ...]
    """Bytes of each file."""
    acknowledgement: str
    replaces: str | None = None
    """The key of an earlier letter of the same sender, which has to be accepted before this one is laid out."""
    chains: tuple[Chain, ...] = ()


class Kind(StrEnum):
    """What can break."""

    KILL = "kill"
    """SIGKILL, and started again."""
    STOP = "stop"
    """SIGSTOP, and SIGCONT."""
    CUT = "cut"
    """The connection to the broker breaks in the middle of a frame."""
    DEPOT_CUT = "depot-cut"
    """The connection to the depot breaks in the middle of a file."""
    RESTORE = "restore"
    """The mailbox is replaced by a copy that was taken earlier in the run."""
    PURGE = "purge"
    """What lies in an inbox queue is thrown away."""
    MEMORY_ALARM = "memory-alarm"
    DISK_ALARM = "disk-alarm"
    BROKER_RESTART = "broker-restart"
    BROKER_KILL = "broker-kill"
    DATABASE_KILL = "database-kill"
    """PostgreSQL ends as in a crash, and is started again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault: when it begins, when what it broke is put right, and what it is done to."""

    kind: Kind
    target: str
    """An agency's code (its adapter), `router-1`, `router-2`, `serve`, `broker` or `database`."""
    at: float
    lasts: float = 0.0
    detail: str = ""
    """Of a cut: `up:<bytes>` or `down:<bytes>`, the direction and how much of the frame still passes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything that a run does."""

    seed: int
    seconds: float
    database: str
    """`postgresql`, with two routers, or `sqlite`, with one."""
    letters: tuple[Letter, ...]
    faults: tuple[Fault, ...]

    @property
    def routers(self) -> tuple[str, ...]:
        """The names of the routers."""
        return ("router-1", "router-2") if self.database == "postgresql" else ("router-1",)

    @property
    def acts(self) -> int:
        """How many acts of clerks there are at most: some wait for what does not come."""
        return sum(len(chain.acts) for letter in self.letters for chain in letter.chains)

    def lines(self) -> Iterator[str]:
        """The plan for a reader, a line for each thing, in the order of time."""
        yield (
            f"seed {self.seed}: {self.seconds:g} s on {self.database}, {len(self.letters)} letters, "
            f"{self.acts} acts, {len(self.faults)} faults"
        )
        timed = [(one.at, _letter_line(one)) for one in self.letters]
        timed += [(one.at, _fault_line(one)) for one in self.faults]
        yield from (f"{at:7.2f}  {line}" for at, line in sorted(timed))


def _fault_line(one: Fault) -> str:
    lasts = f" for {one.lasts:.1f} s" if one.lasts else ""
    return f"FAULT {one.kind} {one.target}{lasts} {one.detail}".rstrip()


def _letter_line(one: Letter) -> str:
    chains = "; ".join(f"{each.recipient}: {_chain_line(each)}" for each in one.chains)
    replaces = f" replaces {one.replaces}" if one.replaces else ""
    sizes = "+".join(map(str, one.sizes))
    return (
        f"letter {one.key} of {one.sender} to {','.join(one.to)} ({sizes} bytes){replaces} {chains}".rstrip()
    )


def _chain_line(chain: Chain) -> str:
    return ", ".join(f"{act.verb} {act.delay:.1f} s after {act.after}" for act in chain.acts)
