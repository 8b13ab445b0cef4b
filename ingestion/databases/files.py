"""Spool files: Parquet, written aside and renamed when they are whole."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

_ABOUT = b"throughline"
_STAMP = "%Y%m%dT%H%M%S.%fZ"
_GROUP_ROWS = 100_000
_GROUP_BYTES = 48_000_000


@dataclass(frozen=True, slots=True)
class Facts:
    """What is said about a spool file in its own metadata.

    Attributes:
        source: name of the source.
        table: as the configuration calls it.
        observed_at: when its snapshot was taken, ISO 8601 in UTC.
        rows_read: rows the statement gave.
        server_count: what the server counted for the same rows, in the same snapshot.
        rows_written: versions in this file.
        rows_deleted: tombstones in this file.
        full: whether all rows were read.
        key: the columns of the key.
        columns: all columns that were read.
        cursor: its column.
        cursor_from: where reading began; None when all rows were read.
        cursor_to: the greatest value that was read so far.
    """

    source: str
    table: str
    observed_at: str
    rows_read: int
    server_count: int
    rows_written: int
    rows_deleted: int
    full: bool
    key: tuple[str, ...]
    columns: tuple[str, ...]
    cursor: str | None
    cursor_from: str | None
    cursor_to: str | None

    @classmethod
    def of(cls, text: str | bytes) -> Facts:
        """Facts as they were written."""
        told = json.loads(text)
        return cls(**{**told, "key": tuple(told["key"]), "columns": tuple(told["columns"])})


def facts_of(path: Path) -> Facts:
    """What a spool file says about itself.

    Raises:
        KeyError: it is no spool file.
    """
    return Facts.of((pq.read_metadata(path).metadata or {})[_ABOUT])


def spool_files(folder: Path) -> list[Path]:
    """The spool files of a table in the order they were read."""
    return sorted(path for path in folder.glob("*.parquet") if not path.name.startswith("."))


def moment_of(name: str) -> datetime:
    """When the file of that name was read."""
    return datetime.strptime(name.partition("-")[0], _STAMP).replace(tzinfo=UTC)


def name_at(moment: datetime) -> str:
    """A new name; names sort by time."""
    return f"{moment.astimezone(UTC).strftime(_STAMP)}-{secrets.token_hex(3)}.parquet"


class SpoolWriter:
    """Writes one file; row groups hold so many rows, or so many bytes of wide ones."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)  # rows of customers in clear, whatever the umask
        self.path = path
        self.rows = 0
        self._schema = schema
        self._writer = pq.ParquetWriter(path, schema, compression="zstd")
        self._waiting: list[pa.Table] = []
        self._bytes = 0

    def write(self, table: pa.Table) -> None:
        """Add rows."""
        if not table.num_rows:
            return
        self._waiting.append(table)
        self._bytes += table.nbytes
        self.rows += table.num_rows
        if self._bytes > _GROUP_BYTES or sum(t.num_rows for t in self._waiting) >= _GROUP_ROWS:
            self._flush()

    def close(self, facts: Facts | None = None) -> None:
        """End the file; once is enough."""
        if not self._writer.is_open:
            return
        self._flush()
        if facts is not None:
            self._writer.add_key_value_metadata({_ABOUT: json.dumps(asdict(facts)).encode()})
        self._writer.close()

    def _flush(self) -> None:
        if self._waiting:
            self._writer.write_table(pa.concat_tables(self._waiting))
        self._waiting, self._bytes = [], 0


def filtered(
    path: Path, changes: Callable[[int, int], tuple[pa.Array, pa.Array]], version_column: str
) -> Iterator[pa.Table]:
    """The rows of a file that changed, each with its version.

    Args:
        path: of the file with all rows that were read.
        changes: for a range of row numbers: which of them changed, and their versions.
        version_column: where the versions belong.
    """
    with pq.ParquetFile(path) as file:
        begin = 0
        for batch in file.iter_batches(batch_size=20_000):
            end = begin + batch.num_rows
            numbers, versions = changes(begin, end)
            if len(numbers):
                offset = pa.scalar(begin, pa.int64())
                positions = pc.call_function("subtract", [numbers, offset])
                chosen = pa.Table.from_batches([batch]).take(positions)
                at = chosen.schema.get_field_index(version_column)
                field = chosen.schema.field(at)
                yield chosen.set_column(at, field, versions.cast(field.type))
            begin = end
