"""The published marts as one PostgreSQL schema, replaced as a whole in one transaction.

    begin; create schema analytics__next; create table …; copy … (freeze); comment; analyze
           alter schema analytics rename to analytics__old_1f3a…
           alter schema analytics__next rename to analytics; grant …; commit
    drop schema analytics__old_1f3a…     later, when no reader holds its tables any more

No table that a reader can see is locked: who reads goes on reading, who resolves the name again
meets the new version. Rows are copied frozen, so that a reader whose snapshot is older than the
swap finds the new rows and not an empty table. A killed delivery leaves nothing at all: everything
until the commit is undone by the server.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
from pyarrow import csv

from governance.errors import UserError
from governance.progress import Progress
from orchestration.publishing.manifest import Column, Manifest, Table
from orchestration.publishing.policy import quote
from orchestration.publishing.sending import Sent
from orchestration.publishing.store import DATABASE

if TYPE_CHECKING:
    from psycopg import Connection, sql

_ROWS_A_BATCH = 50_000
_CONNECT_SECONDS = 15
_DROP_WAITS = "1s"
_MARK = "Published by Throughline, replaced as a whole at each publish: keep nothing else here. "
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


@dataclass(frozen=True, slots=True)
class _Schema:
    """A schema of the server; ``mark`` is what an earlier publish wrote into its comment."""

    oid: int
    owner: str
    mark: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class _Grant:
    """A right on an object of the old schema: on the schema itself, a table, or one column."""

    table: str | None
    column: str | None
    grantee: str  # quoted by the server, or PUBLIC
    privilege: str
    grantable: bool


@dataclass(frozen=True, slots=True)
class _View:
    """Somebody's view over our tables; it names them by number and would stay with the old ones."""

    name: str  # quoted, with its schema
    kind: str  # v | m
    definition: str
    options: str | None


def send_to_postgres(
    url: str,
    schema: str,
    folder: Path,
    manifest: Manifest,
    *,
    publisher: str,
    progress: Progress,
) -> Sent:
    """Make ``schema`` hold the version in ``folder``, unless it does already.

    Args:
        url: libpq's connection string.
        schema: replaced as a whole; made when it is not there.
        folder: the version's folder here.
        manifest: its manifest.
        publisher: names the home; a schema of another home is refused.
        progress: told the rows loaded.

    Raises:
        UserError: the schema holds what is not ours, the role lacks a right, or somebody's view
            does not fit the new tables.
        psycopg.Error: the server cannot be reached, or refuses; nothing has changed there.
    """
    with _connected(url) as connection:
        with connection.transaction(), _rights(connection, schema):
            _settle(connection, schema)
            old = _find(connection, schema)
            _refuse_foreign(connection, schema, old, publisher)
            if old and old.mark and old.mark.get("version") == manifest.version:
                return Sent(False, notes=_drop_old(connection, schema, in_transaction=True))
            following = f"{schema}__next"
            _make(connection, following, old)
            rows = _load(connection, following, folder, manifest, progress)
            _swap(connection, schema, following, old, manifest, publisher)
        notes = _drop_old(connection, schema)
    return Sent(True, rows=rows, notes=notes)


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


@contextmanager
def _connected(url: str) -> Iterator[Connection[Any]]:
    import psycopg
    from psycopg.conninfo import conninfo_to_dict

    try:
        conninfo_to_dict(url)
    except psycopg.Error:
        raise UserError(
            "The address of the database cannot be read.",
            why="It is not shown here: it may hold a password.",
            fix="Write it as postgresql://user:password@host:5432/database in the secret.",
        ) from None
    with psycopg.connect(
        url,
        autocommit=True,
        connect_timeout=_CONNECT_SECONDS,
        application_name="throughline publish",
    ) as connection:
        yield connection


@contextmanager
def _rights(connection: Connection[Any], schema: str) -> Iterator[None]:
    """Say which rights are missing, in the words an administrator types."""
    import psycopg

    info = connection.info
    try:
        yield
    except psycopg.errors.InsufficientPrivilege as error:
        raise UserError(
            f"The role {info.user} may not replace the schema {schema}.",
            why=f"{_primary(error)}.",
            fix=f"As an administrator: grant create on database {info.dbname} to {info.user};"
            f" alter schema {schema} owner to {info.user};",
        ) from None


