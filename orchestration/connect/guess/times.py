"""When a row happened, changed and ended, and the column a load can go on from."""

from __future__ import annotations

from governance.config.mapping import RecordKind
from orchestration.connect import words as w
from orchestration.connect.columns import Column
from orchestration.connect.guess.matching import Matcher, Test


def map_times(matcher: Matcher, kind: RecordKind) -> None:
    """The times that this kind of row can have, and its cursor."""
    refund, ended, updated = (
        lambda c: w.has(c.words, w.REFUNDED),
        lambda c: w.has(c.words, w.ENDED),
        lambda c: w.has(c.words, w.UPDATED),
    )
    if kind == "orders":
        _time(matcher, "refunded_at", refund)
    if kind == "subscriptions":
        _time(matcher, "ended_at", ended)

    def plain(c: Column) -> bool:
        return not (refund(c) or ended(c) or updated(c))

    def created(c: Column) -> bool:
        return w.has(c.words, w.CREATED) and plain(c)

    def occurred(c: Column) -> bool:
        return w.has(c.words, w.OCCURRED) and plain(c)

    if kind in ("persons", "accounts"):
        _time(matcher, "occurred_at", created)
    else:

        def certain(c: Column) -> bool:
            return c.kind == "time" and plain(c)

        _time(matcher, "occurred_at", occurred, created, certain, updated)
    cursor = _find_time(matcher, updated)
    mapped = matcher.guess.mapping.get("occurred_at")
    if cursor is not None:
        matcher.guess.cursor = cursor.name
        matcher.used.add(cursor.name)
    elif kind == "events" and isinstance(mapped, str):
        matcher.guess.cursor = mapped  # events are written once


def _find_time(matcher: Matcher, *tests: Test) -> Column | None:
    return matcher.find(*((lambda c, t=test: t(c) and c.is_time) for test in tests))


def _time(matcher: Matcher, target: str, *tests: Test) -> None:
    column = _find_time(matcher, *tests)
    if column is None:
        return
    matcher.used.add(column.name)
    matcher.guess.mapping[target] = column.name
    if column.time_unit:
        matcher.guess.mapping[target] = {"from": column.name, "unit": column.time_unit}
        return
    formats = column.time_formats
    if formats:
        matcher.guess.mapping[target] = {"from": column.name, "time_format": formats[0]}
        if len(formats) > 1:
            matcher.guess.notes[target] = f"or is it {formats[1]}? the first rows do not say"
            return
    if column.is_naive:
        zone = "names no zone, so UTC; else {from: …, time_zone: Europe/Berlin}"
        matcher.guess.notes[target] = zone
