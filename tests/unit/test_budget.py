"""What is counted of the consignments in a router's memory."""

from __future__ import annotations

from bus.router import budget


def test_a_body_counts_once_for_all_who_share_it_until_the_last_of_them_is_gone() -> None:
    bodies, shared, other = budget.Bodies(), b"x" * 10, b"y" * 3
    for body in (shared, shared, other):
        bodies.add(body)
    assert bodies.size == 13
    bodies.remove(shared)
    assert bodies.size == 13
    bodies.remove(shared)
    bodies.remove(other)
    assert bodies.size == 0
