"""Words of SQL that are not to be quoted, and the server's own words when it refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from psycopg import sql


def raw(words: str) -> sql.Composable:
    """Words of our own or quoted by the server, such as a type, a right or a role."""
    from psycopg import sql

    return sql.SQL(words)  # pyright: ignore[reportArgumentType]


def primary_message(error: Any) -> str:
    """What the server says first, without its full stop."""
    return (error.diag.message_primary or str(error)).rstrip(".")
