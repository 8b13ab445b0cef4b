"""A look at a database: its tables with rows and columns, read with the rights it will have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from governance.config import Source
from governance.errors import UserError
from governance.home import Home
from ingestion.databases import check
from ingestion.databases.connect import Database, open_database
from ingestion.databases.trouble import Trouble
from ingestion.names import did_you_mean
from ingestion.segments import Problem
from ingestion.spool import OWN_COLUMNS
from orchestration.connect.columns import Column, columns_of

SAMPLE_ROWS = 100
MAX_TABLES = 200
"""Of a database with more, the tables must be named."""
COUNTED_ROWS = 1_000_000
"""Tables that are larger by the server's own estimate are not counted."""
_ESTIMATES = {
    "postgresql": "select reltuples from pg_class where oid ="
    " to_regclass(concat_ws('.', quote_ident(:schema), quote_ident(:name)))",
    "mysql": "select table_rows from information_schema.tables"
    " where table_schema = coalesce(:schema, database()) and table_name = :name",
}
_SYSTEM = ("information_schema", "pg_catalog", "pg_toast", "mysql", "performance_schema", "sys")


@dataclass(frozen=True, slots=True)
class TableLook:
    """A table or view.

    Attributes:
        name: with its schema where it is not the default one.
        rows: how many there are; None of views, and of what this user may not read.
        is_estimate: whether that is the server's own guess: large tables are not counted.
        columns: names.
        primary_key: columns.
        is_view: whether it is a view.
    """

    name: str
    rows: int | None
    columns: tuple[str, ...]
    primary_key: tuple[str, ...]
    is_view: bool
    is_estimate: bool = False

    @property
    def counted(self) -> str:
        """Its rows, in words."""
        if self.rows is None:
            return "a view" if self.is_view else "not counted"
        about = "about " if self.is_estimate else ""
        return f"{about}{self.rows:,} row" + ("" if self.rows == 1 else "s")


def look_at_database(home: Home, source: Source, *, only: Sequence[str] = ()) -> list[TableLook]:
    """Test the connection and list the tables.

    Args:
        home: whose secret names the database.
        source: of kind app_database, with or without tables.
        only: names of tables; all when empty.

    Raises:
        UserError: it cannot be reached or read, there are no tables, or none of that name.
    """
    try:
        database = open_database(home, source)
    except Trouble as trouble:
        raise _refused(source, trouble) from None
    try:
        with database.snapshot() as connection:
            looks = _tables(connection, only)
        return [_counted(database, look) for look in looks]
    except UserError:
        raise
    except Exception as error:
        raise _explained(database, source, error) from None


def first_columns(
    home: Home, source: Source, looks: Sequence[TableLook]
) -> tuple[dict[str, list[Column]], dict[str, Problem]]:
    """The columns of tables with their first values, and why some of them cannot be read.

    Args:
        home: whose secret names the database.
        source: of kind app_database.
        looks: the tables.
    """
    probe = source.model_copy(update={"tables": tuple(map(_everything, looks))})
    found: dict[str, list[Column]] = {}
    problems: dict[str, Problem] = {}
    for checked in check(home, probe, rows=SAMPLE_ROWS):
        if checked.problem is not None:
            problems[checked.table] = checked.problem
            continue
        read = [
            {name: value for name, value in record.items() if name not in OWN_COLUMNS}
            for record in checked.records
        ]
        columns = {column.name: column for column in columns_of(read, nested=False)}
        names = next(look.columns for look in looks if look.name == checked.table)
        found[checked.table] = [columns.get(name, Column(name)) for name in names]
    return found, problems


def _everything(look: TableLook) -> object:
    """A table all of whose columns are read, whatever they mean."""
    from governance.config import Table

    return Table.model_validate(
        {
            "table": look.name,
            "as": "events",
            "key": list(look.primary_key or look.columns[:1]),
            "mapping": {
                "event_name": {"value": "row"},
                "occurred_at": {"value": "2000-01-01"},
                "anonymous_id": {"value": None},
                "properties": "*",
            },
        }
    )


def _tables(connection: sa.Connection, only: Sequence[str]) -> list[TableLook]:
    inspector = sa.inspect(connection)
    default = inspector.default_schema_name
    schemas = [None]
    if connection.dialect.name == "postgresql":
        others = (s for s in inspector.get_schema_names() if s not in (*_SYSTEM, default))
        schemas += [schema for schema in others if not schema.startswith("pg_")]
    names: dict[str, tuple[str | None, str, bool]] = {}
    for schema in schemas:
        views = set(inspector.get_view_names(schema))
        for name in sorted({*inspector.get_table_names(schema), *views}):
            names[f"{schema}.{name}" if schema else name] = (schema, name, name in views)
    if not names:
        raise UserError(
            "The connection works, but this user sees no tables.",
            fix="In the database: GRANT SELECT ON the tables TO this user (and USAGE ON SCHEMA).",
        )
    for wanted in only:
        if wanted not in names:
            raise UserError(
                f"There is no table {wanted!r} in this database.",
                fix=did_you_mean(wanted, list(names)).replace("columns", "tables"),
            )
    if not only and len(names) > MAX_TABLES:
        raise UserError(
            f"There are {len(names)} tables.",
            why="Which of them hold events, persons, orders?",
            fix="Name the ones you need: --table customers=persons --table orders=orders",
        )
    chosen = {name: names[name] for name in (only or names)}
    return [_look(inspector, name, *place) for name, place in chosen.items()]


def _look(
    inspector: sa.Inspector, shown: str, schema: str | None, name: str, is_view: bool
) -> TableLook:
    columns = tuple(column["name"] for column in inspector.get_columns(name, schema))
    key = inspector.get_pk_constraint(name, schema) if not is_view else {}
    return TableLook(shown, None, columns, tuple(key.get("constrained_columns") or ()), is_view)


def _counted(database: Database, look: TableLook) -> TableLook:
    """With its rows, in a transaction of its own: one that fails must not end the others."""
    if look.is_view:
        return look
    schema, _, name = look.name.rpartition(".")
    try:
        with database.snapshot() as connection:
            statement = _ESTIMATES.get(database.dialect)
            if statement is not None:
                where = {"name": name, "schema": schema or None}
                guess = connection.execute(sa.text(statement), where).scalar()
                if guess is not None and guess >= COUNTED_ROWS:
                    return replace(look, rows=int(guess), is_estimate=True)
            count = sa.select(sa.func.count()).select_from(sa.table(name, schema=schema or None))
            return replace(look, rows=connection.execute(count).scalar_one())
    except SQLAlchemyError:
        return look  # why it cannot be read is told when its first rows are


def _explained(database: Database, source: Source, error: BaseException) -> BaseException:
    trouble = database.explainer.explain(error)
    return error if trouble is None else _refused(source, trouble)


def _refused(source: Source, trouble: Trouble) -> UserError:
    return UserError(f"The database named by {source.url} {trouble.what}.", fix=trouble.fix)
