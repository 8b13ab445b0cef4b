"""What every container hands out: rows with their place, as values JSON could hold, or a refusal."""

from __future__ import annotations

from typing import NamedTuple

from ingestion.parser import JsonObject
from ingestion.refusals import Refusal

GROUP_ROWS = 2_000
"""Rows handed out together: enough to spread costs, few enough to hold."""


class Row(NamedTuple):
    """One row of a file.

    Attributes:
        position: its number in the file, from 0; the header of a CSV is none. Of text lines the
            byte offset.
        record: column -> value; times are ``datetime``, amounts ``Decimal``; None when refused.
        data: the bytes a reject keeps, where the file has such bytes; empty for Parquet, whose
            reject keeps the record as JSON.
        refusal: why there is no record.
    """

    position: int
    record: JsonObject | None
    data: bytes
    refusal: Refusal | None
