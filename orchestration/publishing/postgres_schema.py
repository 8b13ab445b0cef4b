"""The published schema on the server: whose it is, its successor, and those it replaced.

Each bears a mark in its comment, by which the next publish knows its own; what others keep there is
never moved away.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from governance.errors import UserError
from orchestration.publishing.postgres_sql import raw

if TYPE_CHECKING:
    from psycopg import Connection

_DROP_WAITS = "1s"
_MARK = "Published by Throughline, replaced as a whole at each publish: keep nothing else here. "


@dataclass(frozen=True, slots=True)
class PublishedSchema:
    """A schema of the server; ``mark`` is what an earlier publish wrote into its comment."""

    oid: int
    owner: str
    mark: dict[str, Any] | None


def find_schema(connection: Connection[Any], schema: str) -> PublishedSchema | None:
    """The schema as it stands on the server; None when there is none."""
    row = connection.execute(
        "select oid, nspowner::regrole::text, obj_description(oid, 'pg_namespace')"
        " from pg_namespace where nspname = %s",
        [schema],
    ).fetchone()
    if row is None:
        return None
    mark = None
    if row[2] and row[2].startswith(_MARK):
        with suppress(ValueError):
            mark = json.loads(row[2].removeprefix(_MARK))
    return PublishedSchema(row[0], row[1], mark)


def set_mark(connection: Connection[Any], schema: str, content: dict[str, Any]) -> None:
    """Write into the comment of ``schema`` that it is ours, and what is in it."""
    from psycopg import sql

    mark = sql.Literal(_MARK + json.dumps(content))
    connection.execute(sql.SQL("comment on schema {} is {}").format(sql.Identifier(schema), mark))


def refuse_foreign(
    connection: Connection[Any], schema: str, old: PublishedSchema | None, publisher: str
) -> None:
    """Refuse to move away what nobody published."""
    if old is None:
        return
    if old.mark and old.mark.get("publisher") != publisher:
        raise UserError(
            f"Another home publishes to the schema {schema}.",
            why="Each would replace the other's tables.",
            fix="Give this home a schema of its own under publish: to: in throughline.yml.",
        )
    ours = old.mark.get("tables", []) if old.mark else []
    rows = connection.execute(
        "select relname from pg_class where relnamespace = %(oid)s"
        " and relkind in ('r', 'p', 'v', 'm', 'S', 'f') and relname <> all(%(ours)s)"
        " union all select proname || '()' from pg_proc where pronamespace = %(oid)s"
        " order by 1 limit 5",
        {"oid": old.oid, "ours": ours},
    ).fetchall()
    if rows:
        raise UserError(
            f"The schema {schema} holds what Throughline did not publish:"
            f" {', '.join(name for (name,) in rows)}.",
            why="The schema is replaced as a whole, so it would vanish from its readers.",
            fix="Move it to another schema, or name another one under publish: to:.",
        )


def make_schema(connection: Connection[Any], following: str, old: PublishedSchema | None) -> None:
    """Make the schema to load into, with the default rights of the one it replaces."""
    from psycopg import sql

    name = sql.Identifier(following)
    connection.execute(sql.SQL("create schema {}").format(name))
    if old is None:
        return
    rows = connection.execute(
        "select case a.grantee when 0 then 'public' else a.grantee::regrole::text end,"
        " a.privilege_type, a.is_grantable"
        " from pg_default_acl d, aclexplode(d.defaclacl) a"
        " where d.defaclnamespace = %s and d.defaclobjtype = 'r'"
        " and d.defaclrole = (select oid from pg_roles where rolname = current_user)",
        [old.oid],
    ).fetchall()
    for grantee, privilege, grantable in rows:
        option = " with grant option" if grantable else ""
        connection.execute(
            sql.SQL("alter default privileges in schema {} grant {} on tables to {}{}").format(
                name, raw(privilege), raw(grantee), raw(option)
            )
        )


def drop_replaced(
    connection: Connection[Any], schema: str, *, in_transaction: bool = False
) -> tuple[str, ...]:
    """Drop replaced schemas that no reader holds; the others wait for the next delivery."""
    import psycopg
    from psycopg import sql

    rows = connection.execute(
        "select n.nspname, array(select relname::text from pg_catalog.pg_class"
        "   where relnamespace = n.oid and relkind = 'r')"
        " from pg_catalog.pg_namespace n where n.nspname ~ %s"
        " and pg_catalog.obj_description(n.oid, 'pg_namespace') like %s",
        [f"^{schema}__old_[0-9a-f]+$", _MARK + "%"],
    ).fetchall()
    left = []
    for name, tables in rows:
        try:
            with connection.transaction():
                connection.execute(f"set local lock_timeout = '{_DROP_WAITS}'".encode())
                if tables:
                    places = sql.SQL(", ").join(sql.Identifier(name, table) for table in tables)
                    connection.execute(sql.SQL("drop table {}").format(places))
                connection.execute(sql.SQL("drop schema {}").format(sql.Identifier(name)))
        except (psycopg.errors.LockNotAvailable, psycopg.errors.DependentObjectsStillExist):
            left.append(f"{name} is still read; the next delivery drops it")
    if in_transaction:
        connection.execute(b"set local lock_timeout = '30s'")
    return tuple(left)
