"""The tables of a version made, filled and described in a schema that no reader sees yet."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
from pyarrow import csv

from governance.errors import UserError
from governance.progress import Progress
from orchestration.publishing.manifest import Manifest, Table
from orchestration.publishing.policy import quote
from orchestration.publishing.postgres_sql import raw
from orchestration.publishing.postgres_types import column_text, column_type
from orchestration.publishing.store import DATABASE

if TYPE_CHECKING:
    from psycopg import Connection

_ROWS_A_BATCH = 50_000


def load_tables(
    connection: Connection[Any],
    following: str,
    folder: Path,
    manifest: Manifest,
    progress: Progress,
) -> int:
    """Create and fill every table; returns the rows loaded."""
    done = 0
    with duckdb.connect(str(folder / DATABASE), read_only=True) as published:
        published.execute("set TimeZone = 'UTC'")
        for table in manifest.tables:
            _create(connection, following, table)
            loaded = 0
            for text, rows in _csv(published, table):
                loaded += _copy(connection, following, table, text)
                done += rows
                progress("loading rows", done, manifest.rows)
            if loaded != table.rows:
                raise UserError(f"{table.name} got {loaded:,} rows of {table.rows:,}.")
            _describe(connection, following, table)
    return done


def _create(connection: Connection[Any], following: str, table: Table) -> None:
    from psycopg import sql

    columns = sql.SQL(", ").join(
        sql.SQL("{} {}").format(sql.Identifier(c.name), raw(column_type(c.type)))
        for c in table.columns
    )
    name = sql.Identifier(following, table.name)
    connection.execute(sql.SQL("create table {} ({})").format(name, columns))


def _csv(published: duckdb.DuckDBPyConnection, table: Table) -> Iterator[tuple[bytes, int]]:
    """The table's rows as CSV, a batch at a time: text in quotes, null as nothing."""
    columns = ", ".join(f"{column_text(c)} as {quote(c.name)}" for c in table.columns)
    reader = published.execute(f"select {columns} from marts.{quote(table.name)}").to_arrow_reader(
        _ROWS_A_BATCH
    )
    options = csv.WriteOptions(include_header=False, quoting_style="needed")
    for batch in reader:
        buffer = io.BytesIO()
        csv.write_csv(batch, buffer, options)
        yield buffer.getvalue(), batch.num_rows


def _copy(connection: Connection[Any], following: str, table: Table, text: bytes) -> int:
    from psycopg import sql

    # frozen: visible to readers whose snapshot is older than this transaction
    command = sql.SQL("copy {} from stdin (format csv, freeze)").format(
        sql.Identifier(following, table.name)
    )
    with connection.cursor() as cursor:
        with cursor.copy(command) as copy:
            copy.write(text)
        return cursor.rowcount


def _describe(connection: Connection[Any], following: str, table: Table) -> None:
    from psycopg import sql

    name = sql.Identifier(following, table.name)
    connection.execute(
        sql.SQL("comment on table {} is {}").format(name, sql.Literal(table.description))
    )
    for column in table.columns:
        place = sql.Identifier(following, table.name, column.name)
        connection.execute(
            sql.SQL("comment on column {} is {}").format(place, sql.Literal(column.description))
        )
    connection.execute(sql.SQL("analyze {}").format(name))