def _settle(connection: Connection[Any], schema: str) -> None:
    """One delivery to a schema at a time, names always written out, no time limits of readers."""
    for setting in (
        "search_path = pg_catalog",
        "lock_timeout = '30s'",
        "statement_timeout = 0",
        "idle_in_transaction_session_timeout = 0",
        "timezone = 'UTC'",
        "datestyle = 'ISO'",
        "intervalstyle = 'postgres'",
    ):
        connection.execute(f"set local {setting}".encode())
    taken = connection.execute(
        "select pg_try_advisory_xact_lock(hashtextextended('throughline ' || %s, 0))", [schema]
    ).fetchone()
    if taken and not taken[0]:
        raise UserError(
            f"Another publish to the schema {schema} is at work.", fix="Wait for it to end."
        )


def _find(connection: Connection[Any], schema: str) -> _Schema | None:
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
    return _Schema(row[0], row[1], mark)


def _refuse_foreign(
    connection: Connection[Any], schema: str, old: _Schema | None, publisher: str
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


def _make(connection: Connection[Any], following: str, old: _Schema | None) -> None:
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
                name, _raw(privilege), _raw(grantee), _raw(option)
            )
        )


def _load(
    connection: Connection[Any],
    following: str,
    folder: Path,
    manifest: Manifest,
    progress: Progress,
) -> int:
    """Create and fill every table; returns the rows loaded."""
    done = 0
    with duckdb.connect(str(folder / DATABASE), read_only=True) as published:
        published.execute("set TimeZone = 'UTC'")
        for table in manifest.tables:
            _create(connection, following, table)
            loaded = 0
            for text, rows in _csv(published, table):
                loaded += _copy(connection, following, table, text)
                done += rows
                progress("loading rows", done, manifest.rows)
            if loaded != table.rows:
                raise UserError(f"{table.name} got {loaded:,} rows of {table.rows:,}.")
            _describe(connection, following, table)
    return done


def _create(connection: Connection[Any], following: str, table: Table) -> None:
    from psycopg import sql

    columns = sql.SQL(", ").join(
        sql.SQL("{} {}").format(sql.Identifier(c.name), _raw(column_type(c.type)))
        for c in table.columns
    )
    name = sql.Identifier(following, table.name)
    connection.execute(sql.SQL("create table {} ({})").format(name, columns))


def _csv(published: duckdb.DuckDBPyConnection, table: Table) -> Iterator[tuple[bytes, int]]:
    """The table's rows as CSV, a batch at a time: text in quotes, null as nothing."""
    columns = ", ".join(f"{column_text(c)} as {quote(c.name)}" for c in table.columns)
    reader = published.execute(f"select {columns} from marts.{quote(table.name)}").to_arrow_reader(
        _ROWS_A_BATCH
    )
    options = csv.WriteOptions(include_header=False, quoting_style="needed")
    for batch in reader:
        buffer = io.BytesIO()
        csv.write_csv(batch, buffer, options)
        yield buffer.getvalue(), batch.num_rows


def _copy(connection: Connection[Any], following: str, table: Table, text: bytes) -> int:
    from psycopg import sql

    # frozen: visible to readers whose snapshot is older than this transaction
    command = sql.SQL("copy {} from stdin (format csv, freeze)").format(
        sql.Identifier(following, table.name)
    )
    with connection.cursor() as cursor:
        with cursor.copy(command) as copy:
            copy.write(text)
        return cursor.rowcount


def _describe(connection: Connection[Any], following: str, table: Table) -> None:
    from psycopg import sql

    name = sql.Identifier(following, table.name)
    connection.execute(
        sql.SQL("comment on table {} is {}").format(name, sql.Literal(table.description))
    )
    for column in table.columns:
        place = sql.Identifier(following, table.name, column.name)
        connection.execute(
            sql.SQL("comment on column {} is {}").format(place, sql.Literal(column.description))
        )
    connection.execute(sql.SQL("analyze {}").format(name))


