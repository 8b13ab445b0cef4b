"""Row counts and column types of the warehouse's tables, from one query each.

dagster-dbt's and dagster-dlt's own row counts open a connection per table, keep it open, or fail
on a load that loads nothing; and the warehouse lets only one process in.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import duckdb

Table = tuple[str, str]  # schema, name


# Views that add columns to a table, row by row: counting the table is free.
_VIEWS: Mapping[Table, Table] = {("marts", "fct_events"): ("intermediate", "int_events")}


def row_counts(connection: duckdb.DuckDBPyConnection, tables: Iterable[Table]) -> dict[Table, int]:
    """Rows of each of ``tables`` that exists; of a view those of the table it adds columns to."""
    stored = set(
        connection.execute(
            "select schema_name, table_name from duckdb_tables() where not internal"
        ).fetchall()
    )
    wanted = sorted(table for table in set(tables) if _VIEWS.get(table, table) in stored)
    if not wanted:
        return {}
    query = " union all ".join(
        f"select {number} as position, count(*) as rows from {quoted(schema)}.{quoted(name)}"
        for number, (schema, name) in enumerate(_VIEWS.get(table, table) for table in wanted)
    )
    return {wanted[number]: rows for number, rows in connection.execute(query).fetchall()}


def column_types(connection: duckdb.DuckDBPyConnection) -> Mapping[Table, dict[str, str]]:
    """Column -> type, in order, of every table and view."""
    found: dict[Table, dict[str, str]] = {}
    rows = connection.execute(
        "select schema_name, table_name, column_name, data_type from duckdb_columns()"
        " where not internal"
        " and database_name = current_database() order by schema_name, table_name, column_index"
    ).fetchall()
    for schema, table, column, kind in rows:
        found.setdefault((schema, table), {})[column] = kind.lower()
    return found


def quoted(name: str) -> str:
    """``name`` as a SQL identifier."""
    return '"' + name.replace('"', '""') + '"'
