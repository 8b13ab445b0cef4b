"""What a publish would write: tables, columns by class, rows and digests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby

import duckdb

from governance.classes import FIELD_CLASSES, is_field_class
from governance.errors import UserError
from governance.progress import Progress
from orchestration.publishing.catalog import ModelDoc
from orchestration.publishing.digest import (
    RowsDigest,
    digest_days,
    digest_of,
    digest_rows,
    together,
)
from orchestration.publishing.manifest import Column, Partition, Table, Withheld
from orchestration.publishing.policy import published_expression, quote, treatment
from orchestration.publishing.store import ROLE

LOGS = "ops_"

# Tables published as one parquet file a month of this timestamp, sorted by it and the columns after
# it; in a month of more rows than LARGE_MONTH one a day.
EVENTS = "fct_events"
PARTITIONED_BY = {EVENTS: ("occurred_at", "event_id")}
LARGE_MONTH = 1_000_000
# Tables that are asked for their latest weeks lie by time; all others by their grain.
SORTED_BY = {
    "fct_conversions": ("occurred_at",),
    "fct_orders": ("ordered_at",),
    "fct_page_views": ("occurred_at",),
    "fct_sessions": ("started_at",),
}


@dataclass(frozen=True, slots=True)
class TablePlan:
    """A mart to publish, with the SQL that selects its published columns from the warehouse."""

    table: Table
    select: str
    order: tuple[str, ...]
    partition_time: str | None


def plan_tables(
    connection: duckdb.DuckDBPyConnection, marts: Sequence[ModelDoc], progress: Progress
) -> tuple[TablePlan, ...]:
    """Judge every column, then count and digest every table.

    Raises:
        UserError: when a table is missing or a column has no class.
    """
    judged = [(model, _columns(connection, model)) for model in marts]
    plans = []
    for done, (model, (columns, withheld)) in enumerate(judged):
        progress("comparing tables", done, len(judged))
        plans.append(_plan(connection, model, columns, withheld))
    progress("comparing tables", len(judged), len(judged))
    return tuple(plans)


def content_digest(tables: Sequence[Table], semantics: Sequence[str]) -> str:
    """Digest of everything a reader can see: rows, columns, types, classes and descriptions.

    Logs are left out: they tell of builds, so that two homes of the same content have other ones.
    """
    told = [[table.name, table.digest] for table in tables if not table.name.startswith(LOGS)]
    return digest_of([list(semantics), told])


def _plan(
    connection: duckdb.DuckDBPyConnection,
    model: ModelDoc,
    columns: tuple[Column, ...],
    withheld: tuple[Withheld, ...],
) -> TablePlan:
    relation = f"{quote(model.schema)}.{quote(model.table)}"
    expressions = [published_expression(c.name, c.type, c.treatment) for c in columns]
    select = f"select {', '.join(expressions)} from {relation}"
    names = [column.name for column in columns]
    shape = [[c.name, c.type, c.column_class, c.treatment] for c in columns]
    order = tuple(
        column for column in (*SORTED_BY.get(model.name, ()), *model.grain) if column in names
    )
    time = None
    partitions: tuple[Partition, ...] = ()
    if model.name in PARTITIONED_BY:
        sort = PARTITIONED_BY[model.name]
        time = sort[0]
        _require(model, sort, names)
        order = tuple(dict.fromkeys((*sort, *order)))
        partitions = _partitions(connection, model.name, f"({select})", names, time, shape)
        rows = sum(partition.rows for partition in partitions)
        digest = digest_of([partition.digest for partition in partitions])
    else:
        found = digest_rows(connection, f"({select})", names)
        rows, digest = found.rows, found.text
    described = [[model.description], [column.description for column in columns]]
    return TablePlan(
        table=Table(
            name=model.name,
            rows=rows,
            digest=digest_of([digest, shape, described, [w.name for w in withheld]]),
            description=model.description,
            columns=columns,
            withheld=withheld,
            partitions=partitions,
        ),
        select=select,
        order=order,
        partition_time=time,
    )


def _partitions(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    relation: str,
    names: Sequence[str],
    time: str,
    shape: object,
) -> tuple[Partition, ...]:
    """The partitions of a table; one without rows gets an empty file: its view needs columns."""
    days = digest_days(connection, relation, names, time)
    return tuple(
        Partition(
            name=name,
            rows=digest.rows,
            digest=digest_of([digest.text, shape]),
            path=_path(table, name, time),
        )
        for name, digest in (_months_or_days(days) or {"none": RowsDigest()}).items()
    )


def _months_or_days(days: Mapping[date, RowsDigest]) -> dict[str, RowsDigest]:
    """A partition a month; a day where the month is large, so that little is written anew."""
    found: dict[str, RowsDigest] = {}
    for month, of_month in groupby(days, lambda day: day.isoformat()[:7]):
        mine = {day.isoformat(): days[day] for day in of_month}
        whole = together(mine.values())
        found |= mine if whole.rows > LARGE_MONTH else {month: whole}
    return found


def _path(table: str, name: str, time: str) -> str:
    """Hive's way of naming, in one depth for all files: some readers ask for that."""
    month, day = name[:7], name[8:]
    return f"parquet/{table}/{time.removesuffix('_at')}_month={month}/{day or 'part'}.parquet"


def _columns(
    connection: duckdb.DuckDBPyConnection, model: ModelDoc
) -> tuple[tuple[Column, ...], tuple[Withheld, ...]]:
    """The columns the table really has, divided by what the policy says of their class."""
    actual = connection.execute(
        "select column_name, data_type from duckdb_columns()"
        " where database_name = current_database() and schema_name = ? and table_name = ?"
        " order by column_index",
        [model.schema, model.table],
    ).fetchall()
    if not actual:
        raise UserError(
            f"The mart {model.name} is not in the warehouse.",
            why="dbt knows the model, but its table was never built.",
            fix="Build it with: throughline build",
        )
    columns, withheld = [], []
    for name, type_name in actual:
        documented = model.columns.get(name.lower())
        column_class = documented.column_class if documented else None
        if documented is None or column_class is None or not is_field_class(column_class):
            raise _unclassified(model, name, column_class)
        treated = treatment(column_class, ROLE)
        if treated == "withhold":
            withheld.append(Withheld(name, column_class))
        else:
            columns.append(Column(name, type_name, column_class, treated, documented.description))
    return tuple(columns), tuple(withheld)


def _unclassified(model: ModelDoc, column: str, column_class: str | None) -> UserError:
    problem = f"class {column_class!r} is not a class" if column_class else "it has no class"
    return UserError(
        f"The column {column} of the mart {model.name} can not be published: {problem}.",
        why="Every published column must say what kind of data it holds (no default).",
        fix=(
            f"In dbt_project/{model.yml}, under columns: - name: {column}, add"
            f" config: {{meta: {{class: …}}}} with one of {', '.join(FIELD_CLASSES)};"
            " then: throughline build"
        ),
    )


def _require(model: ModelDoc, needed: Sequence[str], names: Sequence[str]) -> None:
    missing = [column for column in needed if column not in names]
    if missing:
        raise UserError(
            f"The mart {model.name} can not be published without {', '.join(missing)}.",
            why="Its parquet partitions are cut and sorted by these columns.",
            fix=f"Keep them in dbt_project/{model.yml} in a class that is published.",
        )
