from tests.fixtures.broker import Vhost
from bus.broker.admin import apply, drift


def test_x(vhost: Vhost) -> None:
    t = vhost.apply(["0100100000", "0200200000"])
    assert apply(t, vhost.management, vhost.passwords) == []
    print(drift(t, vhost.management, vhost.passwords))
    import json

    for q in vhost.management.get("queues", vhost.name):
        print(q["name"], q.get("effective_policy_definition"), q.get("policy"))