def _swap(
    connection: Connection[Any],
    schema: str,
    following: str,
    old: _Schema | None,
    manifest: Manifest,
    publisher: str,
) -> None:
    """Rename, hand on rights and owner, point the views of others at the new tables."""
    from psycopg import sql

    if old is not None:
        grants, views = _grants(connection, old), _views(connection, schema, old)
        aside = f"{schema}__old_{old.oid:x}"
        connection.execute(
            sql.SQL("comment on schema {} is {}").format(
                sql.Identifier(schema), sql.Literal(_MARK + json.dumps({"replaced": True}))
            )
        )
        _rename(connection, schema, aside)
        _rename(connection, following, schema)
        _hand_on(connection, schema, old, manifest, grants)
        for view in views:
            _repoint(connection, view)
    else:
        _rename(connection, following, schema)
    content = {
        "publisher": publisher,
        "version": manifest.version,
        "data_until": manifest.data_until,
        "published_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "tables": [table.name for table in manifest.tables],
    }
    mark = sql.Literal(_MARK + json.dumps(content))
    connection.execute(sql.SQL("comment on schema {} is {}").format(sql.Identifier(schema), mark))


def _rename(connection: Connection[Any], schema: str, name: str) -> None:
    from psycopg import sql

    connection.execute(
        sql.SQL("alter schema {} rename to {}").format(sql.Identifier(schema), sql.Identifier(name))
    )


def _grants(connection: Connection[Any], old: _Schema) -> list[_Grant]:
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
    return [_Grant(*row) for row in rows]


def _hand_on(
    connection: Connection[Any],
    schema: str,
    old: _Schema,
    manifest: Manifest,
    grants: Sequence[_Grant],
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
        wanted += [_Grant(table, None, grantee, "SELECT", False) for grantee in sorted(readers)]
    for grant in wanted:
        connection.execute(_grant(schema, grant))
    mine = connection.execute("select quote_ident(current_user)").fetchone()
    if mine and mine[0] != old.owner:
        for kind, place in (
            *(("table", sql.Identifier(schema, table)) for table in columns),
            ("schema", sql.Identifier(schema)),
        ):
            connection.execute(
                sql.SQL("alter {} {} owner to {}").format(_raw(kind), place, _raw(old.owner))
            )


def _grant(schema: str, grant: _Grant) -> sql.Composed:
    from psycopg import sql

    option = " with grant option" if grant.grantable else ""
    right: sql.Composable = _raw(grant.privilege)
    if grant.table is None:
        place: sql.Composable = sql.SQL("schema {}").format(sql.Identifier(schema))
    else:
        place = sql.SQL("table {}").format(sql.Identifier(schema, grant.table))
        if grant.column is not None:
            right = sql.SQL("{} ({})").format(right, sql.Identifier(grant.column))
    return sql.SQL("grant {} on {} to {}{}").format(right, place, _raw(grant.grantee), _raw(option))


def _views(connection: Connection[Any], schema: str, old: _Schema) -> list[_View]:
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
    views = [_View(*row) for row in rows]
    fixed = [view.name for view in views if view.kind == "m"]
    if fixed:
        raise UserError(
            f"The materialized view {fixed[0]} reads the schema {schema}.",
            why="It would keep showing the tables of this version for ever.",
            fix=f"drop materialized view {fixed[0]}; and make it a plain view or a table.",
        )
    return views


def _repoint(connection: Connection[Any], view: _View) -> None:
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
            why=f"{_primary(error)}. It would keep showing the old version.",
            fix=f"alter view {view.name} owner to the role that publishes, or drop it.",
        ) from None
    except psycopg.Error as error:
        raise UserError(
            f"The view {view.name} does not fit the new version's tables.",
            why=f"{_primary(error)}.",
            fix=f"Change or drop it: drop view {view.name};",
        ) from None


def _drop_old(
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


def _raw(words: str) -> sql.Composable:
    """Words of our own or quoted by the server, such as a type, a right or a role."""
    from psycopg import sql

    return sql.SQL(words)  # pyright: ignore[reportArgumentType]


def _primary(error: Any) -> str:
    return (error.diag.message_primary or str(error)).rstrip(".")
