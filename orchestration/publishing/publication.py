"""The publish itself: compare, write a new version, switch, prune."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import duckdb

from governance.config import Config
from governance.errors import UserError
from governance.home import Home
from governance.keys import Keys
from governance.progress import Progress, silent
from governance.warehouse import open_warehouse, warehouse_lock
from orchestration.publishing import basis, restating, store
from orchestration.publishing.catalog import ModelDoc, read_marts
from orchestration.publishing.manifest import Manifest, read_manifest, write_manifest
from orchestration.publishing.plan import (
    EVENTS,
    PARTITIONED_BY,
    TablePlan,
    content_digest,
    plan_tables,
)
from orchestration.publishing.spans import changed_spans, within
from orchestration.publishing.writer import full_disk_is_a_user_error, write_version

_log = logging.getLogger(__name__)
# Other columns or no such table; files that are gone, or cut.
_NOT_COMPARABLE = (
    duckdb.BinderException,
    duckdb.CatalogException,
    duckdb.IOException,
    duckdb.InvalidInputException,
)

Outcome = Literal["published", "unchanged", "held_back"]


@dataclass(frozen=True, slots=True)
class PublishReport:
    """What a publish did.

    ``held_back``: the warehouse holds what a rollback took back. ``version`` is the current version
    afterwards, ``rows`` those of its tables by name. ``restated``: how many numbers of complete
    days changed; None when there was no version to compare with.
    """

    outcome: Outcome
    version: str
    path: Path
    rows: dict[str, int]
    partitions_written: int
    partitions_linked: int
    removed: tuple[str, ...]
    seconds: float
    restated: int | None = None


def publish(
    home: Home,
    config: Config,
    keys: Keys,
    *,
    dbt_manifest: Path,
    run_id: str,
    now: datetime | None = None,
    wait_seconds: float | None = None,
    progress: Progress = silent,
) -> PublishReport:
    """Publish the marts of the warehouse for the role ``analyst``, unless nothing changed.

    Args:
        home: whose warehouse.
        config: how many versions are kept.
        keys: the home's keys, which open the warehouse.
        dbt_manifest: dbt's manifest.json of the build that made the marts.
        run_id: names the run in the version's manifest.
        now: the instant of the version's name; the clock's when None.
        wait_seconds: how long to wait for another process that holds the warehouse.
        progress: told the number of tables compared and written.

    Raises:
        UserError: when the warehouse is busy, a mart is missing, a column has no class, or the disk
            is full. The current version is untouched in all of these cases.
    """
    started = time.monotonic()
    instant = now or datetime.now(UTC)
    marts = read_marts(dbt_manifest)
    if not home.warehouse.exists():
        raise UserError(
            "There is no warehouse to publish from.",
            why=f"{home.warehouse} does not exist: nothing has been loaded and built.",
            fix="Run: throughline run hourly",
        )
    with warehouse_lock(home, "publish", wait_seconds=wait_seconds), store.store_lock(home):
        store.clean_leftovers(home, now=instant)
        connection = open_warehouse(home, keys=keys)
        try:
            plans = plan_tables(connection, marts, progress)
            draft = _draft(connection, plans, run_id, instant, home)
            outcome, current = _compare(home, draft)
            linked, restated = 0, None
            if outcome == "published":
                log = next((model for model in marts if model.name == restating.MODEL), None)
                if log is not None:
                    restated = _restate(connection, home, config, dbt_manifest, draft)
                    plans = _replanned(connection, log, plans)
                    draft = replace(draft, tables=tuple(plan.table for plan in plans))
                current, linked = _write(connection, home, draft, plans, progress)
                store.switch(home, current.version, action="publish", now=instant)
                if log is not None:
                    basis.confirm(connection, current.version)
        finally:
            connection.close()
        removed = store.prune(
            home,
            now=instant,
            keep_hourly=config.publish.keep_hourly,
            keep_daily=config.publish.keep_daily,
            max_bytes=config.publish.max_bytes,
        )
    partitions = sum(len(table.partitions) for table in current.tables)
    return PublishReport(
        outcome=outcome,
        version=current.version,
        path=store.current_file(home),
        rows={table.name: table.rows for table in current.tables},
        partitions_written=partitions - linked if outcome == "published" else 0,
        partitions_linked=linked,
        removed=removed,
        seconds=time.monotonic() - started,
        restated=restated,
    )


def _restate(
    connection: duckdb.DuckDBPyConnection,
    home: Home,
    config: Config,
    dbt_manifest: Path,
    draft: Manifest,
) -> int | None:
    """Log which numbers of complete days ``draft`` changes; returns how many.

    None without a version before that this warehouse made, or when it has other columns.
    """
    basis.settle(connection, {switch.version for switch in store.history(home)})
    version, now = draft.version, basis.read_basis(connection, config, dbt_manifest)
    basis.remember(connection, version, now)
    previous = store.current_version(home)
    before = basis.basis_of(connection, previous) if previous else None
    if previous is None or before is None:
        return None
    database = store.role_folder(home) / previous / store.DATABASE
    try:
        parts = restating.restate(
            connection, database, before, now, changed=_changed_events(home, draft)
        )
    except _NOT_COMPARABLE as error:
        # a version of another program, or damaged: what is new is published all the same
        _log.warning("%s can not be compared with what was published before: %s", version, error)
        return None
    restating.append(connection, version, previous, parts)
    return len({part.cell for part in parts})


def _changed_events(home: Home, draft: Manifest) -> str:
    """The condition of the times in which events may differ from the current version's."""
    current = store.current_manifest(home)
    before, now = (each.table(EVENTS) if each else None for each in (current, draft))
    if before is None or now is None:
        return "true"
    return within(PARTITIONED_BY[EVENTS][0], changed_spans(before, now))


