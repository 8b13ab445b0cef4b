"""CSV: rows of text with a header, whoever wrote them.

::

    bytes -> UTF-8 -> physical lines -> records -> Row

A record ends at a line feed, a carriage return or both, outside quotes; blank lines are nothing. A
quote opens a quoted field only where a field begins (as in Python's csv module and in RFC 4180). A
record is bounded by ``limits.line_bytes``: when a quote is not closed by then, its line is refused
alone and reading goes on with the next one, so that one stray quote does not swallow a file. A
single line beyond the bound is refused without being held.

``count`` tells the rows by patterns over bytes and shares neither splitting nor parsing with
``rows``; the ledger compares the two.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import BinaryIO

from governance.config import Csv
from ingestion.containers.csv_count import RecordCount
from ingestion.containers.csv_records import Record, Records
from ingestion.containers.csv_shape import EncodingWatch, Shape, begin
from ingestion.containers.rows import GROUP_ROWS, Row
from ingestion.parser import JsonObject
from ingestion.refusals import Reason, Refusal


def columns(file: BinaryIO, spec: Csv) -> tuple[str, ...]:
    """The names of the columns.

    Raises:
        FileProblem: no header, a name twice, another encoding, or rows of another length.
    """
    return begin(file, spec)[0].names


def rows(
    file: BinaryIO, spec: Csv, *, line_bytes: int, wanted: Sequence[str] | None = None
) -> Iterator[list[Row]]:
    """The rows in groups.

    Args:
        file: uncompressed, at its start.
        spec: as configured.
        line_bytes: the most a record may hold.
        wanted: the columns of the records; all unless said.

    Raises:
        FileProblem: as ``columns`` does.
        DamagedError: a compressed file is truncated or damaged.
    """
    shape, blocks = begin(file, spec)
    make = _Maker(shape, wanted)
    for records in Records(shape, line_bytes).read(blocks):
        for first in range(0, len(records), GROUP_ROWS):
            if group := make.rows(records[first : first + GROUP_ROWS]):
                yield group


def count(file: BinaryIO, spec: Csv, *, line_bytes: int) -> int:
    """How many rows ``rows`` must hand out, told apart from it.

    Raises:
        FileProblem: as ``columns`` does; or half of what is not ASCII is not of the encoding.
        DamagedError: a compressed file is truncated or damaged.
    """
    shape, blocks = begin(file, spec)
    encoding = EncodingWatch(shape)
    records = RecordCount(shape, line_bytes).of(encoding.watch(blocks))
    found = records - 1 if shape.has_header and records else records
    encoding.judge(found)
    return found


_row = Row._make


class _Maker:
    """Makes rows of records."""

    def __init__(self, shape: Shape, wanted: Sequence[str] | None) -> None:
        self._names = shape.names
        self._position = -1 if shape.has_header else 0
        self._wanted: list[tuple[int, str]] | None = None
        if wanted is not None:
            kept = frozenset(wanted)
            self._wanted = [(i, name) for i, name in enumerate(shape.names) if name in kept]

    def rows(self, records: Sequence[Record]) -> list[Row]:
        """A row for each record but the header."""
        if records and self._position < 0:
            self._position, records = 0, records[1:]
        width = len(self._names)
        position = self._position
        self._position += len(records)
        found: list[Row] = []
        for number, (fields, data, refusal) in enumerate(records, position):
            line = data.rstrip(b"\r\n")
            if refusal is None and len(fields) == width:
                found.append(_row((number, self._record(fields), line, None)))
            else:
                refused = refusal or _another_length(len(fields), width)
                found.append(Row(number, None, line, refused))
        return found

    def _record(self, fields: list[str]) -> JsonObject:
        if self._wanted is not None:
            return {name: fields[i] or None for i, name in self._wanted}
        record: JsonObject = dict(zip(self._names, fields, strict=True))
        if "" in fields:
            for name, value in record.items():
                if value == "":
                    record[name] = None  # the keys stay, so going through them goes on
        return record


def _another_length(found: int, named: int) -> Refusal:
    detail = f"{found} fields, where there are {named} columns"
    return Refusal(Reason.MALFORMED_ROW, "", detail)
