"""Drawing a plan from a seed."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace

from tests.chaos.plan import AGENCIES, GROUP, Act, After, Chain, Fault, Kind, Letter, Plan, Verb

LETTERS_PER_SECOND = 1.3
SECONDS_BETWEEN_FAULTS = 2.2
HASTY_CORRECTION = "hasty-correction"
"""The trait of a plan by which a clerk corrects a registration before it is answered."""
TRAITS: frozenset[str] = frozenset({*Kind, HASTY_CORRECTION})
"""What a plan can be asked to do without."""

_SIZES = ((200, 4_000, 6), (4_000, 120_000, 3), (500_000, 2_500_000, 1))
"""Least and most bytes of a file, and how often one is drawn so."""
_QUIET_AT_THE_END, _ENDS_AFTER = 1.0, 1.5
"""Seconds before the end without anything new, and after it by which the last fault has ended."""
_FREQUENT = frozenset({Kind.KILL, Kind.STOP, Kind.CUT})
_DATABASES = ("postgresql", "sqlite")


def draw(
    seed: int,
    seconds: float,
    *,
    database: str | None = None,
    without: Collection[str] = (),
    between: float = SECONDS_BETWEEN_FAULTS,
) -> Plan:
    """Return the plan of a seed, on one of the two databases, without the traits and kinds of fault named.

    `between` is how many seconds lie between the beginnings of two faults on average.
    """
    chance = random.Random(seed)
    drawn = chance.choice(_DATABASES)
    database = database or drawn
    return Plan(
        seed=seed,
        seconds=seconds,
        database=database,
        letters=tuple(_letters(chance, seconds, without)),
        faults=tuple(sorted(_faults(chance, seconds, database, without, between), key=lambda one: one.at)),
    )


def _letters(chance: random.Random, seconds: float, without: Collection[str]) -> Iterator[Letter]:
    made: list[Letter] = []
    for number in range(1, int(seconds * LETTERS_PER_SECOND) + 1):
        sender = chance.choice(AGENCIES)
        others = [code for code in AGENCIES if code != sender]
        circular = chance.random() < 0.2
        to = others if circular else chance.sample(others, chance.choice((1, 1, 1, 2)))
        registers = chance.random() < 0.85
        earlier = [one.key for one in made if one.sender == sender]
        chains = [chain for code in to for chain in _chains(chance, code, without)] if registers else []
        letter = Letter(
            key=f"{number:04d}",
            sender=sender,
            at=round(chance.uniform(0.0, max(seconds - _QUIET_AT_THE_END, 0.1)), 2),
            to=(f"group:{GROUP}",) if circular else tuple(to),
            recipients=tuple(to),
            sizes=tuple(_size(chance) for _ in range(chance.choice((1, 1, 1, 2, 3)))),
            acknowledgement="registration" if registers else "receipt",
            replaces=chance.choice(earlier) if earlier and chance.random() < 0.1 else None,
            chains=tuple(chains),
        )
        made.append(letter)
        yield letter


def _size(chance: random.Random) -> int:
    ((least, most, _),) = chance.choices(_SIZES, [weight for _, _, weight in _SIZES])
    return chance.randint(least, most)


def _chains(chance: random.Random, recipient: str, without: Collection[str]) -> list[Chain]:
    """What is done about a letter at one recipient: usually one thing after the other, sometimes two at a time."""
    (story,) = chance.choices(list(_STORIES), list(_STORIES.values()))
    hasty = HASTY_CORRECTION not in without
    return [Chain(recipient=recipient, acts=tuple(acts)) for acts in story(chance, hasty)]


def _act(verb: Verb, after: After, chance: random.Random, most: float = 1.5) -> Act:
    return Act(verb=verb, after=after, delay=round(chance.uniform(0.0, most), 2))


def _registers(chance: random.Random, _hasty: bool) -> list[list[Act]]:
    return [[_act(Verb.REGISTER, After.SHOWN, chance)]]


def _refuses(chance: random.Random, _hasty: bool) -> list[list[Act]]:
    return [[_act(Verb.REFUSE, After.SHOWN, chance)]]


def _misdirected(chance: random.Random, _hasty: bool) -> list[list[Act]]:
    return [[_act(Verb.MISDIRECTED, After.SHOWN, chance)]]


def _corrects(chance: random.Random, hasty: bool) -> list[list[Act]]:
    after = chance.choice((After.DONE, After.ANSWERED)) if hasty else After.ANSWERED
    first = chance.choice((Verb.REGISTER, Verb.REGISTER, Verb.REFUSE))
    acts = [_act(first, After.SHOWN, chance), _act(Verb.CORRECT, after, chance, 0.4)]
    if chance.random() < 0.3:
        acts.append(_act(Verb.CORRECT, After.ANSWERED, chance))
    return [acts]


def _disputes(chance: random.Random, _hasty: bool) -> list[list[Act]]:
    return [
        [
            _act(Verb.REGISTER, After.SHOWN, chance),
            _act(Verb.DISPUTE, After.REGISTERED, chance),
            _act(Verb.CORRECT, After.DISPUTED, chance),
        ]
    ]


def _withdraws(chance: random.Random, _hasty: bool) -> list[list[Act]]:
    granted = chance.random() < 0.6
    acts = [_act(Verb.WITHDRAW, After.ACCEPTED, chance)]
    acts.append(_act(Verb.GRANT if granted else Verb.DECLINE, After.REQUESTED, chance))
    return [acts if granted else [*acts, _act(Verb.REGISTER, After.ANSWERED, chance)]]


def _withdraws_while_registered(chance: random.Random, _hasty: bool) -> list[list[Act]]:
    """The sender wants it back while the recipient registers it: whichever comes second is refused."""
    withdrawal = [_act(Verb.WITHDRAW, After.ACCEPTED, chance, 3.0), _act(Verb.GRANT, After.REQUESTED, chance)]
    return [withdrawal, [_act(Verb.REGISTER, After.SHOWN, chance, 3.0)]]


def _settles(chance: random.Random, _hasty: bool) -> list[list[Act]]:
    return [[_act(Verb.SETTLE, After.ACCEPTED, chance, 4.0)]]


def _leaves_it(_chance: random.Random, _hasty: bool) -> list[list[Act]]:
    return []


_STORIES: dict[Callable[[random.Random, bool], list[list[Act]]], int] = {
    _registers: 35,
    _corrects: 18,
    _disputes: 12,
    _refuses: 8,
    _misdirected: 6,
    _withdraws: 10,
    _withdraws_while_registered: 8,
    _settles: 6,
    _leaves_it: 5,
}


def _faults(
    chance: random.Random, seconds: float, database: str, without: Collection[str], between: float
) -> list[Fault]:
    """Draw faults over the time: every kind once if there is room, then by chance, never two on one thing at once."""
    kinds: list[Kind] = [kind for kind in Kind if kind not in without]
    if database != "postgresql":
        kinds = [kind for kind in kinds if kind is not Kind.DATABASE_KILL]
    chance.shuffle(kinds)
    often = [*kinds, *2 * [kind for kind in kinds if kind in _FREQUENT]]
    busy: dict[str, float] = {}
    found: list[Fault] = []
    at = 1.0
    while at < seconds - _QUIET_AT_THE_END and kinds:
        kind = kinds[len(found)] if len(found) < len(kinds) else chance.choice(often)
        fault = _fault(chance, kind, round(at, 2), database)
        fault = replace(fault, lasts=min(fault.lasts, round(seconds + _ENDS_AFTER - at, 2)))
        if busy.get(fault.target, 0.0) <= at:
            busy[fault.target] = at + fault.lasts + 1.0
            found.append(fault)
        at += chance.uniform(0.2, 2 * between - 0.2)
    return found


def _fault(chance: random.Random, kind: Kind, at: float, database: str) -> Fault:
    routers = ("router-1", "router-2") if database == "postgresql" else ("router-1",)
    target, least, most, detail = "broker", 1.0, 4.0, ""
    match kind:
        case Kind.KILL:
            target, least, most = chance.choice((*routers, *routers, "serve", *AGENCIES)), 0.2, 3.0
        case Kind.STOP:
            target, least, most = chance.choice((*routers, *routers, "serve", *AGENCIES)), 0.5, 9.0
        case Kind.CUT:
            target, least, most = chance.choice(("router", *AGENCIES)), 0.0, 0.0
            detail = f"{chance.choice(('up', 'down'))}:{chance.choice((40, 300, 1500))}"
        case Kind.DEPOT_CUT:
            target, least, most = chance.choice(AGENCIES), 0.0, 0.0
            detail = f"{chance.choice(('up', 'down'))}:{chance.choice((200, 4000))}"
        case Kind.RESTORE:
            target, least, most = chance.choice(AGENCIES), 3.0, 12.0
        case Kind.PURGE:
            target, least, most = chance.choice(AGENCIES), 2.0, 4.0
        case Kind.BROKER_RESTART | Kind.BROKER_KILL:
            least, most = 0.0, 0.0
        case Kind.DATABASE_KILL:
            target = "database"
    return Fault(kind=kind, target=target, at=at, lasts=round(chance.uniform(least, most), 2), detail=detail)
