"""What becomes of a column in the published copy, by its class alone."""

from __future__ import annotations

from typing import Literal

from governance.classes import Role, is_published

Treatment = Literal["keep", "mask", "withhold"]

# A token of a JSON text: a key with its colon (group 1), or a leaf value.
_JSON_TOKENS = (
    r"(\"(?:[^\"\\]|\\.)*\"\s*:\s*)|\"(?:[^\"\\]|\\.)*\"|-?[0-9][0-9.eE+-]*|true|false|null"
)


def treatment(column_class: str, role: Role) -> Treatment:
    """What the role gets of a column of this class: the value, its shape only, or nothing."""
    if not is_published(column_class, role):
        return "withhold"
    return "mask" if column_class == "unreviewed" else "keep"


def masked_json(column: str) -> str:
    """SQL that keeps the shape and keys of a JSON column and sets every leaf value to null.

    RE2 can not replace a key by itself and a leaf by ``null`` in one pass, so each token is first
    followed (key) or replaced (leaf) by chr(1), which no valid JSON text holds: two marks in a row
    are a scalar behind its key, a mark before a bracket belongs to a key whose value is a
    container, and what is left are scalars of an array.
    """
    marked = f"regexp_replace({column}::varchar, '{_JSON_TOKENS}', '\\1' || chr(1), 'g')"
    scalars = f"replace({marked}, chr(1) || chr(1), 'null')"
    containers = f"replace(replace({scalars}, chr(1) || '{{', '{{'), chr(1) || '[', '[')"
    return f"replace({containers}, chr(1), 'null')::json"


def published_expression(column: str, type_name: str, treated: Treatment) -> str:
    """The select expression of one column, which must not be a withheld one."""
    quoted = quote(column)
    if treated == "keep":
        return quoted
    if type_name == "JSON":
        return f"{masked_json(quoted)} as {quoted}"
    return f"null::{type_name} as {quoted}"


def quote(identifier: str) -> str:
    """``identifier`` as a quoted SQL name."""
    return '"' + identifier.replace('"', '""') + '"'


def literal(text: str) -> str:
    """``text`` as an SQL string; only where DDL takes no bound value."""
    return "'" + text.replace("'", "''") + "'"
