"""Exact amounts: a JSON number or a string becomes the Decimal of the same digits."""

from __future__ import annotations

import re
from decimal import ROUND_HALF_EVEN, Decimal

from ingestion.refusals import Reason, Refusal

_WRITTEN = re.compile(r"[+-]?(?:\d{1,30}(?:\.\d{1,30})?|\.\d{1,30})", re.ASCII)
_SIXTH = Decimal("0.000001")
_LIMIT = Decimal(10) ** 12  # decimal(18,6) of raw.events


def amount(value: object, pointer: str) -> Decimal:
    """An amount with at most six decimals; further digits are rounded half to even.

    Raises:
        Refusal: not a number, not finite, or a trillion and more.
    """
    if isinstance(value, str):
        text = value.strip()
        read = Decimal(text) if _WRITTEN.fullmatch(text) else None
    elif isinstance(value, int | Decimal) and not isinstance(value, bool):
        read = Decimal(value)
    else:
        read = None
    if read is None or not read.is_finite():
        raise Refusal(Reason.INVALID_FIELD, pointer, "must be an amount, as a number or a string")
    if abs(read) >= _LIMIT:
        raise Refusal(Reason.INVALID_FIELD, pointer, "an amount of a trillion or more")
    return read.quantize(_SIXTH, rounding=ROUND_HALF_EVEN)
