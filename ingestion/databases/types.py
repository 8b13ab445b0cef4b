"""How each type of column is read, so that its values reach Arrow exactly.

dlt reflects types and converts rows; what it would convert with a loss, or not at all, is asked
for as text: the database writes it, and nobody guesses. Said per dialect below, and why.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql
from sqlalchemy.types import TypeEngine

from ingestion.databases.connect import Dialect

Cast = Literal["uint64", "bool"]
"""What dlt has no word for; done on the Arrow column that comes out of it."""

MOST_DIGITS = 38
"""Of a decimal in Arrow's 128 bits; longer ones stay text."""

_DOUBLE: TypeEngine[Any] = sa.Numeric(asdecimal=False)
"""dlt knows floats only as numbers that are no decimals: to it, SQLAlchemy 2.1's Float and Double
are unknown types."""
_WHOLE: TypeEngine[Any] = sa.Numeric(20, 0)
"""Wide enough for an unsigned bigint, which does not fit the 64 bits with sign that dlt gives."""
_TEXT: TypeEngine[Any] = sa.Text()


@dataclass(frozen=True, slots=True)
class Reading:
    """How a column is read.

    Attributes:
        select: the expression in the statement, without its label.
        type: what dlt is told.
        cast: what is done afterwards.
    """

    select: sa.ColumnElement[Any]
    type: TypeEngine[Any]
    cast: Cast | None = None


def reading_of(dialect: Dialect, column: sa.Column[Any], *, as_text: bool = False) -> Reading:
    """How a column is read.

    Args:
        dialect: of the database.
        column: as it was reflected.
        as_text: its values do not fit its type (SQLite lets them, PostgreSQL's NaN is no decimal):
            take them as the database writes them.
    """
    kind = column.type
    if dialect == "mysql":
        return _mysql(column, kind, as_text)
    if dialect == "sqlite":
        return _sqlite(column, kind, as_text)
    return _postgresql(column, kind, as_text)


def finish(table: pa.Table, casts: Mapping[str, Cast]) -> pa.Table:
    """Do what dlt has no word for.

    Raises:
        UnfitError: a value is not of the column's type.
    """
    for name, cast in casts.items():
        at = table.schema.get_field_index(name)
        column = table.column(at)
        try:
            if cast == "bool":
                column = column.cast(pa.int8())
                if not set(column.unique().to_pylist()) <= {0, 1, None}:
                    raise UnfitError(name)
                column = column.cast(pa.bool_())
            else:
                column = column.cast(pa.uint64())
        except pa.ArrowInvalid:
            raise UnfitError(name) from None
        table = table.set_column(at, pa.field(name, column.type), column)
    return table


def arrow_type(reading: Reading) -> pa.DataType:
    """The type a column has in Arrow."""
    kind = reading.type
    if reading.cast is not None:
        return pa.bool_() if reading.cast == "bool" else pa.uint64()
    if isinstance(kind, sa.Numeric):
        return pa.decimal128(kind.precision, kind.scale or 0) if kind.asdecimal else pa.float64()
    if isinstance(kind, sa.DateTime):
        return pa.timestamp("us", "UTC" if kind.timezone else None)
    if isinstance(kind, sa.Integer):
        return pa.int64()
    if isinstance(kind, sa.Boolean):
        return pa.bool_()
    return pa.date32() if isinstance(kind, sa.Date) else pa.string()


class UnfitError(Exception):
    """A column holds values that are not of its type."""

    def __init__(self, column: str) -> None:
        self.column = column
        super().__init__(column)


def _as_text(column: sa.Column[Any]) -> Reading:
    return Reading(sa.cast(_raw(column), sa.Text()), _TEXT)


def _raw(column: sa.Column[Any]) -> sa.ColumnElement[Any]:
    """The column as the driver hands it out: without SQLAlchemy's own conversions."""
    return sa.type_coerce(column, sa.types.NullType())


