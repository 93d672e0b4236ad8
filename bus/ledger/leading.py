"""By which index a search begins, so that no question reads a whole table of a ledger of millions of letters.

What few letters meet leads: their numbers are taken from its index, and the rest is looked at in each of them. If many
letters meet everything that was asked, the newest are soon found by going back from the newest letter, along the index
of an agency, a kind or a speed. Which of both it is, a count says that stops at `FEW`; of the databases' own planners,
neither knows it: both would guess how often a word stands in a subject.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy import CTE, ColumnElement, Connection, Select, func, select, text, true

from bus.ledger.finding import Asked, conditions, is_recipient, leads
from bus.ledger.moments import first_since, last_by
from bus.ledger.tables import letters
from bus.ledger.words import WORDS, forms_of, indexed, is_short

FEW: Final = 20_000
_VERY_FEW: Final = 500
"""Nothing is gained by looking whether another condition has fewer."""
_WALK: Final = 10_000
"""At least so many of the newest letters are looked at before PostgreSQL's index of words, which knows no order."""
_ORDERED: Final = ("recipient", "sender", "kind", "speed")
"""What has an index in which its letters stand in order."""
_OWN: Final = ("words", "dated", "sender", "speed")
_STEERING: Final = {
    "plan_cache_mode": "force_custom_plan",
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "jit": "off",
    # Of a bitmap that does not fit, whole pages would be looked at again, each subject taken apart anew.
    "work_mem": "64MB",
    "max_parallel_workers_per_gather": "0",
}


@dataclass(frozen=True, slots=True)
class Span:
    """Between which ledger numbers letters are looked for: above one, below the other; None leaves it open."""

    above: int | None = None
    below: int | None = None

    def of(self, column: ColumnElement[int]) -> ColumnElement[bool]:
        """Return the condition on a ledger number."""
        found: ColumnElement[bool] = true()
        if self.above is not None:
            found = found & (column > self.above)
        return found if self.below is None else found & (column < self.below)

    def within(self, above: int | None, below: int | None) -> Span:
        """Return the part of it that is above one number and below another."""
        lower = [one for one in (self.above, above) if one is not None]
        upper = [one for one in (self.below, below) if one is not None]
        return Span(max(lower, default=None), min(upper, default=None))


def newest(
    connection: Connection, columns: Sequence[ColumnElement[Any]], asked: Asked, below: int | None, limit: int
) -> list[Any]:
    """Return these columns of the newest letters to which everything applies, below a ledger number.

    The first column is the letter's number.
    """
    with _steered(connection):
        span = _span(connection, asked, below)
        if span is None:
            return []
        return _Search(connection, tuple(columns), span, limit).found(asked)


_Where = dict[str, ColumnElement[bool]]


