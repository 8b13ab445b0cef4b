"""Parquet: rows of typed columns as plain values, a group of rows at a time.

Values: text, integers and truth values as they are; floats too, NaN and infinities are none; times
are ``datetime``, in UTC where the file names a zone and naive where it does not; dates are
midnights without a zone; decimals ``Decimal``; bytes hexadecimal text; lists and structs lists and
dicts.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from itertools import repeat
from typing import Any, BinaryIO

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from fsspec import AbstractFileSystem

from ingestion.containers.rows import GROUP_ROWS, FileProblem, Row

_BATCH_ROWS = 16 * GROUP_ROWS
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAMAGED = "It is loaded once it is complete; if nobody writes it any more, replace it."


def columns(file: BinaryIO) -> tuple[str, ...]:
    """The names of the columns.

    Raises:
        FileProblem: it is not Parquet, or truncated, or has a name twice.
    """
    names = _opened(file).schema_arrow.names
    double = next((name for name in names if names.count(name) > 1), None)
    if double is not None:
        raise FileProblem(f"has two columns called {double!r}", "Write it again with one of them.")
    return tuple(names)


def rows(file: BinaryIO, *, wanted: Sequence[str] | None = None) -> Iterator[list[Row]]:
    """The rows in groups.

    Args:
        file: seekable.
        wanted: the columns of the records; all unless said. Names it does not have are left out.

    Raises:
        FileProblem: it is not Parquet, truncated or damaged.
    """
    opened = _opened(file)
    names = opened.schema_arrow.names
    if wanted is not None:
        kept = frozenset(wanted)
        names = [name for name in names if name in kept]
    position = 0
    try:
        for batch in opened.iter_batches(_BATCH_ROWS, columns=names):
            for first in range(0, batch.num_rows, GROUP_ROWS):
                yield (group := _group(batch.slice(first, GROUP_ROWS), names, position))
                position += len(group)
    except (pa.ArrowException, OSError) as error:
        raise FileProblem(f"is damaged: {str(error).rstrip('.')}", _DAMAGED) from None


def count(file: BinaryIO) -> int:
    """How many rows ``rows`` must hand out, as DuckDB reads the file's own statement.

    Raises:
        FileProblem: it is not Parquet, or truncated.
    """
    with duckdb.connect() as connection:
        connection.register_filesystem(_OneFile(file))
        try:
            found = connection.execute(
                "select num_rows from parquet_file_metadata('onefile://it')"
            ).fetchall()
        except duckdb.Error as error:
            raise _no_parquet(error) from None
    return sum(rows for (rows,) in found)


def _opened(file: BinaryIO) -> pq.ParquetFile:
    try:
        file.seek(0)
        return pq.ParquetFile(file)
    except (pa.ArrowException, OSError) as error:
        raise _no_parquet(error) from None


def _no_parquet(error: Exception) -> FileProblem:
    first = str(error).partition("\n")[0].rstrip(".")
    return FileProblem(f"is not a whole Parquet file: {first}", _DAMAGED)


def _group(batch: pa.RecordBatch, names: Sequence[str], position: int) -> list[Row]:
    if not names:
        return [Row(position + i, {}, b"", None) for i in range(batch.num_rows)]
    values = [_values(batch.column(name)) for name in names]
    records = [dict(zip(names, row, strict=True)) for row in zip(*values, strict=True)]
    places = range(position, position + len(records))
    # In one call for all: a Row made by its own name takes as long as its record.
    return list(map(Row._make, zip(places, records, repeat(b""), repeat(None))))


def _values(column: pa.Array) -> list[Any]:
    """A column as plain values. Arrow's own ``to_pylist`` takes 7 us for a time with a zone."""
    if isinstance(column, pa.DictionaryArray):
        column = column.dictionary_decode()
    if isinstance(column, pa.ExtensionArray):
        column = column.storage
    kind = column.type
    for is_kind, convert in _CONVERSIONS:
        if is_kind(kind):
            return convert(column)
    if pa.types.is_nested(kind):
        return [_plain(value) for value in column.to_pylist()]
    return column.to_pylist()


