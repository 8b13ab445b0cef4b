"""``throughline upgrade``: brings the warehouse of an earlier program to this one's versions.

    lock -> copy of the file -> per step: alter, then the rest and the new version in one commit

A step can be killed at any instant: what is committed before the version changes is repeated
without harm. The modelled tables are left to the next run, which builds them anew because the
versions are among the inputs of a published version.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import duckdb

from governance.config import Storage
from governance.errors import UserError
from governance.home import Home
from governance.keys import Keys
from governance.progress import Progress, silent
from governance.warehouse import (
    SCHEMA_VERSION,
    SEMANTICS_VERSION,
    Marker,
    disk_full,
    open_warehouse,
    read_marker,
    settle,
    translate_duckdb_errors,
    warehouse_lock,
)


@dataclass(frozen=True, slots=True)
class Step:
    """From one schema version to the next.

    ``first`` is committed on its own (DuckDB cannot constrain a column in the transaction that
    adds it), so each of its statements must be repeatable; ``then`` is committed together with the
    new version.
    """

    from_schema: int
    what: str
    table: str  # whose absence means that nothing was ever loaded: there is nothing to do
    first: tuple[str, ...]
    then: tuple[str, ...]


STEPS = (
    Step(
        from_schema=1,
        what="raw.events says what each record stands for, its version, and whether it is deleted",
        table="events",
        first=(
            "alter table raw.events add column if not exists record_kind varchar default 'event'",
            "alter table raw.events add column if not exists version_at timestamp",
            "alter table raw.events add column if not exists is_deleted boolean default false",
        ),
        then=(
            "alter table raw.events alter record_kind set not null",
            "alter table raw.events alter is_deleted set not null",
            # as the loader makes them: it always says the value
            "alter table raw.events alter record_kind drop default",
            "alter table raw.events alter is_deleted drop default",
        ),
    ),
    Step(
        from_schema=2,
        what="raw.identity_overrides holds what people say about identifiers",
        table="events",
        first=(
            "create table if not exists raw.identity_overrides (action varchar not null,"
            " a_kind varchar not null, a_value varchar not null,"
            " b_kind varchar not null, b_value varchar not null,"
            " author varchar not null, reason varchar not null,"
            " stated_at timestamp not null, position bigint not null,"
            " _dlt_load_id varchar not null)",
        ),
        then=(),
    ),
)


@dataclass(frozen=True, slots=True)
class Upgrade:
    """What was done. Versions are (schema, semantics); ``copy`` is the file as it was, if kept."""

    before: tuple[int, int]
    after: tuple[int, int]
    steps: tuple[str, ...]
    copy: Path | None


def upgrade(
    home: Home,
    keys: Keys,
    storage: Storage,
    *,
    keep_copy: bool = True,
    progress: Progress = silent,
) -> Upgrade:
    """Upgrade the home's warehouse in place, after a copy.

    Raises:
        UserError: a newer program made it, it is too old, it has other keys, or the disk is full.
        WarehouseBusyError: another program has the file open.
    """
    now = (SCHEMA_VERSION, SEMANTICS_VERSION)
    if not home.warehouse.exists():
        return Upgrade(now, now, (), None)
    with warehouse_lock(home, "upgrade"), translate_duckdb_errors(home):
        with open_warehouse(home, keys=keys, storage=storage, upgrading=True) as connection:
            found = read_marker(connection)
        assert found is not None, "open_warehouse writes it"
        before = (found.schema_version, found.semantics_version)
        if before == now:
            return Upgrade(now, now, (), None)
        copy = _copy(home, found) if keep_copy else None
        with open_warehouse(home, keys=keys, storage=storage, upgrading=True) as connection:
            done = _apply(connection, found, progress)
            connection.execute("checkpoint")
    return Upgrade(before, now, done, copy)


def _apply(
    connection: duckdb.DuckDBPyConnection, found: Marker, progress: Progress
) -> tuple[str, ...]:
    steps = [step for step in STEPS if step.from_schema >= found.schema_version]
    assert [step.from_schema for step in steps] == list(
        range(found.schema_version, SCHEMA_VERSION)
    ), "every schema version has its step"
    done = []
    for number, step in enumerate(steps):
        progress("upgrading", number, len(steps))
        wanted = _exists(connection, step.table)
        _together(connection, step.first if wanted else ())
        version = f"update meta.warehouse set schema_version = {step.from_schema + 1}"
        _together(connection, (*(step.then if wanted else ()), version))
        done.append(step.what)
    connection.execute(f"update meta.warehouse set semantics_version = {SEMANTICS_VERSION}")
    if found.semantics_version < SEMANTICS_VERSION:
        done.append("the numbers mean something else now: the next run builds them anew")
    progress("upgrading", len(steps), len(steps))
    return tuple(done)


def _together(connection: duckdb.DuckDBPyConnection, statements: tuple[str, ...]) -> None:
    connection.begin()
    try:
        for statement in statements:
            connection.execute(statement)
        connection.commit()
    except BaseException:
        connection.rollback()
        raise


def _exists(connection: duckdb.DuckDBPyConnection, table: str) -> bool:
    rows = connection.execute(
        "select 1 from duckdb_tables() where schema_name = 'raw' and table_name = ?", [table]
    ).fetchall()
    return bool(rows)


def _copy(home: Home, found: Marker) -> Path:
    """The file beside itself, whole or not at all."""
    settle(home)
    copy = home.warehouse.with_name(f"before-schema-{found.schema_version}.warehouse.duckdb")
    needed, free = home.warehouse.stat().st_size, shutil.disk_usage(home.root).free
    if free < needed * 1.1:
        raise UserError(
            f"There is no room for a copy of the warehouse ({needed:,} bytes, {free:,} free).",
            why="The upgrade keeps the file as it was until you remove it.",
            fix="Free some space; or make a backup on another disk and: throughline upgrade"
            " --no-copy",
        )
    draft = copy.with_name(f".{copy.name}")
    try:
        shutil.copy2(home.warehouse, draft)
        with draft.open("rb") as file:
            os.fsync(file.fileno())
        draft.replace(copy)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise disk_full(home.root) from error
    return copy
