"""Time stamps: one strict reading of ISO 8601, as microseconds since 1970 in UTC.

``ISO_8601`` is also what ``receipts`` matches in DuckDB before it casts: whatever one of the two
would read and the other not is no time stamp for either.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

_MINUTE = r"[12]\d{3}-[01]\d-[0-3]\d[T ](?:[01]\d|2[0-3]):[0-5]\d"
_REST = r"(?::([0-5]\d)(?:[.,](\d{1,9}))?)?(?:Z|([+-])(0\d|1[0-4]):?([0-5]\d))?"
ISO_8601 = f"{_MINUTE}{_REST}"

HOUR = 3_600_000_000
DAY = 24 * HOUR

_is_minute = re.compile(_MINUTE, re.ASCII).fullmatch
_is_rest = re.compile(_REST, re.ASCII).fullmatch
_REMEMBERED = 1 << 16
_minutes: dict[str, int] = {}
_rests: dict[str, int] = {}


def microseconds(text: str) -> int:
    """Microseconds since 1970 UTC; no offset means UTC, further digits are cut.

    Stamps of one file share their minutes and most of their endings, so both halves are remembered.

    Raises:
        ValueError: not ISO 8601 with date and time, or a day the calendar does not have.
    """
    minute, rest = _minutes.get(text[:16]), _rests.get(text[16:])
    if minute is None:
        minute = _remember(_minutes, text[:16], _read_minute(text[:16]))
    if rest is None:
        rest = _remember(_rests, text[16:], _read_rest(text[16:]))
    return minute + rest


def _remember(memory: dict[str, int], text: str, value: int) -> int:
    if len(memory) >= _REMEMBERED:
        memory.clear()
    memory[text] = value
    return value


def _read_minute(text: str) -> int:
    if not _is_minute(text):
        raise ValueError("not an ISO 8601 time")
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1_000_000


def _read_rest(text: str) -> int:
    found = _is_rest(text)
    if not found:
        raise ValueError("not an ISO 8601 time")
    second, fraction, sign, hours, minutes = found.groups()
    read = int(second or 0) * 1_000_000 + int((fraction or "0")[:6].ljust(6, "0"))
    offset = (int(hours or 0) * 60 + int(minutes or 0)) * 60_000_000
    return read + offset if sign == "-" else read - offset
