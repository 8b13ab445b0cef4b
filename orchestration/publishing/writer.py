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
from orchestration.publishing.spans import spans_of, within
from orchestration.publishing.store import DATABASE, sync_folder

SCHEMA = "marts"
# The oldest storage version DuckDB 1.5 still writes that keeps comments; clients from 1.0 on open
# it.
STORAGE_VERSION = "v1.0.0"

_CATALOG = "published"
_PARQUET = "format parquet, compression zstd, row_group_size 122880"
_ROWS = "rows_to_publish"
_ROWS_AT_ONCE = 500_000
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

    A file whose digest equals one of the previous version's becomes a hard link to that.

    Raises:
        UserError: when the disk is full.
    """
    linked: dict[str, File] = {}
    with full_disk_is_a_user_error(folder), _database(connection, folder):
        for done, plan in enumerate(plans):
            progress("writing tables", done, len(plans))
            if plan.partition_time is None:
                linked |= _write_table(connection, folder, plan, previous)
            else:
                linked |= _write_partitions(connection, folder, plan, plan.partition_time, previous)
        progress("writing tables", len(plans), len(plans))
    with full_disk_is_a_user_error(folder):
        files = tuple(
            linked.get(path.relative_to(folder).as_posix()) or seal(path, folder)
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        )
    partitions = {part.path for plan in plans for part in plan.table.partitions}
    return Written(files, partitions_linked=len(partitions & set(linked)))


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


@contextmanager
def _database(connection: duckdb.DuckDBPyConnection, folder: Path) -> Iterator[None]:
    """analytics.duckdb, attached as long as its tables are written."""
    target = literal(str(folder / DATABASE))
    connection.execute(f"attach {target} as {_CATALOG} (storage_version '{STORAGE_VERSION}')")
    try:
        connection.execute(f"create schema {_CATALOG}.{SCHEMA}")
        yield
        connection.execute(f"checkpoint {_CATALOG}")
    finally:
        connection.execute(f"detach {_CATALOG}")


def _write_table(
    connection: duckdb.DuckDBPyConnection,
    folder: Path,
    plan: TablePlan,
    previous: tuple[Path, Manifest] | None,
) -> dict[str, File]:
    """Write a table and, from it, its parquet file, which may be a link to the previous one."""
    name = f"{_CATALOG}.{SCHEMA}.{quote(plan.table.name)}"
    query = f"from ({plan.select}){_order_by(plan.order)}"
    connection.execute(f"create table {name} as {query}")
    _comment(connection, "table", name, plan)
    path = f"parquet/{plan.table.name}.parquet"
    file = _link(plan.table.name, plan.table.digest, path, folder, previous)
    if file is None:
        _copy(connection, f"from {name}", folder / path)  # sorted as it is
    return {path: file} if file else {}


def _write_partitions(
    connection: duckdb.DuckDBPyConnection,
    folder: Path,
    plan: TablePlan,
    time: str,
    previous: tuple[Path, Manifest] | None,
) -> dict[str, File]:
    """Write a view over parquet files and those that are not links to the previous version's."""
    linked, changed = {}, []
    for partition in plan.table.partitions:
        file = _link(plan.table.name, partition.digest, partition.path, folder, previous)
        if file:
            linked[partition.path] = file
        else:
            changed.append(partition)
    for some in _at_once(changed):
        # the mart may join large tables: they are joined, and sorted, once for many files
        rows = f"{plan.select} where {within(time, spans_of(some))}{_order_by(plan.order)}"
        connection.execute(f"create or replace temp table {_ROWS} as {rows}")
        for partition in some:
            mine = within(time, spans_of([partition]))
            _copy(connection, f"from {_ROWS} where {mine}", folder / partition.path)
        connection.execute(f"drop table {_ROWS}")
    name = f"{_CATALOG}.{SCHEMA}.{quote(plan.table.name)}"
    connection.execute(f"create view {name} as {_view_query(folder, plan)}")
    _comment(connection, "view", name, plan)
    return linked


def _at_once(partitions: Sequence[Partition]) -> Iterator[list[Partition]]:
    """Partitions in groups of not many more rows than _ROWS_AT_ONCE."""
    group: list[Partition] = []
    for partition in partitions:
        group.append(partition)
        if sum(each.rows for each in group) >= _ROWS_AT_ONCE:
            yield group
            group = []
    if group:
        yield group


def _link(
    table: str, digest: str, path: str, folder: Path, previous: tuple[Path, Manifest] | None
) -> File | None:
    """Link ``path`` to the previous version's file of equal content; None without one."""
    if previous is None:
        return None
    older, manifest = previous
    before = manifest.table(table)
    if before is None:
        return None
    same = {part.digest: part.path for part in before.partitions} or {before.digest: path}
    file = next((file for file in manifest.files if file.path == same.get(digest)), None)
    if file is None:
        return None
    source, target = older / file.path, folder / path
    target.parent.mkdir(parents=True, exist_ok=True)
    # a file somebody damaged is written anew; some file systems have no hard links, then too
    with suppress(OSError):
        if source.stat().st_size == file.bytes:
            target.hardlink_to(source)
            return File(path, file.bytes, file.sha256)
    return None


def _copy(connection: duckdb.DuckDBPyConnection, query: str, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    connection.execute(f"copy ({query}) to {literal(str(target))} ({_PARQUET})")


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
