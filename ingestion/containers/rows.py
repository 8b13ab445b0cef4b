"""What every container hands out: rows with their place, as plain values, or a refusal."""

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


class FileProblem(Exception):  # noqa: N818 - not an error of the program: a file nobody can read
    """A whole file that cannot be read as it is.

    Args:
        what: continues a sentence that begins with the file's name.
        fix: what its owner can do, with the YAML or the command.
    """

    def __init__(self, what: str, fix: str) -> None:
        self.what = what
        self.fix = fix
        super().__init__(what)
