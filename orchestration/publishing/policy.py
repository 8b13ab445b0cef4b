"""What becomes of a column in the published copy, by its class alone."""

from __future__ import annotations

from typing import Literal

from governance.classes import Role, is_published

Treatment = Literal["keep", "mask", "withhold"]

# A token of a JSON text: a key with its colon (group 1), or a leaf value. DuckDB takes Infinity and
# NaN for numbers, in any case.
_STRING = r'"(?:[^"\\]|\\.)*"'
_NUMBER = r"-?(?:[0-9][0-9.eE+-]*|(?i:inf(?:inity)?|nan))"
_JSON_TOKENS = rf"({_STRING}\s*:\s*)|{_STRING}|{_NUMBER}|true|false|null"
_TEXTS = ("JSON", "VARCHAR")


def treatment(column_class: str, role: Role) -> Treatment:
    """What the role gets of a column of this class: the value, its shape only, or nothing."""
    if not is_published(column_class, role):
        return "withhold"
    return "mask" if column_class == "unreviewed" else "keep"


def masked_json(column: str) -> str:
    """SQL that keeps the keys of a JSON object or array and sets every leaf value to null.

    Anything else (a bare value, text that is no JSON) becomes NULL. RE2 can not replace a key by
    itself and a leaf by ``null`` in one pass, so each token is first followed (key) or replaced
    (leaf) by chr(1), which no valid JSON text holds: two marks in a row are a scalar behind its
    key, a mark before a bracket belongs to a key whose value is a container, and what is left are
    scalars of an array.
    """
    text = f"{column}::varchar"
    marked = f"regexp_replace({text}, '{_JSON_TOKENS}', '\\1' || chr(1), 'g')"
    scalars = f"replace({marked}, chr(1) || chr(1), 'null')"
    containers = f"replace(replace({scalars}, chr(1) || '{{', '{{'), chr(1) || '[', '[')"
    masked = f"replace({containers}, chr(1), 'null')"
    is_container = f"json_valid({text}) and regexp_matches({text}, '^\\s*[{{[]')"
    return f"case when {is_container} then {masked} end"


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
