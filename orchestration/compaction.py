"""Rewriting the warehouse into a new file: the only way to give back the space of deleted rows.

DuckDB keeps deleted bytes after DELETE and CHECKPOINT. The copy is made beside, synced and
renamed over the old file under the lock: killed at any instant, either the whole old file or the
whole new one is there.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import duckdb

from governance.config import Storage
from governance.home import Home
from governance.keys import Keys
from governance.warehouse import open_warehouse, translate_duckdb_errors, warehouse_lock
from orchestration.measures import quoted

# Copying everything to win little wears the disk for nothing.
WORTHWHILE_SHARE = 0.2


@dataclass(frozen=True, slots=True)
class Compaction:
    """Sizes in bytes; equal when it was not worth it."""

    done: bool
    before: int
    after: int


def compact(
    home: Home, keys: Keys, storage: Storage, *, worthwhile_share: float = WORTHWHILE_SHARE
) -> Compaction:
    """Rewrite the warehouse when at least ``worthwhile_share`` of its blocks are free.

    Raises:
        WarehouseBusyError: another process has the file open.
        UserError: no space for the copy; the old file is untouched.
    """
    draft = home.warehouse.with_name(f".{home.warehouse.name}.compacting")
    with warehouse_lock(home, "compact"), translate_duckdb_errors(home):
        _remove(draft)  # of a run that was killed
        before = home.warehouse.stat().st_size
        with open_warehouse(home, keys=keys, storage=storage) as connection:
            connection.execute(
                "checkpoint"
            )  # the copy replaces the file, never its write-ahead log
            if _free_share(connection) < worthwhile_share:
                return Compaction(False, before, before)
            try:
                _copy(connection, draft)
            except BaseException:
                _remove(draft)
                raise
        if home.warehouse.with_name(home.warehouse.name + ".wal").exists():
            _remove(draft)
            raise RuntimeError("the write-ahead log came back after a checkpoint")
        _sync(draft)
        draft.replace(home.warehouse)
        _sync(home.root)
        return Compaction(True, before, home.warehouse.stat().st_size)


def _free_share(connection: duckdb.DuckDBPyConnection) -> float:
    row = connection.execute(
        "select free_blocks, total_blocks from pragma_database_size()"
        " where database_name = current_database()"
    ).fetchone()
    free, total = row if row else (0, 0)
    return free / total if total else 0.0


def _copy(connection: duckdb.DuckDBPyConnection, draft: Path) -> None:
    """Everything into ``draft``; counts of every table are compared before it counts."""
    name = connection.execute("select current_database()").fetchall()[0][0]
    address = str(draft).replace("'", "''")
    connection.execute(f"attach '{address}' as compacted")
    connection.execute(f"copy from database {quoted(name)} to compacted")
    before, after = _contents(connection, name), _contents(connection, "compacted")
    if before != after:
        lost = sorted(set(before.items()) ^ set(after.items()))[:5]
        raise RuntimeError(f"the copy differs from the warehouse: {lost}")
    connection.execute("checkpoint compacted")
    connection.execute("detach compacted")


def _contents(
    connection: duckdb.DuckDBPyConnection, database: str
) -> dict[tuple[str, str], int | str]:
    """Rows of every table and the existence of every view."""
    found: dict[tuple[str, str], int | str] = {}
    tables = connection.execute(
        "select schema_name, table_name from duckdb_tables()"
        " where database_name = ? and not internal",
        [database],
    ).fetchall()
    for schema, table in tables:
        counted = connection.execute(
            f"select count(*) from {quoted(database)}.{quoted(schema)}.{quoted(table)}"
        ).fetchall()
        found[(schema, table)] = int(counted[0][0])
    views = connection.execute(
        "select schema_name, view_name from duckdb_views()"
        " where database_name = ? and not internal",
        [database],
    ).fetchall()
    found.update(dict.fromkeys(views, "view"))
    return found


def _remove(draft: Path) -> None:
    for path in (draft, draft.with_name(draft.name + ".wal")):
        path.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
