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

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from governance.errors import UserError
from governance.progress import Progress
from orchestration.publishing.manifest import Manifest
from orchestration.publishing.postgres_load import load_tables
from orchestration.publishing.postgres_schema import (
    drop_replaced,
    find_schema,
    make_schema,
    refuse_foreign,
)
from orchestration.publishing.postgres_sql import primary_message
from orchestration.publishing.postgres_swap import swap
from orchestration.publishing.sending import Sent

if TYPE_CHECKING:
    from psycopg import Connection

_CONNECT_SECONDS = 15


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
            old = find_schema(connection, schema)
            refuse_foreign(connection, schema, old, publisher)
            if old and old.mark and old.mark.get("version") == manifest.version:
                return Sent(False, notes=drop_replaced(connection, schema, in_transaction=True))
            following = f"{schema}__next"
            make_schema(connection, following, old)
            rows = load_tables(connection, following, folder, manifest, progress)
            swap(connection, schema, following, old, manifest, publisher)
        notes = drop_replaced(connection, schema)
    return Sent(True, rows=rows, notes=notes)


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
            why=f"{primary_message(error)}.",
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
