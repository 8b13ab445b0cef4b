"""The one parser of untrusted bytes: strict, bounded; it alone decides what a line says.

DuckDB, orjson and the standard library disagree on duplicate keys, on ``NaN`` and on ``1e400``;
where two readers disagree, a consent flag can say two things. So a line is parsed here, once, and
later steps read what this parser wrote. jiter is the parser: it is as fast as the standard library
while it refuses duplicate keys (orjson is twice as fast but keeps the last of two), and it reads
numbers with a point as ``Decimal``, so no amount of money ever passes through a float.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import jiter
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from ingestion.refusals import Reason, Refusal, child

JsonObject = dict[str, Any]

WHITESPACE = b" \t\r\n"
"""What may surround a value in JSON; a line of nothing else is blank and counts as nothing."""

_LARGEST_DOUBLE = Decimal("1.7976931348623157e308")
_COLUMN = re.compile(r" at line \d+ column (\d+)$")
_NOT_A_NUMBER = (b"NaN", b"-NaN", b"nan", b"Infinity", b"-Infinity", b"Inf")


def parse(line: bytes, *, depth: int, inspect: bool = True) -> JsonObject:
    """Parse one line.

    Args:
        line: the bytes without the line feed.
        depth: how deep objects and arrays may nest; the line's own object is 1.
        inspect: False when ``needs_inspection`` has cleared the line.

    Returns:
        the object; numbers with a point or an exponent are Decimal, all others int.

    Raises:
        Refusal: with the reason and never with the value.
    """
    try:
        parsed = jiter.from_json(
            line, catch_duplicate_keys=True, float_mode="decimal", allow_inf_nan=False
        )
    except ValueError as error:
        raise _explained(line, str(error)) from None
    if type(parsed) is not dict:
        raise Refusal(Reason.NOT_AN_OBJECT, "", "a line must be a JSON object")
    if inspect:
        _inspect(parsed, depth)
    return parsed


def needs_inspection(lines: Sequence[bytes], *, depth: int) -> list[bool]:
    """Which lines may nest too deep or hold a number no double can hold.

    Regular expressions over an Arrow column: walking every parsed line in Python to find the one in
    a million costs more than parsing it. Two passes, because one automaton of both explodes.
    """
    column = pa.array(lines, pa.binary())
    number = _matches(column, r"[:\[,\s]-?[0-9.]+[eE]\+?[0-9]{3}|[0-9]{300}")
    nested = _matches(column, rf"^(?:[^\[{{]*[\[{{]){{{depth + 1}}}")
    return pc.call_function("or", [number, nested]).to_pylist()


def _matches(column: pa.Array, pattern: str) -> pa.Array:
    options = pc.MatchSubstringOptions(pattern)
    return pc.call_function("match_substring_regex", [column], options)


def dump(value: object) -> bytes:
    """Compact JSON with sorted keys; every number keeps the digits it came with."""
    try:
        return orjson.dumps(value, default=_as_sent, option=orjson.OPT_SORT_KEYS)
    except TypeError:  # an integer of more than 64 bits, which orjson cannot write
        return orjson.dumps(_large_integers(value), default=_as_sent, option=orjson.OPT_SORT_KEYS)


def _as_sent(value: object) -> object:
    if isinstance(value, Decimal):
        return orjson.Fragment(str(value))
    raise TypeError(type(value).__name__)


def _large_integers(value: object) -> object:
    if isinstance(value, dict):
        return {key: _large_integers(member) for key, member in value.items()}
    if isinstance(value, list):
        return [_large_integers(member) for member in value]
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() > 63:
        return orjson.Fragment(json.dumps(value))
    return value


def _inspect(value: object, levels: int) -> None:
    """Refuse what nests too deep or exceeds a double; jiter's limit of 200 bounds the recursion."""
    if isinstance(value, dict | list):
        if levels == 0:
            raise Refusal(Reason.TOO_DEEP, "", "objects and arrays nest deeper than limits.depth")
        for member in value.values() if isinstance(value, dict) else value:
            _inspect(member, levels - 1)
    elif isinstance(value, Decimal | int) and abs(value) > _LARGEST_DOUBLE:
        raise Refusal(Reason.NOT_FINITE, "", "a number larger than a double can hold")


def _explained(line: bytes, message: str) -> Refusal:
    """Jiter's message as a reason; its own words may quote a key, so they are not passed on."""
    found = _COLUMN.search(message)
    column = int(found.group(1)) if found else 0
    where = f" at byte {column}"
    if "duplicate key" in message:
        return Refusal(Reason.DUPLICATE_KEY, "", f"an object has the same key twice{where}")
    if "recursion limit" in message:
        return Refusal(Reason.TOO_DEEP, "", "objects and arrays nest deeper than limits.depth")
    if "unicode" in message or "surrogate" in message or "hex escape" in message:
        return Refusal(Reason.BAD_UNICODE, "", f"not valid UTF-8, or half a surrogate pair{where}")
    if "out of range" in message or "InvalidOperation" in message:
        return Refusal(Reason.NOT_FINITE, "", f"a number larger than a double can hold{where}")
    if line[max(column - 2, 0) :].startswith(_NOT_A_NUMBER) or line[
        max(column - 1, 0) :
    ].startswith(_NOT_A_NUMBER):
        return Refusal(Reason.NOT_FINITE, "", f"NaN and Infinity are not JSON{where}")
    if line.startswith(b"\xef\xbb\xbf"):
        return Refusal(Reason.MALFORMED_JSON, "", "the line starts with a byte order mark")
    return Refusal(Reason.MALFORMED_JSON, "", f"not JSON{where}")


def object_at(holder: JsonObject, key: str, pointer: str = "") -> JsonObject:
    """A member that is an object; an absent one is empty.

    Raises:
        Refusal: it is something else.
    """
    value = holder.get(key)
    if value is None:
        return {}
    if type(value) is not dict:
        raise Refusal(Reason.INVALID_FIELD, child(pointer, key), "must be an object")
    return value
