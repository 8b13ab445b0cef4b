"""Time in the sample: whole milliseconds since 1970 in UTC, exact and fast to reckon with."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Window:
    """The days in which everything is received: ``start`` inclusive, ``end`` exclusive, in ms."""

    start: int
    end: int


def window_of(start: date, days: int) -> Window:
    """The window of ``days`` whole UTC days from ``start``."""
    first = (start - date(1970, 1, 1)).days * DAY
    return Window(first, first + days * DAY)


def moment(at: int) -> datetime:
    """An aware UTC datetime."""
    return _EPOCH + timedelta(milliseconds=at)


def iso(at: int) -> str:
    """ISO 8601 with milliseconds and a ``Z``, as JavaScript writes it."""
    day, rest = divmod(at, DAY)
    hours, rest = divmod(rest, HOUR)
    minutes, rest = divmod(rest, MINUTE)
    seconds, rest = divmod(rest, SECOND)
    return f"{_day(day)}T{hours:02d}:{minutes:02d}:{seconds:02d}.{rest:03d}Z"


@cache
def _day(number: int) -> str:
    return moment(number * DAY).date().isoformat()