def _moments(column: pa.Array) -> list[Any]:
    numbers = column.cast(pa.timestamp("us"), safe=False).cast(pa.int64())
    # Epoch and distance: twenty times as fast as giving each datetime its zone.
    epoch = _EPOCH if column.type.tz else _EPOCH.replace(tzinfo=None)
    spans = numbers.view(pa.duration("us")).to_numpy(zero_copy_only=False).tolist()
    try:
        return [span if span is None else epoch + span for span in spans]
    except OverflowError:  # a time no calendar has: as text it is refused where one is asked for
        return [span if span is None else _moment(epoch, span) for span in spans]


def _moment(epoch: datetime, span: timedelta) -> datetime | str:
    try:
        return epoch + span
    except OverflowError:
        return str(span // timedelta(microseconds=1))


def _midnights(column: pa.Array) -> list[Any]:
    return _moments(column.cast(pa.timestamp("us")))


def _floats(column: pa.Array) -> list[Any]:
    column = column.cast(pa.float64())
    finite = pc.call_function("is_finite", [column])
    if pc.call_function("all", [finite]).as_py() is False:
        column = pc.call_function("if_else", [finite, column, pa.scalar(None, pa.float64())])
    return column.to_pylist()


def _decimals(column: pa.Array) -> list[Any]:
    return [text and Decimal(text) for text in column.cast(pa.string()).to_pylist()]


def _hexadecimal(column: pa.Array) -> list[Any]:
    return [data if data is None else data.hex() for data in column.to_pylist()]


def _texts(column: pa.Array) -> list[Any]:
    return [value if value is None else _plain(value) for value in column.to_pylist()]


def _is_bytes(kind: pa.DataType) -> bool:
    types = pa.types
    return types.is_binary(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind)


_CONVERSIONS: tuple[tuple[Callable[[pa.DataType], bool], Callable[[pa.Array], list[Any]]], ...] = (
    (pa.types.is_timestamp, _moments),
    (pa.types.is_date, _midnights),
    (pa.types.is_floating, _floats),
    (pa.types.is_decimal, _decimals),
    (_is_bytes, _hexadecimal),
    (pa.types.is_time, _texts),
    (pa.types.is_duration, _texts),
)


def _plain(value: Any) -> Any:
    """A nested value as JSON could hold it; times stay times."""
    if isinstance(value, dict):
        return {str(key): _plain(member) for key, member in value.items()}
    if isinstance(value, list):
        if value and all(isinstance(pair, tuple) and len(pair) == 2 for pair in value):
            return {str(key): _plain(member) for key, member in value}  # a map
        return [_plain(member) for member in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, timedelta):
        return str(value)
    if isinstance(value, time):
        return value.isoformat()
    if isinstance(value, datetime):
        return value.astimezone(UTC) if value.tzinfo else value
    if value is None or isinstance(value, str | int | Decimal | date):
        return value
    return str(value)


class _OneFile(AbstractFileSystem):
    """Gives DuckDB an open file wherever it lies, so that the count needs no second way to it."""

    protocol = "onefile"
    cachable = False

    def __init__(self, file: BinaryIO) -> None:
        super().__init__()
        self._file = file
        self._size = file.seek(0, 2)

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        return {"name": path, "size": self._size, "type": "file"}

    def glob(self, path: str, maxdepth: Any = None, **_: Any) -> list[str]:  # noqa: ARG002 - fsspec
        return [path]

    def exists(self, path: str, **_: Any) -> bool:  # noqa: ARG002 - fsspec
        return True

    def modified(self, path: str) -> datetime:  # noqa: ARG002 - fsspec
        return datetime(1970, 1, 1, tzinfo=UTC)

    def open(self, path: str, mode: str = "rb", *_: Any, **__: Any) -> Any:  # noqa: ARG002 - fsspec
        return _Shared(self._file)


class _Shared:
    """The open file, which is not closed with this view of it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.closed = False

    def read(self, size: int = -1) -> bytes:
        return self._file.read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def flush(self) -> None:
        """Nothing is written."""

    def close(self) -> None:
        self.closed = True
