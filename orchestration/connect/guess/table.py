"""A table of a database: what a row of it is, and which columns hold the fields."""

from __future__ import annotations

from collections.abc import Sequence

from governance.config.mapping import RecordKind
from orchestration.connect import words as w
from orchestration.connect.columns import Column
from orchestration.connect.guess.consent import map_consents, map_flags
from orchestration.connect.guess.context import map_page, map_place, map_properties
from orchestration.connect.guess.event_name import map_event_name
from orchestration.connect.guess.identifiers import map_identifiers, own_key
from orchestration.connect.guess.matching import Guess, Matcher
from orchestration.connect.guess.money import map_money
from orchestration.connect.guess.needed import missing_fields
from orchestration.connect.guess.predicates import is_amount, is_id, is_mail, is_text
from orchestration.connect.guess.times import map_times

_TABLES: tuple[tuple[RecordKind, frozenset[str]], ...] = (
    ("consents", w.CONSENT),
    ("subscriptions", w.SUBSCRIPTION),
    ("orders", w.ORDER),
    ("events", w.EVENT),
    ("persons", w.PERSON),
    ("accounts", w.ACCOUNT),
)


def guess_table(
    table: str,
    columns: Sequence[Column],
    *,
    primary_key: Sequence[str],
    currency: str,
    as_: RecordKind | None = None,
) -> Guess:
    """What a table of a database holds, and where.

    Args:
        table: its name.
        columns: with their first values.
        primary_key: as the database declares it.
        currency: of amounts without one.
        as_: what its rows are, when its owner said so.
    """
    chosen = as_ or _kind_of_table(table, columns)
    if chosen is None:
        return Guess(None)
    matcher = Matcher(chosen, columns)
    _map_rows(matcher, chosen, tuple(primary_key), currency)
    guess = matcher.guess
    guess.missing = tuple(missing_fields(chosen, guess.mapping))
    if not primary_key:
        guess.key = own_key(matcher)
    return guess


def _kind_of_table(table: str, columns: Sequence[Column]) -> RecordKind | None:
    """By the last word of the name that says anything, else by what the columns hold."""
    name = w.pieces(table.rpartition(".")[2])
    if name and name[-1] in w.PARTS:
        return None
    for word in reversed(name):
        for kind, known in _TABLES:
            if word in known:
                return kind
    mail = any(is_mail(column) for column in columns)
    money = any(is_amount(column) for column in columns)
    times = any(column.kind == "time" for column in columns)
    named = any(w.has(column.words, w.EVENT_NAME) and is_text(column) for column in columns)
    person = any(is_id(column, w.PERSON) for column in columns)
    if money and times and person:
        return "orders"
    if mail and not money:
        return "persons"
    return "events" if named and times and person else None


def _map_rows(matcher: Matcher, kind: RecordKind, own: tuple[str, ...], currency: str) -> None:
    map_identifiers(matcher, kind, own)
    map_times(matcher, kind)
    if kind == "events":
        map_event_name(matcher, None)
    if kind == "consents":
        map_consents(matcher)
    else:
        map_flags(matcher)
    if kind == "orders":
        map_money(matcher, own, currency)
    if kind in ("persons", "accounts", "events"):
        map_place(matcher)
    if kind in ("events", "orders", "subscriptions"):
        map_page(matcher)
        cursor = matcher.guess.cursor
        map_properties(matcher, (*own, *((cursor,) if cursor else ())))
