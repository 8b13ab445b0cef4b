"""Writes the files of one version: parquet and the DuckDB file, read-only and synced."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import duckdb

from governance.errors import UserError
from governance.progress import Progress
from orchestration.publishing.manifest import File, Manifest, Partition
from orchestration.publishing.plan import TablePlan
from orchestration.publishing.policy import literal, quote
from orchestration.publishing.store import DATABASE, sync_folder

SCHEMA = "marts"
# The oldest storage version DuckDB 1.5 still writes that keeps comments; clients from 1.0 on open
# it.
STORAGE_VERSION = "v1.0.0"

_CATALOG = "published"
_PARQUET = "format parquet, compression zstd, row_group_size 122880"
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_FULL_MESSAGES = tuple(os.strerror(number).lower() for number in _FULL)


@dataclass(frozen=True, slots=True)
class Written:
    """The files of a version, and how many of its partitions are links to older files."""

    files: tuple[File, ...]
    partitions_linked: int


def write_version(
    connection: duckdb.DuckDBPyConnection,
    folder: Path,
    plans: Sequence[TablePlan],
    *,
    previous: tuple[Path, Manifest] | None,
    progress: Progress,
) -> Written:
    """Write every file but the manifest into ``folder``, which must lie at its final address.

    A partition whose digest equals the previous version's becomes a hard link to that file.

    Raises:
        UserError: when the disk is full.
    """
    linked: dict[str, File] = {}
    with full_disk_is_a_user_error(folder):
        for done, plan in enumerate(plans):
            progress("writing tables", done, len(plans))
            linked.update(_write_parquet(connection, folder, plan, previous))
        _write_database(connection, folder, plans)
        progress("writing tables", len(plans), len(plans))
        files = tuple(
            linked.get(path.relative_to(folder).as_posix()) or seal(path, folder)
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        )
    return Written(files, partitions_linked=len(linked))


@contextmanager
def full_disk_is_a_user_error(folder: Path) -> Iterator[None]:
    """Turn "no space left", from Python or DuckDB, into an error with a fix."""
    try:
        yield
    except (OSError, duckdb.Error) as error:
        number = error.errno if isinstance(error, OSError) else None
        if number in _FULL or any(text in str(error).lower() for text in _FULL_MESSAGES):
            raise UserError(
                f"The disk of {folder.parent} is full.",
                why="The new version was removed; the published copy is as it was.",
                fix="Free some space (publish.max_bytes in throughline.yml caps the kept versions)"
                " and run: throughline publish",
            ) from error
        raise


def _write_parquet(
    connection: duckdb.DuckDBPyConnection,
    folder: Path,
    plan: TablePlan,
    previous: tuple[Path, Manifest] | None,
) -> dict[str, File]:
    """Write the parquet files of one table; returns those that are links to older files."""
    if plan.partition_time is None:
        path = folder / "parquet" / f"{plan.table.name}.parquet"
        _copy(connection, plan.select, plan.order, path)
        return {}
    linked = {}
    for partition in plan.table.partitions:
        target = folder / partition.path
        target.parent.mkdir(parents=True, exist_ok=True)
        file = _link(plan.table.name, partition, target, previous)
        if file:
            linked[partition.path] = file
        else:
            month = f"strftime({quote(plan.partition_time)}, '%Y-%m') = {literal(partition.name)}"
            _copy(connection, f"from ({plan.select}) where {month}", plan.order, target)
    return linked


def _link(
    table: str, partition: Partition, target: Path, previous: tuple[Path, Manifest] | None
) -> File | None:
    """Link ``target`` to the previous version's file of equal content; None without one."""
    if previous is None:
        return None
    folder, manifest = previous
    before = manifest.table(table)
    same = [p for p in before.partitions if p.digest == partition.digest] if before else []
    files = [file for file in manifest.files if same and file.path == same[0].path]
    if not files:
        return None
    source = folder / files[0].path
    # a file somebody damaged is written anew; some file systems have no hard links, then too
    with suppress(OSError):
        if source.stat().st_size == files[0].bytes:
            target.hardlink_to(source)
            return File(partition.path, files[0].bytes, files[0].sha256)
    return None


def _copy(
    connection: duckdb.DuckDBPyConnection, query: str, order: Sequence[str], target: Path
) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    ordered = f"from ({query}){_order_by(order)}"
    connection.execute(f"copy ({ordered}) to {literal(str(target))} ({_PARQUET})")


def _write_database(
    connection: duckdb.DuckDBPyConnection, folder: Path, plans: Sequence[TablePlan]
) -> None:
    """Write analytics.duckdb: tables, views over partitions, descriptions as comments."""
    target = literal(str(folder / DATABASE))
    connection.execute(f"attach {target} as {_CATALOG} (storage_version '{STORAGE_VERSION}')")
    try:
        connection.execute(f"create schema {_CATALOG}.{SCHEMA}")
        for plan in plans:
            name = f"{_CATALOG}.{SCHEMA}.{quote(plan.table.name)}"
            kind = "table" if plan.partition_time is None else "view"
            query = f"from ({plan.select}){_order_by(plan.order)}"
            if plan.partition_time is not None:
                query = _view_query(folder, plan)
            connection.execute(f"create {kind} {name} as {query}")
            _comment(connection, kind, name, plan)
        connection.execute(f"checkpoint {_CATALOG}")
    finally:
        connection.execute(f"detach {_CATALOG}")


def _view_query(folder: Path, plan: TablePlan) -> str:
    """Partitions by absolute path: a relative one depends on the reader's folder."""
    paths = [literal(str(folder / partition.path)) for partition in plan.table.partitions]
    columns = ", ".join(quote(column.name) for column in plan.table.columns)
    return f"select {columns} from read_parquet([{', '.join(paths)}], hive_partitioning = false)"


def _comment(connection: duckdb.DuckDBPyConnection, kind: str, name: str, plan: TablePlan) -> None:
    if plan.table.description:
        connection.execute(f"comment on {kind} {name} is {literal(plan.table.description)}")
    for column in plan.table.columns:
        if column.description:
            text = literal(column.description)
            connection.execute(f"comment on column {name}.{quote(column.name)} is {text}")


def _order_by(columns: Sequence[str]) -> str:
    return f" order by {', '.join(quote(column) for column in columns)}" if columns else ""


def seal(path: Path, folder: Path) -> File:
    """Digest a file, make it read-only (a version never changes) and durable."""
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        os.fsync(file.fileno())
    path.chmod(0o444)
    sync_folder(path.parent)
    return File(path.relative_to(folder).as_posix(), path.stat().st_size, sha256)
