"""Published columns in PostgreSQL: the type of each, and the text it is read from."""

from __future__ import annotations

import re

from orchestration.publishing.manifest import Column
from orchestration.publishing.policy import quote

_TYPES = {
    "BOOLEAN": "boolean",
    "TINYINT": "smallint",
    "UTINYINT": "smallint",
    "SMALLINT": "smallint",
    "USMALLINT": "integer",
    "INTEGER": "integer",
    "UINTEGER": "bigint",
    "BIGINT": "bigint",
    "UBIGINT": "numeric(20,0)",
    "HUGEINT": "numeric(39,0)",
    "UHUGEINT": "numeric(39,0)",
    "FLOAT": "real",
    "DOUBLE": "double precision",
    "VARCHAR": "text",
    # json has no equality (no group by), jsonb changes the text and refuses \u0000 in it
    "JSON": "text",
    "DATE": "date",
    "TIME": "time",
    "TIMESTAMP": "timestamp",
    "TIMESTAMP_S": "timestamp",
    "TIMESTAMP_MS": "timestamp",
    "TIMESTAMP_NS": "timestamp",
    "TIMESTAMP WITH TIME ZONE": "timestamptz",
    "INTERVAL": "interval",
    "UUID": "uuid",
    "BLOB": "bytea",
}
_NESTED = ("STRUCT(", "MAP(", "UNION(")
_DECIMAL = re.compile(r"DECIMAL\((\d+),(\d+)\)")


def column_type(type_name: str) -> str:
    """The PostgreSQL type of a DuckDB type; nested ones become JSON in a ``text``."""
    if decimal := _DECIMAL.fullmatch(type_name):
        return f"numeric({decimal[1]},{decimal[2]})"
    return _TYPES.get(type_name, "text")


def column_text(column: Column) -> str:
    """The DuckDB expression of a column as the text PostgreSQL reads for its type."""
    name = quote(column.name)
    if column.type == "BLOB":
        return f"'\\x' || hex({name})"
    if column.type == "VARCHAR":
        return f"replace({name}, chr(0), chr(65533))"  # PostgreSQL's text cannot hold U+0000
    if column.type.endswith("]") or column.type.startswith(_NESTED):
        return f"to_json({name})::varchar"
    return f"{name}::varchar"