def _postgresql(column: sa.Column[Any], kind: TypeEngine[Any], as_text: bool) -> Reading:
    if isinstance(kind, postgresql.DOMAIN):
        return _postgresql(column, kind.data_type, as_text)
    if isinstance(kind, postgresql.BYTEA):
        return Reading(sa.func.encode(column, "hex"), _TEXT)
    if isinstance(kind, postgresql.MONEY):  # the text of money follows the locale
        return Reading(sa.cast(sa.cast(column, sa.Numeric), sa.Text), _TEXT)
    if isinstance(kind, sa.ARRAY):
        return Reading(sa.cast(sa.func.array_to_json(column), sa.Text), _TEXT)
    if as_text:
        return _as_text(column)
    if isinstance(kind, sa.DateTime | sa.Date) and not isinstance(kind, sa.Interval):
        # Python knows neither infinity nor years before 1 and after 9999; to it they are no dates.
        # Text literals: Python could not write the limits' zone, and the index is not needed here.
        low, high = sa.text("'0001-01-02'"), sa.text("'9999-12-30'")
        inside = sa.and_(column >= low, column <= high)
        plain = sa.DateTime(timezone=bool(getattr(kind, "timezone", False)))
        kept: TypeEngine[Any] = plain if isinstance(kind, sa.DateTime) else sa.Date()
        return Reading(sa.case((inside, _raw(column))), kept)
    known = _number(kind)
    if known is not None:
        return Reading(_raw(column), known)
    if isinstance(kind, sa.Boolean):
        return Reading(_raw(column), kind)
    # CHAR(n) is padded with blanks, which its cast to text takes off. Enums, UUIDs, JSON (whose
    # numbers would become floats), times of day, intervals, ranges and the types of extensions.
    if isinstance(kind, sa.String) and not isinstance(kind, sa.Enum | sa.CHAR):
        return Reading(_raw(column), _TEXT)
    return _as_text(column)


def _mysql(column: sa.Column[Any], kind: TypeEngine[Any], as_text: bool) -> Reading:
    if isinstance(kind, mysql.BIT):
        return Reading(sa.type_coerce(column + sa.text("0"), sa.types.NullType()), _WHOLE, "uint64")
    if isinstance(kind, sa.types._Binary):
        return Reading(sa.func.lower(sa.func.hex(column)), _TEXT)
    if as_text:
        return Reading(sa.cast(_raw(column), sa.CHAR), _TEXT)
    if isinstance(kind, mysql.TIMESTAMP):  # an instant, read in a session in UTC
        return Reading(_raw(column), sa.DateTime(timezone=True))
    if isinstance(kind, sa.DateTime):
        return Reading(_raw(column), sa.DateTime())
    if isinstance(kind, sa.Date):
        return Reading(_raw(column), sa.Date())
    if isinstance(kind, mysql.YEAR):
        return Reading(_raw(column), sa.BigInteger())
    if isinstance(kind, sa.BigInteger) and getattr(kind, "unsigned", False):
        return Reading(_raw(column), _WHOLE, "uint64")
    known = _number(kind)
    if known is not None:
        return Reading(_raw(column), known)
    if isinstance(kind, sa.String) and not isinstance(kind, sa.Enum | mysql.SET):
        return Reading(_raw(column), _TEXT)
    # Enums, sets, JSON, UUIDs, times of day (which Python takes for time spans).
    return Reading(sa.cast(_raw(column), sa.CHAR), _TEXT)


def _sqlite(column: sa.Column[Any], kind: TypeEngine[Any], as_text: bool) -> Reading:
    """The declared type is a wish: a value that does not meet it makes the column text.

    Decimals and times have no type of their own in SQLite; they are text here, as it writes them:
    SQLAlchemy would round decimals to ten digits and refuse every second way to write a time.
    """
    if isinstance(kind, sa.types._Binary):
        return Reading(sa.func.lower(sa.func.hex(column)), _TEXT)
    if not as_text:
        if isinstance(kind, sa.Boolean):
            return Reading(_raw(column), sa.BigInteger(), "bool")
        if isinstance(kind, sa.Integer):
            return Reading(_raw(column), sa.BigInteger())
        if isinstance(kind, sa.Float):
            return Reading(_raw(column), _DOUBLE)
    return _as_text(column)


def _number(kind: TypeEngine[Any]) -> TypeEngine[Any] | None:
    """What dlt is told about a number; None of what is none, and of decimals of any length."""
    if isinstance(kind, sa.Integer):
        return sa.BigInteger()
    if isinstance(kind, sa.Float):
        return _DOUBLE
    if isinstance(kind, sa.Numeric):
        digits, scale = kind.precision, kind.scale or 0
        if digits is None or not 0 <= scale <= digits <= MOST_DIGITS:
            return None
        return sa.Numeric(digits, scale)
    return None
