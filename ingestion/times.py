"""Time stamps: one strict reading of ISO 8601, as microseconds since 1970 in UTC.

``ISO_8601`` is also what ``receipts`` matches in DuckDB before it casts: whatever one of the two
would read and the other not is no time stamp for either.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

_DAY = r"[12]\d{3}-[01]\d-[0-3]\d"
_MINUTE = r"[T ](?:[01]\d|2[0-3]):[0-5]\d"
_SECOND = r":[0-5]\d"
_ZONE = r"Z|([+-])(0\d|1[0-4]):?([0-5]\d)"
_FRACTION = r"[.,](\d{1,9})"
ISO_8601 = f"{_DAY}{_MINUTE}(?:{_SECOND}(?:{_FRACTION})?)?(?:{_ZONE})?"

SECOND = 1_000_000
HOUR = 3600 * SECOND
DAY = 24 * HOUR

_is_stamp = re.compile(ISO_8601, re.ASCII).fullmatch
_REMEMBERED = 1 << 14
_days: dict[str, int] = {}
_minutes: dict[str, int] = {}
_seconds: dict[str, int] = {}
_tails: dict[str, int] = {}


def microseconds(text: str) -> int:
    """Microseconds since 1970 UTC; no offset means UTC, further digits are cut.

    The stamps of a feed are made of few pieces (a day, a minute of the day, a second, a fraction
    with the zone), so the pieces of stamps read before are remembered, not the stamps.

    Raises:
        ValueError: not ISO 8601 with date and time, or a day the calendar does not have.
    """
    try:
        return _days[text[:10]] + _minutes[text[10:16]] + _seconds[text[16:19]] + _tails[text[19:]]
    except KeyError:
        return _read(text)


def from_microseconds(moment: int) -> str:
    """Microseconds since 1970 UTC as ISO 8601 text."""
    found = datetime.fromtimestamp(moment // SECOND, UTC) + timedelta(microseconds=moment % SECOND)
    return found.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _read(text: str) -> int:
    found = _is_stamp(text)
    if not found:
        raise ValueError("not an ISO 8601 time")
    fraction, sign, hours, minutes = found.groups()
    day = int(datetime.fromisoformat(text[:10]).replace(tzinfo=UTC).timestamp()) * SECOND
    minute = (int(text[11:13]) * 60 + int(text[14:16])) * 60 * SECOND
    second = int(text[17:19]) * SECOND if text[16:17] == ":" else 0
    offset = (int(hours or 0) * 60 + int(minutes or 0)) * 60 * SECOND
    tail = int((fraction or "0")[:6].ljust(6, "0")) + (offset if sign == "-" else -offset)
    if text[16:17] == ":":  # only then do the pieces lie where they are looked up
        _remember(_days, text[:10], day)
        _remember(_minutes, text[10:16], minute)
        _remember(_seconds, text[16:19], second)
        _remember(_tails, text[19:], tail)
    return day + minute + second + tail


def _remember(memory: dict[str, int], piece: str, value: int) -> None:
    if len(memory) >= _REMEMBERED:
        memory.clear()
    memory[piece] = value
