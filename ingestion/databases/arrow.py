"""Rows of a table as Arrow tables, read by dlt on a connection of ours.

The connection is ours because rows, keys and the server's count must come from one snapshot; the
size of a block follows the width of the rows, so that wide ones do not fill the memory.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from typing import Any, cast

import pyarrow as pa
import sqlalchemy as sa
from dlt.sources.sql_database import TableLoader, sql_table

from governance.errors import causes
from ingestion.databases.frozen import Frozen
from ingestion.databases.types import Cast, UnfitError, arrow_type, finish

FIRST_ROWS = 200
MOST_ROWS = 20_000
BLOCK_BYTES = 8_000_000


def read_rows(
    connection: sa.Connection,
    frozen: Frozen,
    columns: Sequence[str],
    where: sa.ColumnElement[bool] | None = None,
    *,
    limit: int | None = None,
) -> Iterator[pa.Table]:
    """The rows of a table in blocks, each with the same types.

    Args:
        connection: inside a snapshot.
        frozen: how its columns are read.
        columns: which of them.
        where: which rows.
        limit: how many at most.

    Raises:
        UnfitError: a column's values do not fit its type.
        sqlalchemy.exc.SQLAlchemyError: whatever the database says.
    """
    os.environ.setdefault("RUNTIME__DLTHUB_TELEMETRY", "false")
    logging.getLogger("dlt").setLevel(logging.CRITICAL)
    table = _typed(frozen, columns)
    query = _query(frozen, columns, where, limit)
    resource = sql_table(
        connection.engine,
        # Whatever is left at its default dlt would look for in the environment, so that SCHEMA or
        # EXCLUDED_COLUMNS of somebody's shell would change what is read.
        table=table.name,
        schema=table.schema or "",
        metadata=table.metadata,
        chunk_size=MOST_ROWS,
        backend="pyarrow",
        reflection_level="full",
        included_columns=[column.name for column in table.columns],
        excluded_columns=[""],
        write_disposition="append",
        primary_key=list(frozen.key),
        merge_key=list(frozen.key),
        defer_table_reflect=False,
        query_adapter_callback=lambda _query, _table: query,
        table_loader_class=_loader(connection),
    )
    casts: dict[str, Cast] = {
        name: reading.cast
        for name, reading in frozen.columns.items()
        if name in columns and reading.cast is not None
    }
    schema = schema_of(frozen, columns)
    try:
        with closing(cast(Generator[pa.Table], iter(resource))) as blocks:
            for block in blocks:
                yield finish(block, casts).cast(schema)
    except UnfitError:
        raise
    except Exception as error:
        column = _unfit(error)
        if column is None:
            raise
        raise UnfitError(column) from error


def schema_of(frozen: Frozen, columns: Sequence[str]) -> pa.Schema:
    """The types of those columns, whether there are rows or not."""
    return pa.schema([(name, arrow_type(frozen.columns[name])) for name in columns])


def _typed(frozen: Frozen, columns: Sequence[str]) -> sa.Table:
    """The table as dlt is shown it: the columns that are read, with the types they arrive in.

    Nothing is called not null: views say nothing, SQLite's primary keys may hold NULL, and a value
    outside of a calendar becomes null.
    """
    reflected = frozen.reflected
    return sa.Table(
        reflected.name,
        sa.MetaData(schema=reflected.schema),
        *(sa.Column(name, frozen.columns[name].type, nullable=True) for name in columns),
    )


def _query(
    frozen: Frozen,
    columns: Sequence[str],
    where: sa.ColumnElement[bool] | None,
    limit: int | None,
) -> sa.Select[Any]:
    query = sa.select(*(frozen.columns[name].select.label(name) for name in columns))
    query = query.select_from(frozen.reflected)
    if where is not None:
        query = query.where(where)
    return query if limit is None else query.limit(limit)


def _loader(connection: sa.Connection) -> type[TableLoader]:
    class SnapshotLoader(TableLoader):
        """dlt's conversion to Arrow, on the snapshot, in blocks of as many bytes."""

        def _load_rows(self, query: Any, backend_kwargs: dict[str, Any]) -> Iterator[Any]:
            # Without max_row_buffer, a driver's buffer of wide rows grows to a thousand.
            streamed = connection.execution_options(stream_results=True, max_row_buffer=FIRST_ROWS)
            result = streamed.execute(query)
            blocks = _Blocks(result)
            try:
                for block in self._convert_result(blocks, backend_kwargs):
                    blocks.saw(block)
                    yield block
            except BaseException:
                _abandon(result)
                raise
            finally:
                result.close()

    return SnapshotLoader


def _abandon(result: sa.CursorResult[Any]) -> None:
    """Let go of rows nobody wants: pymysql would fetch all of them before it closes."""
    unread = getattr(result.cursor, "_result", None)
    if hasattr(unread, "unbuffered_active"):
        setattr(unread, "unbuffered_active", False)  # noqa: B010 - no part of its declared surface


class _Blocks:
    """A result cut into blocks whose size follows the width of the rows seen so far."""

    def __init__(self, result: sa.CursorResult[Any]) -> None:
        self._result = result
        self._rows = FIRST_ROWS

    def keys(self) -> list[str]:
        return list(self._result.keys())

    def partitions(self, size: int) -> Iterator[Sequence[Any]]:
        while rows := self._result.fetchmany(min(self._rows, size)):
            yield rows

    def saw(self, block: pa.Table) -> None:
        wide = max(block.nbytes // max(block.num_rows, 1), 1)
        self._rows = max(1, min(self._rows * 10, BLOCK_BYTES // wide, MOST_ROWS))


def _unfit(error: BaseException) -> str | None:
    """The column dlt could not convert."""
    for cause in causes(error):
        name = getattr(cause, "field_name", None)
        if isinstance(name, str):
            return name
    return None
