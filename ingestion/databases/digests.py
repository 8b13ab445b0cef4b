"""The columns of ours: key, digest and version of each row, computed over Arrow by DuckDB."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import duckdb
import pyarrow as pa

from ingestion.databases.frozen import Cursor, Frozen
from ingestion.spool import DELETED, HASH, KEY, OBSERVED_AT, VERSION_AT

MOMENT = pa.timestamp("us", "UTC")
OWN_FIELDS = (
    pa.field(KEY, pa.string()),
    pa.field(HASH, pa.string()),
    pa.field(VERSION_AT, MOMENT),
    pa.field(OBSERVED_AT, MOMENT),
    pa.field(DELETED, pa.bool_()),
)


def spool_schema(rows: pa.Schema) -> pa.Schema:
    """The schema of a spool file: the source's columns, then ours."""
    return pa.schema([*(field.with_nullable(True) for field in rows), *OWN_FIELDS])


def microseconds(moment: datetime) -> int:
    """Since 1970, exactly."""
    return pa.scalar(moment, MOMENT).value


class Digester:
    """Adds our columns to blocks of one table.

    The key is a JSON array of texts, the digest 128 bits of SHA-256 over the columns that are not
    null, in the order of their names. So neither a column that is new and empty, nor another order
    of columns, nor an integer that became text changes a row.
    """

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        frozen: Frozen,
        schema: pa.Schema,
        observed_at: datetime,
    ) -> None:
        self._connection = connection
        self._observed = microseconds(observed_at)
        types = {field.name: field.type for field in schema}
        self._key_sql = f"select {_key(frozen.key, types)} as key from block"
        self._sql = (
            f"select {_key(frozen.key, types)} as key, {_digest(types)} as hash,"
            f" {_version(frozen.cursor, self._observed)} as version_at from block"
        )
        if frozen.cursor is not None:
            # Times without a zone, in text too, are read in the zone of the session.
            connection.execute(f"set TimeZone = '{frozen.cursor.time_zone}'")

    def keys(self, block: pa.Table) -> pa.Table:
        """One column, ``key``."""
        return self._run(self._key_sql, block)

    def dress(self, block: pa.Table) -> pa.Table:
        """The block with our columns behind its own."""
        found = self._run(self._sql, block)
        rows = block.num_rows
        moments = pa.array([self._observed], pa.int64()).cast(MOMENT)
        observed = pa.chunked_array([moments.take(pa.array([0] * rows, pa.int32()))])
        own = [
            found.column("key"),
            found.column("hash"),
            found.column("version_at").cast(MOMENT),
            observed,
            pa.chunked_array([pa.array([False] * rows, pa.bool_())]),
        ]
        return pa.Table.from_arrays([*block.columns, *own], schema=spool_schema(block.schema))

    def _run(self, sql: str, block: pa.Table) -> pa.Table:
        self._connection.register("block", block)
        try:
            found = self._connection.execute(sql).to_arrow_table()
        finally:
            self._connection.unregister("block")
        assert found.num_rows == block.num_rows
        return found


def _key(key: Sequence[str], types: dict[str, pa.DataType]) -> str:
    parts = ", ".join(_text(name, types[name]) for name in key)
    return f"to_json([{parts}])::varchar"


def _digest(types: dict[str, pa.DataType]) -> str:
    parts = []
    for name in sorted(types):
        text = _text(name, types[name])
        label = f"{len(name)}:{name}".replace("'", "''")
        # Null with its label where the value is null, and concat passes over nulls.
        parts.append(f"'{label}' || strlen({text}) || ':' || {text}")
    return f"left(sha256(concat({', '.join(parts)})), 32)"


def _text(name: str, kind: pa.DataType) -> str:
    """A value as text that stays the same, whatever the session."""
    if pa.types.is_timestamp(kind):
        mark = "Z" if kind.tz else ""
        return f"(make_timestamp(epoch_us({quoted(name)}))::varchar || '{mark}')"
    return f"{quoted(name)}::varchar"


def _version(cursor: Cursor | None, observed: int) -> str:
    """When this version was written, in microseconds: by the cursor if it is a time."""
    if cursor is None or not cursor.is_time:
        return f"{observed}::bigint"
    column = quoted(cursor.column)
    if cursor.unit is not None:
        found = f"try_cast({column} * {10**6 // cursor.unit} as bigint)"
    else:
        found = f"epoch_us(try_cast({column} as timestamptz))"
    return f"coalesce({found}, {observed})::bigint"


def quoted(name: str) -> str:
    """A name as DuckDB reads it."""
    return '"' + name.replace('"', '""') + '"'
