"""Records of files and webhooks: each is an event, or says who somebody is."""

from __future__ import annotations

from collections.abc import Sequence

from orchestration.connect import words as w
from orchestration.connect.columns import Column
from orchestration.connect.guess.consent import map_flags
from orchestration.connect.guess.context import map_page, map_place, map_properties
from orchestration.connect.guess.event_name import constant_name, map_event_name
from orchestration.connect.guess.identifiers import map_identifiers
from orchestration.connect.guess.matching import Guess, Matcher
from orchestration.connect.guess.money import map_money
from orchestration.connect.guess.needed import IDENTIFIERS, missing_fields
from orchestration.connect.guess.predicates import is_event_id
from orchestration.connect.guess.times import map_times


def guess_records(
    name: str, columns: Sequence[Column], *, currency: str, receipt: bool = False
) -> Guess:
    """What records of files or webhooks hold: each is an event.

    Args:
        name: of the file or the source; names events that carry no name.
        columns: with their first values; dotted paths of JSON.
        currency: of amounts without one.
        receipt: whether the receiver's own stamp travels around the record.
    """
    matcher = Matcher("events", columns)
    guess = matcher.guess
    persons = w.has(w.pieces(name), w.PERSON)
    if not persons:
        matcher.take("event_id", is_event_id)
    map_identifiers(matcher, "persons" if persons else "events", ())
    map_times(matcher, "events")
    map_money(matcher, (), currency)
    map_event_name(matcher, "identify" if persons else constant_name(matcher, name))
    if persons:
        guess.mapping["event_type"] = {"value": "identify"}
    map_flags(matcher)
    map_place(matcher)
    map_page(matcher)
    if not persons:
        map_properties(matcher, ())
    if not any(key in guess.mapping for key in IDENTIFIERS):
        guess.mapping["anonymous_id"] = {"value": None}
        guess.notes["anonymous_id"] = "nobody is named here: counted, but nobody's"
    if receipt and "occurred_at" not in guess.mapping:
        guess.mapping["occurred_at"] = "received_at"
        guess.notes["occurred_at"] = "the body says no time: when it was received"
    guess.missing = tuple(missing_fields("events", guess.mapping))
    first = ("event_name", "occurred_at", "event_id")
    guess.mapping = {k: guess.mapping[k] for k in first if k in guess.mapping} | guess.mapping
    return guess
