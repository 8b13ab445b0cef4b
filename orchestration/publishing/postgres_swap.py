"""The swap: the loaded schema takes the name, and all that hung on the one before it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from orchestration.publishing.manifest import Manifest
from orchestration.publishing.postgres_grants import hand_on, read_grants
from orchestration.publishing.postgres_schema import PublishedSchema, set_mark
from orchestration.publishing.postgres_views import read_views, repoint

if TYPE_CHECKING:
    from psycopg import Connection


def swap(
    connection: Connection[Any],
    schema: str,
    following: str,
    old: PublishedSchema | None,
    manifest: Manifest,
    publisher: str,
) -> None:
    """Rename, hand on rights and owner, point the views of others at the new tables."""
    if old is not None:
        grants, views = read_grants(connection, old), read_views(connection, schema, old)
        aside = f"{schema}__old_{old.oid:x}"
        set_mark(connection, schema, {"replaced": True})
        _rename(connection, schema, aside)
        _rename(connection, following, schema)
        hand_on(connection, schema, old, manifest, grants)
        for view in views:
            repoint(connection, view)
    else:
        _rename(connection, following, schema)
    content = {
        "publisher": publisher,
        "version": manifest.version,
        "data_until": manifest.data_until,
        "published_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "tables": [table.name for table in manifest.tables],
    }
    set_mark(connection, schema, content)


def _rename(connection: Connection[Any], schema: str, name: str) -> None:
    from psycopg import sql

    connection.execute(
        sql.SQL("alter schema {} rename to {}").format(sql.Identifier(schema), sql.Identifier(name))
    )