def _replanned(
    connection: duckdb.DuckDBPyConnection, log: ModelDoc, plans: Sequence[TablePlan]
) -> tuple[TablePlan, ...]:
    """``plans`` with the rows the log has now; logs are no part of a version's name."""
    (fresh,) = plan_tables(connection, [log], silent)
    return tuple(fresh if plan.table.name == log.name else plan for plan in plans)


def _draft(
    connection: duckdb.DuckDBPyConnection,
    plans: Sequence[TablePlan],
    run_id: str,
    now: datetime,
    home: Home,
) -> Manifest:
    """The manifest of the version to write, without its files."""
    schema_version, semantics_version = _warehouse_versions(connection)
    tables = tuple(plan.table for plan in plans)
    digest = content_digest(tables, (schema_version, semantics_version))
    # a version made in this very second may have the same content: it was rolled back
    while (store.role_folder(home) / store.version_name(now, digest)).exists():
        now += timedelta(seconds=1)
    return Manifest(
        version=store.version_name(now, digest),
        role=store.ROLE,
        created_at=now.astimezone(UTC).isoformat(timespec="seconds"),
        run_id=run_id,
        content_digest=digest,
        schema_version=schema_version,
        semantics_version=semantics_version,
        data_until=_data_until(connection),
        tables=tables,
        files=(),
    )


def _compare(home: Home, draft: Manifest) -> tuple[Outcome, Manifest]:
    """Whether to publish ``draft``, and the manifest that is current if not."""
    current = store.current_manifest(home)
    if current is None:
        return "published", draft
    if current.content_digest == draft.content_digest:
        return "unchanged", current
    for name in store.withdrawn_versions(home):
        withdrawn = read_manifest(store.role_folder(home) / name)
        if withdrawn and withdrawn.content_digest == draft.content_digest:
            return "held_back", current
    return "published", draft


def _write(
    connection: duckdb.DuckDBPyConnection,
    home: Home,
    draft: Manifest,
    plans: Sequence[TablePlan],
    progress: Progress,
) -> tuple[Manifest, int]:
    """Write the version's folder, its manifest last; nothing of it remains when that fails.

    Returns its manifest and how many partitions are links.
    """
    parent = store.role_folder(home)
    folder = parent / draft.version
    before = store.current_manifest(home)
    previous = (parent / before.version, before) if before else None
    try:
        with full_disk_is_a_user_error(folder):
            folder.mkdir()
            written = write_version(connection, folder, plans, previous=previous, progress=progress)
            manifest = replace(draft, files=written.files)
            write_manifest(manifest, folder)
    except BaseException:
        # an interrupt too: Ctrl-C must not leave gigabytes behind until the next publish
        if folder.exists():
            store.remove_folder(folder)
        raise
    store.sync_folder(parent)
    return manifest, written.partitions_linked


def _warehouse_versions(connection: duckdb.DuckDBPyConnection) -> tuple[str, str]:
    row = connection.execute(
        "select schema_version, semantics_version from meta.warehouse"
    ).fetchone()
    assert row is not None, "open_warehouse writes this row"
    return str(row[0]), str(row[1])


def _data_until(connection: duckdb.DuckDBPyConnection) -> dict[str, str | None]:
    """The greatest received_at of each source, ISO 8601 in UTC."""
    rows = connection.execute(
        "select source, data_until from intermediate.int_data_until order by source"
    ).fetchall()
    return {source: until.isoformat() + "Z" if until else None for source, until in rows}
