"""The rights others were given on the published schema, and its owner, handed on to the next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from orchestration.publishing.manifest import Manifest
from orchestration.publishing.postgres_schema import PublishedSchema
from orchestration.publishing.postgres_sql import raw

if TYPE_CHECKING:
    from psycopg import Connection, sql


@dataclass(frozen=True, slots=True)
class Grant:
    """A right on an object of the old schema: on the schema itself, a table, or one column."""

    table: str | None
    column: str | None
    grantee: str  # quoted by the server, or PUBLIC
    privilege: str
    grantable: bool


def read_grants(connection: Connection[Any], old: PublishedSchema) -> list[Grant]:
    """Every right others were given on the old schema, its tables and their columns."""
    role = "case a.grantee when 0 then 'public' else a.grantee::regrole::text end"
    rows = connection.execute(
        f"""
        select null, null, {role}, a.privilege_type, a.is_grantable
        from pg_namespace n, aclexplode(n.nspacl) a
        where n.oid = %(oid)s and a.grantee <> n.nspowner
        union all
        select c.relname, null, {role}, a.privilege_type, a.is_grantable
        from pg_class c, aclexplode(c.relacl) a
        where c.relnamespace = %(oid)s and c.relkind = 'r' and a.grantee <> c.relowner
        union all
        select c.relname, t.attname, {role}, a.privilege_type, a.is_grantable
        from pg_class c join pg_attribute t on t.attrelid = c.oid, aclexplode(t.attacl) a
        where c.relnamespace = %(oid)s and c.relkind = 'r' and not t.attisdropped
            and a.grantee <> c.relowner
        order by 1, 2, 3, 4
        """.encode(),
        {"oid": old.oid},
    ).fetchall()
    return [Grant(*row) for row in rows]


def hand_on(
    connection: Connection[Any],
    schema: str,
    old: PublishedSchema,
    manifest: Manifest,
    grants: Sequence[Grant],
) -> None:
    """Give the new schema the rights and the owner of the old one.

    A table that is new is readable by the roles that could read every table before.
    """
    from psycopg import sql

    columns = {table.name: {c.name for c in table.columns} for table in manifest.tables}
    before = set(old.mark.get("tables", [])) if old.mark else set()
    wanted = [
        grant
        for grant in grants
        if grant.table is None
        or (
            grant.table in columns
            and (grant.column is None or grant.column in columns[grant.table])
        )
    ]
    readers = {
        grantee
        for grantee in {grant.grantee for grant in grants}
        if before
        and before
        <= {
            g.table
            for g in grants
            if g.grantee == grantee and g.privilege == "SELECT" and g.column is None
        }
    }
    for table in sorted(set(columns) - before):
        wanted += [Grant(table, None, grantee, "SELECT", False) for grantee in sorted(readers)]
    for grant in wanted:
        connection.execute(_grant(schema, grant))
    mine = connection.execute("select quote_ident(current_user)").fetchone()
    if mine and mine[0] != old.owner:
        for kind, place in (
            *(("table", sql.Identifier(schema, table)) for table in columns),
            ("schema", sql.Identifier(schema)),
        ):
            connection.execute(
                sql.SQL("alter {} {} owner to {}").format(raw(kind), place, raw(old.owner))
            )


def _grant(schema: str, grant: Grant) -> sql.Composed:
    from psycopg import sql

    option = " with grant option" if grant.grantable else ""
    right: sql.Composable = raw(grant.privilege)
    if grant.table is None:
        place: sql.Composable = sql.SQL("schema {}").format(sql.Identifier(schema))
    else:
        place = sql.SQL("table {}").format(sql.Identifier(schema, grant.table))
        if grant.column is not None:
            right = sql.SQL("{} ({})").format(right, sql.Identifier(grant.column))
    return sql.SQL("grant {} on {} to {}{}").format(right, place, raw(grant.grantee), raw(option))
