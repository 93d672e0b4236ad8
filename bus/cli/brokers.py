"""`saraban-bus topology`: the shape of each broker cluster, declared and compared."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import cache, partial
from typing import Annotated, Any, NamedTuple

import typer

from bus.broker import topology
from bus.broker.admin import apply, drift
from bus.broker.cluster import findings
from bus.broker.inboxes import inboxes, warnings
from bus.broker.passwords import Passwords
from bus.cli.common import Config, Json, newest_directory, say, settings_of
from bus.cli.progress import bars
from bus.directory import Directory
from bus.enrolment.brokers import management_of, topology_of
from bus.errors import Transient
from bus.exits import NEGATIVE, NOT_NOW, complain
from bus.identifiers import AgencyCode
from bus.settings.bus import Broker, BusSettings
from bus.settings.clusters import section_of

_PRINTED = 50
"""Lines of what was done, or is wrong, that are printed for people."""

app = typer.Typer(no_args_is_help=True, help="The brokers' exchanges, queues, users and policies.")
OnlyCluster = Annotated[
    str | None, typer.Option("--cluster", help="One broker cluster (main: the section broker); else each.")
]
OnlyAgencies = Annotated[
    list[str] | None,
    typer.Option("--agency", help="Only what this agency needs: a moment, however many others there are."),
]
_Wanted = Callable[[Collection[str]], topology.Topology]
"""Gives a cluster's topology, for all its agencies or for some."""


class _Answer(NamedTuple):
    """What was found or done at one cluster: for programs, for people, and whether it is as it should be."""

    values: dict[str, Any]
    words: list[str]
    well: bool = True


@app.command("apply")
def topology_apply(
    agency: OnlyAgencies = None, config: Config = None, cluster: OnlyCluster = None, json: Json = False
) -> None:
    """Declare what the broker lacks and correct what differs; nothing is deleted. Applying twice changes nothing."""
    settings, only = settings_of(config), agency or []
    with bars(json) as progress:

        def work(name: str, broker: Broker, wanted: _Wanted) -> _Answer:
            bar = partial(progress, f"topology of {name}")
            with management_of(broker) as management:
                passwords = Passwords(broker.passwords_folder)
                done = apply(wanted(only), management, passwords, bar, by_name=bool(only))
            return _Answer({"done": done}, _first(done) or ["nothing to do"])

        answers, away = _at_each(settings, cluster, work)
    _say(settings, answers, away, json=json)


@app.command("check")
def topology_check(config: Config = None, cluster: OnlyCluster = None, json: Json = False) -> None:
    """Say where the broker differs from the topology, and what is wrong with its nodes; exit 1 if anything is.

    Inboxes that are nearly full are warned of.
    """
    settings = settings_of(config)
    answers, away = _at_each(settings, cluster, _compared)
    _say(settings, answers, away, json=json)


def _compared(name: str, broker: Broker, wanted: _Wanted) -> _Answer:
    with management_of(broker) as management:
        found = drift(wanted(()), management, Passwords(broker.passwords_folder))
        there = inboxes(management, broker.vhost) if not found or "vhost" not in found[0] else {}
        weak = findings(management, broker.vhost) if there else []
    nearly = warnings(there, broker.inbox_max_messages, broker.inbox_max_bytes)
    words = [
        *(_first(found) or ["as it should be"]),
        *(f"cluster: {one}" for one in weak),
        *(f"warning: {one}" for one in nearly),
    ]
    more = {key: some for key, some in (("cluster", weak), ("warnings", nearly)) if some}
    return _Answer({"drift": found} | more, words, not (found or weak))


def _at_each(
    settings: BusSettings, only: str | None, work: Callable[[str, Broker, _Wanted], _Answer]
) -> tuple[dict[str, _Answer], dict[str, str]]:
    """Do something at each cluster, or at one; return the answers, and why others gave none.

    Raises Transient where there is but one cluster, and it does not answer.
    """
    brokers = settings.brokers
    if only is not None and only not in brokers:
        raise typer.BadParameter(f"the settings have no cluster {only}, but {', '.join(sorted(brokers))}")
    directory = cache(lambda: newest_directory(settings))  # read once, and after the passwords
    answers: dict[str, _Answer] = {}
    away: dict[str, str] = {}
    for name, broker in brokers.items():
        if only in (None, name):
            try:
                with section_of(name):
                    answers[name] = work(name, broker, partial(_topology, settings, name, directory))
            except Transient as error:
                if len(brokers) == 1:
                    raise
                away[name] = str(error)
    return answers, away


def _say(
    settings: BusSettings, answers: Mapping[str, _Answer], away: Mapping[str, str], *, json: bool
) -> None:
    """Print what was found, by cluster where there are several, and exit accordingly."""
    if len(settings.brokers) == 1:
        (answer,) = answers.values()
        say(answer.values, json=json, words=answer.words)
    else:
        values = {name: answer.values for name, answer in answers.items()}
        values |= {name: {"away": reason} for name, reason in away.items()}
        words = [f"{name}: {word}" for name, answer in answers.items() for word in answer.words]
        say({"clusters": values}, json=json, words=words)
    complain(*(f"not now: cluster {name}: {reason}" for name, reason in away.items()))
    if away:
        raise typer.Exit(NOT_NOW)
    if not all(answer.well for answer in answers.values()):
        raise typer.Exit(NEGATIVE)


def _first(found: list[str]) -> list[str]:
    """Return what is worth printing of thousands of lines; `--json` has all of them."""
    more = [f"… and {len(found) - _PRINTED} more (--json has all)"] if len(found) > _PRINTED else []
    return found[:_PRINTED] + more


def _topology(
    settings: BusSettings, cluster: str, directory: Callable[[], Directory], only: Collection[str]
) -> topology.Topology:
    if strangers := [code for code in only if not directory().has_inbox(AgencyCode(code))]:
        raise typer.BadParameter(
            f"the directory has no inbox for {', '.join(strangers)}", param_hint="--agency"
        )
    codes = [code for code in directory().inboxes_on(cluster) if code in only or not only]
    return topology_of(settings, cluster, [directory().agencies[code] for code in codes])
