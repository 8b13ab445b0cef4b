"""What is read of a table, settled before anything is read: its columns, key and cursor.

Never the excluded columns, never a column nobody maps.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from difflib import get_close_matches
from typing import Any, Literal

import sqlalchemy as sa

from governance.config import FieldSpec, Source, Table
from governance.config.scalars import format_duration
from ingestion.databases.connect import Dialect
from ingestion.databases.trouble import Trouble
from ingestion.databases.types import Reading, reading_of
from ingestion.formats.mapped import mapped_paths
from ingestion.names import did_you_mean

OVERLAP = timedelta(hours=1)
"""How far behind the greatest time a row may be committed, unless the table says more."""
OVERLAP_NUMBERS = 1000
"""The same of a cursor that counts: the newest thousand numbers are read again."""

CursorKind = Literal["aware", "naive", "date", "number", "text"]
Bound = datetime | date | Decimal | int | float | str

_FURTHEST = timedelta(hours=14)  # ahead of UTC, in Kiribati
_UNITS = {"s": 1, "ms": 10**3, "us": 10**6}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Cursor:
    """The column that grows when a row is written.

    Attributes:
        column: its name.
        kind: of its values; ``text`` is a time in ISO 8601, as SQLite keeps it.
        overlap: how far behind the greatest value rows are read again; None when it counts.
        unit: parts of a second, of numbers that are times.
        time_zone: of times that name none.
    """

    column: str
    kind: CursorKind
    overlap: timedelta | None
    unit: int | None
    time_zone: str

    @property
    def is_time(self) -> bool:
        """Whether its values say when a row was written."""
        return self.kind != "number" or self.unit is not None

    def start(self, greatest: str) -> Bound:
        """Where the next read begins, behind the greatest value that was read.

        Raises:
            ValueError: the value is of another kind: the column's type has changed.
        """
        if self.kind == "number":
            number = Decimal(greatest)
            if self.unit is None or self.overlap is None:
                found = number - OVERLAP_NUMBERS
            else:
                found = number - Decimal(self.overlap.total_seconds()) * self.unit
            return int(found.to_integral_value(rounding="ROUND_FLOOR"))
        overlap = self.overlap or OVERLAP
        if self.kind == "date":
            days = math.ceil(overlap / timedelta(days=1))
            return date.fromisoformat(greatest) - timedelta(days=days)
        if self.kind == "text":
            # Without parts of a second, and with the blank, which sorts before the T of others.
            return (datetime.fromisoformat(greatest[:19]) - overlap).isoformat(sep=" ")
        moment = datetime.fromisoformat(greatest)
        if (moment.tzinfo is None) != (self.kind == "naive"):
            raise ValueError(greatest)
        return moment - overlap

    def latest(self, observed_at: datetime) -> Bound | None:
        """What lies behind it is in the future: a mistyped year must not end all reading.

        Such rows are read every time; they only never move the cursor.
        """
        if self.kind == "aware":
            return observed_at
        horizon = (observed_at + _FURTHEST).replace(tzinfo=None)
        if self.kind == "naive":
            return horizon
        if self.kind == "date":
            return horizon.date()
        if self.kind == "text":
            return (horizon + timedelta(days=1)).date().isoformat()
        if self.unit is not None:
            return int((observed_at - _EPOCH).total_seconds() * self.unit)
        return None


@dataclass(frozen=True, slots=True)
class Frozen:
    """A table as it is read now.

    Attributes:
        source: its name.
        table: as the configuration calls it.
        reflected: with all its columns.
        columns: how each column that is read is read, in the table's order.
        key: the columns that identify a row.
        cursor: where there is one.
        dialect: of the database.
    """

    source: str
    table: str
    reflected: sa.Table
    columns: dict[str, Reading]
    key: tuple[str, ...]
    cursor: Cursor | None
    dialect: Dialect

    def with_text(self, column: str) -> Frozen:
        """The same, with one column taken as the database writes it."""
        if self.cursor is not None and column == self.cursor.column:
            raise _no_cursor(column)
        as_text = reading_of(self.dialect, self.reflected.c[column], as_text=True)
        return replace(self, columns={**self.columns, column: as_text})

    def since(self, start: Bound) -> sa.ColumnElement[bool]:
        """Rows at or behind a bound, and all that have no cursor."""
        assert self.cursor is not None
        column = self.reflected.c[self.cursor.column]
        raw = sa.type_coerce(column, sa.types.NullType())
        return sa.or_(raw >= sa.literal(start, _bound_type(start)), column.is_(None))


def freeze(connection: sa.Connection, dialect: Dialect, source: Source, table: Table) -> Frozen:
    """Reflect a table and settle what is read of it.

    Raises:
        Trouble: no such table or column, no key, a cursor that is neither time nor number.
    """
    reflected = _reflect(connection, table.table)
    known = [column.name for column in reflected.columns]
    own = [name for name in known if name.lower().startswith("_tl_")]
    if own and own[0] not in table.exclude:
        raise Trouble(
            f"has a column {own[0]!r}; names that begin with _tl_ are ours",
            f"Rename it in a view, or leave it out: exclude: [{own[0]}]",
        )
    _check_columns(table, known)
    key = table.key or tuple(column.name for column in reflected.primary_key)
    if not key:
        raise Trouble(
            "has no primary key, and none is declared",
            f"Name the columns that identify a row: {{table: {table.table}, key: [{known[0]}]}}",
        )
    wanted = _wanted(source, table, known, key)
    columns = {name: reading_of(dialect, reflected.c[name]) for name in known if name in wanted}
    found = Frozen(source.name, table.table, reflected, columns, key, None, dialect)
    return replace(found, cursor=_cursor(table, columns, dialect) if table.cursor else None)


def _reflect(connection: sa.Connection, name: str) -> sa.Table:
    """A table or view; a name with a dot may be one name, or a schema and a name."""
    inspector = sa.inspect(connection)
    schema, _, bare = name.rpartition(".")
    choices = [(None, name)] + ([(schema, bare)] if schema else [])
    for where, what in choices:
        if inspector.has_table(what, schema=where):
            metadata = sa.MetaData(schema=where)
            return sa.Table(what, metadata, autoload_with=connection, resolve_fks=False)
    raise Trouble("does not exist in this database", _other_tables(inspector, schema, bare))


def _other_tables(inspector: sa.Inspector, schema: str, name: str) -> str:
    where = schema if schema in inspector.get_schema_names() else None
    tables = sorted({*inspector.get_table_names(where), *inspector.get_view_names(where)})
    if not tables:
        return "This user sees no tables: grant it SELECT, or name the schema: SCHEMA.TABLE"
    close = get_close_matches(name, tables, 1)
    prefix = f"{where}." if where else ""
    if close:
        return f"Did you mean {prefix + close[0]!r}?"
    more = f" and {len(tables) - _SHOWN} more" if len(tables) > _SHOWN else ""
    return f"The tables are: {', '.join(prefix + table for table in tables[:_SHOWN])}{more}."


def _check_columns(table: Table, known: Sequence[str]) -> None:
    """Every column that is named must be there, and none of them excluded."""
    named = [(name, "key") for name in table.key]
    named += [(table.cursor, "cursor")] if table.cursor else []
    for name, key in named:
        if name not in known:
            raise Trouble(f"has no column {name!r}, which {key} names", _near(name, known))
    for key, paths in mapped_paths(table.mapping).items():
        for path in paths:
            column = _column_of(path, known)
            if column is None:
                raise Trouble(
                    f"has no column {path!r}, which mapping.{key} names", _near(path, known)
                )
            if column in table.exclude:
                raise Trouble(
                    f"excludes the column {column!r}, which mapping.{key} names",
                    f"Take {column} out of exclude, or out of the mapping.",
                )
    for name in table.exclude:
        if name not in known:
            raise Trouble(
                f"has no column {name!r}, which exclude names",
                f"{_near(name, known)} If it was renamed, its values would be read.",
            )


def _near(given: str, known: Sequence[str]) -> str:
    """The column that was meant; databases fold the case of names, and nobody sees them do it."""
    folded = {name.casefold(): name for name in known}
    return did_you_mean(folded.get(given.casefold(), given), known)


def _column_of(path: str, known: Iterable[str]) -> str | None:
    """The column a path begins at: a column of that name, or one that holds objects."""
    if path in known:
        return path
    first = path.partition(".")[0]
    return first if first in known else None


def _wanted(source: Source, table: Table, known: Sequence[str], key: Sequence[str]) -> set[str]:
    wanted = {*key, *((table.cursor,) if table.cursor else ())}
    excluded = set(table.exclude)
    paths = [path for paths in mapped_paths(table.mapping).values() for path in paths]
    for path in (*paths, *source.consent_map.values()):
        column = _column_of(path, known)
        if column is not None and column not in excluded:
            wanted.add(column)
    star = table.mapping.properties.get("*")
    if star is not None:
        inside = star.sources[0].removesuffix("*").rstrip(".")
        found = [_column_of(inside, known)] if inside else known
        wanted.update(name for name in found if name is not None and name not in excluded)
    return wanted


def _cursor(table: Table, columns: dict[str, Reading], dialect: Dialect) -> Cursor:
    assert table.cursor is not None
    kind = _cursor_kind(columns[table.cursor].type)
    if kind is None or (kind == "text" and dialect != "sqlite"):
        raise _no_cursor(table.cursor)
    specs = [spec for spec in _fields(table.mapping) if table.cursor in spec.sources]
    unit = next((_UNITS[s.unit] for s in specs if s.unit in _UNITS), None)
    zone = next((s.time_zone for s in specs if s.time_zone), "UTC")
    if kind == "number" and unit is None and table.overlap is not None:
        raise Trouble(
            f"has an overlap of {format_duration(table.overlap)}, but its cursor"
            f" {table.cursor!r} counts",
            f"Leave overlap out: the newest {OVERLAP_NUMBERS} numbers are read again. If it counts"
            " seconds, map it with unit: s, ms or us.",
        )
    overlap = None if kind == "number" and unit is None else table.overlap or OVERLAP
    return Cursor(table.cursor, kind, overlap, unit if kind == "number" else None, zone)


def _no_cursor(column: str) -> Trouble:
    return Trouble(
        f"has a cursor that is neither a time nor a number: {column!r}",
        "Name a column that grows when a row is written (in SQLite as YYYY-MM-DD HH:MM:SS), or"
        " leave cursor out: then all rows are compared.",
    )


def check_moments(cursor: Cursor, greatest: str | None) -> None:
    """Whether the texts of a cursor are times.

    Raises:
        Trouble: the greatest is none.
    """
    if greatest is None:
        return
    try:
        datetime.fromisoformat(greatest[:19])
    except ValueError:
        raise _no_cursor(cursor.column) from None
    if len(greatest) < 19:
        raise _no_cursor(cursor.column)


def _cursor_kind(kind: Any) -> CursorKind | None:
    if isinstance(kind, sa.DateTime):
        return "aware" if kind.timezone else "naive"
    if isinstance(kind, sa.Date):
        return "date"
    if isinstance(kind, sa.Integer | sa.Numeric):
        return "number"
    return "text" if isinstance(kind, sa.Text) else None


def _fields(part: Any) -> Iterable[FieldSpec]:
    if isinstance(part, FieldSpec):
        yield part
    elif isinstance(part, dict):
        for member in part.values():
            yield from _fields(member)
    elif hasattr(part, "model_fields_set"):
        for _, member in part:
            yield from _fields(member)


def _bound_type(bound: Bound) -> sa.types.TypeEngine[Any]:
    if isinstance(bound, datetime):
        return sa.DateTime(timezone=bound.tzinfo is not None)
    if isinstance(bound, date):
        return sa.Date()
    if isinstance(bound, str):
        return sa.Text()
    return sa.Numeric() if isinstance(bound, Decimal) else sa.BigInteger()
