"""What becomes of a column in the published copy, by its class alone."""

from __future__ import annotations

from typing import Literal

from governance.classes import Role, is_published

Treatment = Literal["keep", "mask", "withhold"]

_TEXTS = ("JSON", "VARCHAR")


def treatment(column_class: str, role: Role) -> Treatment:
    """What the role gets of a column of this class: the value, its shape only, or nothing."""
    if not is_published(column_class, role):
        return "withhold"
    return "mask" if column_class == "unreviewed" else "keep"


def masked_json(column: str) -> str:
    """SQL that keeps the names of a JSON object's members and sets their values to null.

    Of the top level alone: below it keys are often data, such as a diagnosis or a person's name.
    Anything else (an array, a bare value, text that is no JSON) becomes NULL.
    """
    text = f"{column}::varchar"
    members = f"[to_json(name) || ':null' for name in json_keys({text})]"
    masked = f"'{{' || coalesce(array_to_string({members}, ','), '') || '}}'"
    is_object = f"json_valid({text}) and regexp_matches({text}, '^\\s*\\{{')"
    return f"case when {is_object} then {masked} end"


def published_expression(column: str, type_name: str, treated: Treatment) -> str:
    """The select expression of one column, which must not be a withheld one."""
    quoted = quote(column)
    if treated == "keep":
        return quoted
    masked = masked_json(quoted) if type_name in _TEXTS else "null"
    return f"({masked})::{type_name} as {quoted}"


def quote(identifier: str) -> str:
    """``identifier`` as a quoted SQL name."""
    return '"' + identifier.replace('"', '""') + '"'


def literal(text: str) -> str:
    """``text`` as an SQL string; only where DDL takes no bound value."""
    return "'" + text.replace("'", "''") + "'"