@dataclass(frozen=True, slots=True)
class _Search:
    connection: Connection
    columns: tuple[ColumnElement[Any], ...]
    span: Span
    limit: int

    @property
    def _sqlite(self) -> bool:
        return self.connection.dialect.name == "sqlite"

    def found(self, asked: Asked) -> list[Any]:
        party = asked.get("party")
        if not party:
            return self._found(asked, {})
        rows: list[Any] = []
        if asked.get("sender") in (None, party):
            rows += self._found({**asked, "sender": party}, {})
        if asked.get("recipient") in (None, party):
            rows += self._found({**asked, "recipient": party}, {})
        else:
            rows += self._found(asked, {"party": is_recipient(party)})
        whole = {row[0]: row for row in rows}
        return [whole[letter] for letter in sorted(whole, reverse=True)[: self.limit]]

    def _found(self, asked: Asked, more: _Where) -> list[Any]:
        where, by = {**conditions(asked, sqlite=self._sqlite), **more}, leads(asked)
        forms = forms_of(asked.get("words") or ())
        if any("\0" in form for form in forms):
            return []
        if len(where) > 1 or not where.keys() <= set(_ORDERED):
            fewest, leading = self._fewest(by)
            if leading is not None:
                return self._rows(self._led(by[leading], where, leading)) if fewest else []
        if "dated" in where:
            # A letter may be dated long before it is accepted: the newest ones of a year are known by its index alone.
            most = self.limit if len(where) == 1 else self._most
            rows = self._rows(self._led(self._newest_of(by["dated"], most), where, "dated"))
            if len(where) == 1 or len(rows) == self.limit:
                return rows
        narrowed = replace(self, span=self._narrowed(asked, by))
        if forms:
            return narrowed._by_words(forms, where, by)
        return self._rows(narrowed._along(where, by, narrowed.span))

    def _fewest(self, by: dict[str, Select[Any]]) -> tuple[int, str | None]:
        """Which condition the fewest letters meet, and how many; none if many meet each."""
        fewest, leading = FEW + 1, None
        for name, lead in by.items():
            some = lead.where(self.span.of(_number(lead))).limit(FEW + 1).subquery()
            count = self.connection.scalar(select(func.count()).select_from(some)) or 0
            if count < fewest:
                fewest, leading = count, name
            if fewest <= _VERY_FEW:
                break
        return fewest, leading

    def _led(self, lead: Select[Any], where: _Where, leading: str) -> Select[Any]:
        """The letters that a condition gives, looked at one by one."""
        lead = lead.where(self.span.of(_number(lead)))
        others = [one for name, one in where.items() if name != leading]
        query = select(*self.columns).where(*others).order_by(letters.c.letter.desc())
        if self._sqlite:
            return query.where(letters.c.letter.in_(lead.correlate(None)))
        numbers = _first(lead)
        return query.select_from(letters.join(numbers, numbers.c[0] == letters.c.letter))

    @property
    def _most(self) -> int:
        """How many of the newest letters are looked at before another way is taken."""
        return max(_WALK, 12 * self.limit)

    def _newest_of(self, lead: Select[Any], most: int) -> Select[Any]:
        """The newest letters that a condition gives, of which its index alone is read."""
        lead = lead.where(self.span.of(_number(lead)))
        if not self._sqlite:
            lead = select(_first(lead, "any").c[0])
        return lead.order_by(_number(lead).desc()).limit(most)

    def _along(self, where: _Where, by: dict[str, Select[Any]], span: Span) -> Select[Any]:
        """The letters from the newest on, along an index in which they stand in order."""
        name, lead = _ordered(where, by)
        number = _number(lead)
        query = select(*self.columns).where(span.of(number))
        if number.table is not letters:
            query = query.select_from(number.table.join(letters, letters.c.letter == number))
        if lead.whereclause is not None:
            query = query.where(lead.whereclause)
        return query.where(*(one for other, one in where.items() if other != name)).order_by(number.desc())

    def _by_words(self, forms: Sequence[str], where: _Where, by: dict[str, Select[Any]]) -> list[Any]:
        """Letters by words that many may have, with everything else that many letters meet.

        SQLite's index has the letters in order. Of short words it has only what begins with them, and PostgreSQL's
        index gives all letters of all times: before these are asked, the newest letters are looked at without.
        """
        if self._sqlite and not all(map(is_short, forms)):
            return self._rows(self._matching([form for form in forms if not is_short(form)], where))
        _, lead = _ordered(where, by)
        number = _number(lead)
        last = lead.where(self.span.of(number)).order_by(number.desc()).offset(self._most).limit(1)
        above = self.connection.scalar(last)
        rows = self._rows(self._along(where, by, self.span.within(above, None)))
        if above is None or len(rows) >= self.limit:
            return rows
        if self._sqlite:
            return self._rows(self._matching(forms, where, by))
        found = indexed(self.connection, forms)
        if found is None:
            return self._rows(self._along(where, by, self.span))
        # What stands in the letter's own row goes with it: its indexes are combined.
        inner = [one for name, one in where.items() if name in _OWN]
        others = {name: one for name, one in where.items() if name not in _OWN}
        lead = select(letters.c.letter).where(found, *inner)
        return self._rows(self._led(lead if others else self._newest_of(lead, self.limit), others, "words"))

    def _matching(
        self, forms: Sequence[str], where: _Where, by: dict[str, Select[Any]] | None = None
    ) -> Select[Any]:
        """The letters from the newest on that SQLite's index of words gives."""
        found = indexed(self.connection, forms)
        if found is None:
            return self._along(where, by or {}, self.span)
        query = select(*self.columns).select_from(WORDS.join(letters, letters.c.letter == WORDS.c.rowid))
        query = query.where(found, self.span.of(WORDS.c.rowid), *where.values())
        return query.order_by(WORDS.c.rowid.desc())

    def _narrowed(self, asked: Asked, by: dict[str, Select[Any]]) -> Span:
        """The span in which the letters of a time stand that has a beginning and an end."""
        if "dated" not in by or not (asked.get("dated") or (asked.get("since") and asked.get("until"))):
            return self.span
        # As a sum: for the largest number itself PostgreSQL would go back from the newest letter.
        number = letters.c.letter + 0
        query = select(func.min(number) - 1, func.max(number) + 1).where(
            by["dated"].whereclause if by["dated"].whereclause is not None else true(),
            self.span.of(letters.c.letter),
        )
        above, below = self.connection.execute(query).one()
        return self.span.within(above, below)

    def _rows(self, query: Select[Any]) -> list[Any]:
        return list(self.connection.execute(query.limit(self.limit)))


def _number(lead: Select[Any]) -> Any:
    """The column of the letters' numbers that a query asks for."""
    (number,) = lead.selected_columns
    return number


def _first(lead: Select[Any], name: str = "led") -> CTE:
    """A query of PostgreSQL that is answered before the one that it is part of."""
    return lead.cte(name).prefix_with("MATERIALIZED")


def _ordered(where: _Where, by: dict[str, Select[Any]]) -> tuple[str | None, Select[Any]]:
    """The condition whose index has its letters in order, with a query for their numbers; or all letters."""
    name = next((name for name in _ORDERED if name in where), None)
    return name, by[name] if name else select(letters.c.letter)


def _span(connection: Connection, asked: Asked, below: int | None) -> Span | None:
    """The span of what was accepted in the time that is asked for, None if nothing was: letters stand in its order."""
    number, at = letters.c.letter, letters.c.accepted_at
    span = Span(None, below)
    if since := asked.get("accepted_since"):
        first = first_since(connection, number, at, since)
        if first is None:
            return None
        span = span.within(first - 1, None)
    if by := asked.get("accepted_by"):
        last = last_by(connection, number, at, by)
        if last is None:
            return None
        span = span.within(None, last + 1)
    return span


@contextmanager
def _steered(connection: Connection) -> Iterator[None]:
    """Keep PostgreSQL's planner to indexes for this block, where it would read a whole table as soon as it is small."""
    if connection.dialect.name != "postgresql":
        yield
        return
    before = connection.execute(text(f"SELECT {', '.join(map(_shown, _STEERING))}")).one()
    connection.execute(text(f"SELECT {', '.join(map(_set, _STEERING))}"), _STEERING)
    yield
    # After an error the transaction is over, and with it what was set.
    connection.execute(
        text(f"SELECT {', '.join(map(_set, _STEERING))}"), dict(zip(_STEERING, before, strict=True))
    )


def _shown(name: str) -> str:
    return f"current_setting('{name}')"


def _set(name: str) -> str:
    return f"set_config('{name}', :{name}, true)"
