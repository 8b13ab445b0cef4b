"""Views of others over the published tables, pointed at those of the new version."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from governance.errors import UserError
from orchestration.publishing.postgres_schema import PublishedSchema
from orchestration.publishing.postgres_sql import primary_message

if TYPE_CHECKING:
    from psycopg import Connection


@dataclass(frozen=True, slots=True)
class View:
    """Somebody's view over our tables; it names them by number and would stay with the old ones."""

    name: str  # quoted, with its schema
    kind: str  # v | m
    definition: str
    options: str | None


def read_views(connection: Connection[Any], schema: str, old: PublishedSchema) -> list[View]:
    """Views of other schemas that read our tables.

    Raises:
        UserError: one is materialized; it cannot be pointed elsewhere.
    """
    rows = connection.execute(
        "select distinct format('%%I.%%I', n.nspname, v.relname), v.relkind::text,"
        " pg_get_viewdef(v.oid), array_to_string(v.reloptions, ', ')"
        " from pg_depend d"
        " join pg_rewrite r on d.classid = 'pg_rewrite'::regclass and r.oid = d.objid"
        " join pg_class v on v.oid = r.ev_class join pg_namespace n on n.oid = v.relnamespace"
        " join pg_class t on d.refclassid = 'pg_class'::regclass and t.oid = d.refobjid"
        " where t.relnamespace = %(oid)s and v.relnamespace <> %(oid)s order by 1",
        {"oid": old.oid},
    ).fetchall()
    views = [View(*row) for row in rows]
    fixed = [view.name for view in views if view.kind == "m"]
    if fixed:
        raise UserError(
            f"The materialized view {fixed[0]} reads the schema {schema}.",
            why="It would keep showing the tables of this version for ever.",
            fix=f"drop materialized view {fixed[0]}; and make it a plain view or a table.",
        )
    return views


def repoint(connection: Connection[Any], view: View) -> None:
    """Make the view again from its own words, which now mean the new tables."""
    import psycopg

    options = f" with ({view.options})" if view.options else ""
    try:
        connection.execute(
            f"create or replace view {view.name}{options} as {view.definition}".encode()
        )
    except psycopg.errors.InsufficientPrivilege as error:
        raise UserError(
            f"The view {view.name} reads the published tables, and this role may not change it.",
            why=f"{primary_message(error)}. It would keep showing the old version.",
            fix=f"alter view {view.name} owner to the role that publishes, or drop it.",
        ) from None
    except psycopg.Error as error:
        raise UserError(
            f"The view {view.name} does not fit the new version's tables.",
            why=f"{primary_message(error)}.",
            fix=f"Change or drop it: drop view {view.name};",
        ) from None
