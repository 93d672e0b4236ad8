"""A letter's entries, decoded one by one: the same ones in the same order as a list of all has them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bus.ledger.entry import Entry, Kind, canonical
from bus.ledger.history import History

_NUMBERS = st.lists(st.integers(1, 60), unique=True, max_size=20).map(sorted)
_PLACES = st.none() | st.integers(-25, 25)


@given(_NUMBERS, st.data())
def test_a_history_is_the_list_of_its_entries(numbers: list[int], data: st.DataObject) -> None:
    every = [
        Entry(
            {"seq": seq, "kind": str(data.draw(st.sampled_from((Kind.ACCEPTED, Kind.NOTICE, Kind.GRANTED))))}
        )
        for seq in numbers
    ]
    history = History([(one.seq, str(one.kind), canonical(one.body)) for one in every])
    assert (list(history), len(history), history.numbers) == (every, len(every), numbers)
    assert list(reversed(history)) == every[::-1]
    for kind in (Kind.ACCEPTED, Kind.NOTICE, Kind.GRANTED):
        assert list(history.of_kind(kind)) == [one for one in every if one.kind is kind]
    size = data.draw(st.integers(0, 61))
    assert list(history.until(size)) == [one for one in every if one.seq <= size]
    assert list(history.after(size)) == [one for one in every if one.seq > size]
    place = slice(data.draw(_PLACES), data.draw(_PLACES))
    assert list(history[place]) == every[place]
    assert [history[place] for place in range(-len(every), len(every))] == [*every, *every]
