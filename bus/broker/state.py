"""What is in a vhost, kind by kind and by name: as it has to be, and as the broker has it now.

Each kind is asked for by itself and with no more columns than are compared: 16,000 queues take RabbitMQ a second in
this way. All of it in one request (`GET /api/definitions`) takes half a minute, and beyond a minute no answer comes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal

from bus.broker.management import Management
from bus.broker.topology import Topology

Kind = Literal["user", "permission", "exchange", "queue", "binding", "policy"]
State = Mapping[Kind, Mapping[str, Mapping[str, Any]]]
KINDS: Mapping[Kind, str] = {
    "user": "users",
    "policy": "policies",
    "exchange": "exchanges",
    "queue": "queues",
    "binding": "bindings",
    "permission": "permissions",
}
"""Each kind and its place in RabbitMQ's definitions, in the order in which they need one another."""
_COLUMNS: Mapping[Kind, str] = {
    "exchange": "name,type,durable,auto_delete,internal,arguments",
    "queue": "name,durable,auto_delete,arguments",
    "binding": "source,destination,destination_type,routing_key,arguments",
}
_BUILT_IN = "amq."
"""Exchanges of these names, and the one without a name, are in every vhost."""
_FLAGS = ("durable", "auto_delete", "internal")
_AT_ONCE = 3
"""Requests: one for each kind that is large."""


def wanted(topology: Topology) -> State:
    """Return what has to be there."""
    exchange = {"durable": True, "auto_delete": False, "internal": False, "arguments": {}}
    return {
        "user": {
            each.name: {
                "tags": sorted(each.tags),
                "limits": dict(each.limits),
                "login": each.login,
            }
            for each in topology.users
        },
        "permission": {
            each.name: {"configure": each.configure, "write": each.write, "read": each.read}
            for each in topology.users
        },
        "exchange": {each.name: {"type": each.type, **exchange} for each in topology.exchanges},
        "queue": {
            each.name: {"durable": True, "auto_delete": False, "arguments": dict(each.arguments)}
            for each in topology.queues
        },
        "binding": {
            _binding_name(each.exchange, each.queue, each.key): {
                "source": each.exchange,
                "destination": each.queue,
                "destination_type": "queue",
                "routing_key": each.key,
                "arguments": {},
            }
            for each in topology.bindings
        },
        "policy": {
            each.name: {
                "pattern": each.pattern,
                "apply-to": "queues",
                "priority": 0,
                "definition": dict(each.definition),
            }
            for each in topology.policies
        },
    }


def actual(topology: Topology, management: Management) -> State:
    """Return what the broker has in this vhost; of users, those that are ours or may do something here."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        asked = {kind: pool.submit(_found, kind, topology.vhost, management) for kind in KINDS}
    found = {kind: answer.result() for kind, answer in asked.items()}
    # An administrator may grant itself access to look into queues; that it can is no news.
    ours = {each.name for each in topology.users}
    administrators = {each["name"] for each in found["user"] if "administrator" in each["tags"]} - ours
    permissions = [each for each in found["permission"] if each["user"] not in administrators]
    ours |= {each["user"] for each in permissions}
    # Whoever asks is the administrator that the settings name; any other of such a name is news.
    users = [
        each
        for each in found["user"]
        if each["name"] in ours or (_is_a_bus_user(each["name"]) and each["name"] != management.user)
    ]
    exchanges = [
        each for each in found["exchange"] if each["name"] and not each["name"].startswith(_BUILT_IN)
    ]
    return {
        "user": _by(users, _name),
        "permission": _by(permissions, lambda each: str(each["user"])),
        "exchange": _by(exchanges, _name),
        "queue": _by(found["queue"], _name),
        # Every queue is bound to the exchange without a name, and cannot be unbound.
        "binding": _by((each for each in found["binding"] if each["source"]), _name_of_binding),
        "policy": _by(found["policy"], _name),
    }


def named(topology: Topology, management: Management) -> State:
    """Return what the broker has of that which has to be there, and of nothing else, each asked for by its name.

    A few things are had in a moment in this way, however many others there are.
    """
    vhost, found = topology.vhost, {kind: dict[str, dict[str, Any]]() for kind in KINDS}
    for kind, things in wanted(topology).items():
        for name, thing in things.items():
            if kind == "binding":
                ends = ("e", thing["source"], "q", thing["destination"])
                there = management.find("bindings", vhost, *ends) or []
                one = next((each for each in there if _name_of_binding(each) == name), None)
            else:
                place = () if kind == "user" else (vhost,)
                one = management.find(KINDS[kind], *place, name)
            if one is not None:
                found[kind][name] = _whole(kind, one)
    return found


def _found(kind: Kind, vhost: str, management: Management) -> list[dict[str, Any]]:
    columns = {"columns": _COLUMNS[kind]} if kind in _COLUMNS else {}
    match kind:
        case "user":
            found = management.get("users")
        case "permission":
            found = management.get("vhosts", vhost, "permissions")
        case "queue":
            found = management.get("queues", vhost, disable_stats="true", **columns)
        case _:
            found = management.get(KINDS[kind], vhost, **columns)
    return [_whole(kind, each) for each in found]


def _whole(kind: Kind, found: Mapping[str, Any]) -> dict[str, Any]:
    """Return an answer with what 4.x may leave out, as it is false or empty."""
    match kind:
        case "user":
            limits = dict(found.get("limits") or {})
            login = "password" if found["password_hash"] else "certificate"
            return {**found, "tags": _tags(found), "limits": limits, "login": login}
        case "exchange" | "queue":
            return {**dict.fromkeys(_FLAGS, False), **found}
        case _:
            return dict(found)


def _by(found: Iterable[dict[str, Any]], name: Callable[[dict[str, Any]], str]) -> dict[str, dict[str, Any]]:
    return {name(each): each for each in found}


def _name(found: Mapping[str, Any]) -> str:
    return str(found["name"])


def _is_a_bus_user(user: str) -> bool:
    return user.startswith(("agency.", "bus."))


def _tags(user: Mapping[str, Any]) -> list[str]:
    """3.10 has a list; earlier versions a string with commas."""
    tags = user.get("tags", [])
    return sorted(tags.split(",") if isinstance(tags, str) and tags else tags or [])


def _name_of_binding(found: Mapping[str, Any]) -> str:
    name = _binding_name(found["source"], found["destination"], found["routing_key"])
    if found["destination_type"] != "queue":
        name += f" ({found['destination_type']})"
    return f"{name} with arguments" if found.get("arguments") else name


def _binding_name(exchange: str, queue: str, key: str) -> str:
    return f"{exchange} → {queue}" + (f" by {key}" if key else "")
