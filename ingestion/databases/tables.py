"""Read one table in one snapshot, compare it with what is known, write what differs."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from governance.config import Source, Table
from governance.progress import Progress
from ingestion.databases.arrow import read_rows, schema_of
from ingestion.databases.connect import Database
from ingestion.databases.digests import MOMENT, Digester, microseconds, spool_schema
from ingestion.databases.files import Facts, SpoolWriter, filtered, moment_of, name_at
from ingestion.databases.frozen import Bound, Cursor, Frozen, check_moments, freeze
from ingestion.databases.known import Known
from ingestion.databases.trouble import Trouble
from ingestion.databases.types import UnfitError
from ingestion.spool import DELETED, HASH, KEY, OBSERVED_AT, VERSION_AT

VANISHED_SHARE, VANISHED_ROWS = 0.5, 100
"""More rows than both of these do not vanish at once unless somebody says so."""


@dataclass(frozen=True, slots=True)
class TableRead:
    """What came of reading one table.

    Attributes:
        table: as the configuration calls it.
        observed_at: when its snapshot was taken.
        rows_read: rows the statement gave; the server counted as many.
        rows_new: rows nobody knew, or that came back.
        rows_changed: rows with another digest.
        rows_deleted: rows that are gone.
        rows_spared: rows that are gone, too many to be believed.
        full: whether all rows were compared.
        cursor_from: where reading began; None when all rows were read.
        cursor_to: the greatest cursor that was read so far.
        spool: the file with what is new; None when nothing is.
    """

    table: str
    observed_at: datetime
    rows_read: int
    rows_new: int
    rows_changed: int
    rows_deleted: int
    rows_spared: int
    full: bool
    cursor_from: str | None
    cursor_to: str | None
    spool: Path | None


@dataclass(slots=True)
class _Pass:
    """One reading of a table's rows."""

    frozen: Frozen
    schema: pa.Schema
    writer: SpoolWriter
    start: Bound | None
    rows: int = 0
    counted: int = 0
    greatest: Any = None

    @property
    def full(self) -> bool:
        return self.start is None


@dataclass(frozen=True, slots=True)
class TableReader:
    """Reads one table of a database into a folder."""

    database: Database
    source: Source
    table: Table
    folder: Path
    progress: Progress
    _as_text: list[str] = field(default_factory=list)

    def sample(self, rows: int, now: datetime) -> tuple[dict[str, Any], ...]:
        """The first rows with our columns.

        Raises:
            Trouble: they cannot be read.
        """
        while True:
            try:
                with self._frozen() as (connection, frozen), duckdb.connect() as memory:
                    columns = list(frozen.columns)
                    digester = Digester(memory, frozen, schema_of(frozen, columns), now)
                    blocks = read_rows(connection, frozen, columns, limit=rows)
                    return tuple(
                        row for block in blocks for row in digester.dress(block).to_pylist()
                    )
            except UnfitError as error:
                self._take_as_text(error)

    def read(
        self, known: Known, now: datetime | None, *, full: bool, accept_deletes: bool
    ) -> TableRead:
        """Read, compare, write; nothing is left behind when it fails.

        Raises:
            Trouble: it cannot be read.
        """
        observed = _behind(now or datetime.now(UTC), known.last_file)
        try:
            while True:
                try:
                    with self._frozen() as (connection, frozen):
                        start = None if full else _start(frozen, known)
                        done = self._settled(connection, known, frozen, start, observed)
                    break
                except UnfitError as error:
                    self._take_as_text(error)
            return self._keep(known, done, observed, accept_deletes=accept_deletes)
        finally:
            known.remove_leftovers()

    def _settled(
        self,
        connection: sa.Connection,
        known: Known,
        frozen: Frozen,
        start: Bound | None,
        observed: datetime,
    ) -> _Pass:
        """Read until nothing was overlooked; the snapshot stays the same."""
        while True:
            schema = schema_of(frozen, list(frozen.columns))
            known.begin()
            done = _Pass(frozen, schema, _aside(known, schema), start)
            self._rows(connection, known, done, observed)
            if done.full or self.table.deletes == "ignore":
                return done
            self._keys(connection, known, done, observed)
            if not known.overlooked():
                return done
            start = None  # somebody committed so late that the cursor had gone by

    def _rows(
        self, connection: sa.Connection, known: Known, done: _Pass, observed: datetime
    ) -> None:
        """The rows at and behind the cursor, all kept aside, and the server's count of them."""
        frozen = done.frozen
        digester = Digester(known.connection, frozen, done.schema, observed)
        where = None if done.start is None else frozen.since(done.start)
        done.counted = _count(connection, frozen, where)
        label = f"Reading {self.source.name}/{self.table.table} (rows)"
        for block in read_rows(connection, frozen, list(frozen.columns), where):
            dressed = digester.dress(block)
            done.writer.write(dressed)
            known.add(dressed)
            done.rows += block.num_rows
            done.greatest = _greatest(frozen.cursor, block, observed, done.greatest)
            self.progress(label, done.rows, done.counted)
        _agree(done.rows, done.counted)
        count = known.repeated()
        if count:
            raise Trouble(
                f"has {count} keys that stand for several rows",
                f"Name more columns: key: [{', '.join((*frozen.key, '…'))}]",
            )

    def _keys(
        self, connection: sa.Connection, known: Known, done: _Pass, observed: datetime
    ) -> None:
        """All keys there are, those of the rows read among them."""
        frozen = done.frozen
        digester = Digester(known.connection, frozen, schema_of(frozen, frozen.key), observed)
        counted, read = _count(connection, frozen, None), 0
        label = f"Comparing keys of {self.source.name}/{self.table.table} (rows)"
        for block in read_rows(connection, frozen, frozen.key):
            known.add_present(digester.keys(block))
            read += block.num_rows
            self.progress(label, read, counted)
        _agree(read, counted)

    def _keep(
        self, known: Known, done: _Pass, observed: datetime, *, accept_deletes: bool
    ) -> TableRead:
        before, last = known.alive, known.facts
        # Under another key the rows known so far are others; they end with this read.
        rekeyed = last is not None and last.key != done.frozen.key
        reconcile = rekeyed or self.table.deletes == "reconcile"
        new, changed, gone = known.compare(full=done.full, reconcile=reconcile)
        spared = 0
        if gone > VANISHED_ROWS and gone > before * VANISHED_SHARE:
            spared = 0 if accept_deletes or rekeyed else gone
        if spared:
            known.spare()
        deleted = gone - spared
        facts = self._facts(done, observed, last, new + changed, deleted)
        file = self._write(known, done, facts, observed) if new + changed + deleted else None
        known.commit(file.name if file else None, facts, microseconds(observed))
        return TableRead(
            table=self.table.table,
            observed_at=observed,
            rows_read=done.rows,
            rows_new=new,
            rows_changed=changed,
            rows_deleted=deleted,
            rows_spared=spared,
            full=done.full,
            cursor_from=facts.cursor_from,
            cursor_to=facts.cursor_to,
            spool=file,
        )

    def _facts(
        self, done: _Pass, observed: datetime, last: Facts | None, written: int, deleted: int
    ) -> Facts:
        cursor = done.frozen.cursor
        greatest = None if done.greatest is None else _written(done.greatest)
        if greatest is None and cursor and last and last.cursor == cursor.column:
            greatest = last.cursor_to
        return Facts(
            source=self.source.name,
            table=self.table.table,
            observed_at=observed.isoformat(),
            rows_read=done.rows,
            server_count=done.counted,
            rows_written=written,
            rows_deleted=deleted,
            full=done.full,
            key=done.frozen.key,
            columns=tuple(done.frozen.columns),
            cursor=cursor.column if cursor else None,
            cursor_from=None if done.start is None else _written(done.start),
            cursor_to=greatest,
        )

    def _write(self, known: Known, done: _Pass, facts: Facts, observed: datetime) -> Path:
        """The spool file; it appears whole, under its name, or not at all."""
        writer = done.writer
        if not known.all_as_read:
            done.writer.close()
            writer = _aside(known, done.schema)
            for rows in filtered(done.writer.path, known.changes, VERSION_AT):
                writer.write(rows)
        stamp = microseconds(observed)
        schema = spool_schema(done.schema)
        for gone in known.vanished(stamp, done.frozen.key):
            writer.write(_tombstones(gone, schema, done.frozen.key, stamp))
        writer.close(facts)
        place = self.folder / name_at(observed)
        _sync(writer.path)
        writer.path.rename(place)
        _sync(self.folder)
        return place

    @contextmanager
    def _frozen(self) -> Iterator[tuple[sa.Connection, Frozen]]:
        """A snapshot, and what is read in it; whatever the database says comes out as Trouble."""
        try:
            with self.database.snapshot() as connection:
                frozen = freeze(connection, self.database.dialect, self.source, self.table)
                for column in self._as_text:
                    frozen = frozen.with_text(column)
                yield connection, frozen
        except (Trouble, UnfitError):
            raise
        except Exception as error:
            trouble = self.database.explainer.explain(error, self.table.table)
            if trouble is None:
                raise
            raise trouble from None

    def _take_as_text(self, error: UnfitError) -> None:
        """Read a column as the database writes it, in a new snapshot: its values are of no type."""
        if error.column in self._as_text:
            raise Trouble(
                f"has a column that cannot be read: {error.column!r}",
                f"Leave it out: exclude: [{error.column}]",
            ) from None
        self._as_text.append(error.column)


def _start(frozen: Frozen, known: Known) -> Bound | None:
    """Where to begin; None for all rows: the first time, and where what is read has changed."""
    last, cursor = known.facts, frozen.cursor
    if cursor is None or last is None or last.cursor_to is None or last.cursor != cursor.column:
        return None
    if last.key != frozen.key or not set(frozen.columns) <= set(last.columns):
        return None
    try:
        return cursor.start(last.cursor_to)
    except (ValueError, ArithmeticError):
        return None


def _aside(known: Known, schema: pa.Schema) -> SpoolWriter:
    path = known.scratch / f"reading-{secrets.token_hex(6)}.parquet"
    return SpoolWriter(path, spool_schema(schema))


def _count(connection: sa.Connection, frozen: Frozen, where: sa.ColumnElement[bool] | None) -> int:
    query = sa.select(sa.func.count()).select_from(frozen.reflected)
    return connection.execute(query if where is None else query.where(where)).scalar_one()


def _agree(read: int, counted: int) -> None:
    if read != counted:
        raise Trouble(
            f"gave {read} rows where the server counted {counted}",
            "It was written to while it was read, and its engine keeps no snapshots (InnoDB does)."
            " Run again, or read from a replica.",
            transient=True,
        )


def _greatest(cursor: Cursor | None, block: pa.Table, observed: datetime, so_far: Any) -> Any:
    """The greatest cursor that is not in the future."""
    if cursor is None:
        return so_far
    column = block.column(cursor.column)
    if cursor.kind == "text":
        check_moments(cursor, pc.call_function("max", [column]).as_py())
    latest = cursor.latest(observed)
    if latest is not None:
        column = column.filter(
            pc.call_function("less_equal", [column, pa.scalar(latest).cast(column.type)])
        )
    if pa.types.is_floating(column.type):
        column = column.filter(pc.call_function("is_finite", [column]))
    found = pc.call_function("max", [column]).as_py()
    if found is None:
        return so_far
    return found if so_far is None else max(so_far, found)


def _written(value: Any) -> str:
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _tombstones(gone: pa.Table, schema: pa.Schema, key: tuple[str, ...], observed: int) -> pa.Table:
    """Rows that are gone: the key's columns and ours, all else null."""
    rows = gone.num_rows
    own = {
        KEY: gone.column("key"),
        HASH: pa.nulls(rows, pa.string()),
        VERSION_AT: gone.column("version_at").cast(MOMENT),
        OBSERVED_AT: pa.array([observed] * rows, pa.int64()).cast(MOMENT),
        DELETED: pa.array([True] * rows, pa.bool_()),
    }
    for number, name in enumerate(key):
        kind = schema.field(name).type
        try:
            own[name] = gone.column(f"part_{number}").cast(kind)
        except pa.ArrowInvalid:  # of another type by now; what counts is the key as text
            own[name] = pa.nulls(rows, kind)
    columns = [own.get(field.name, pa.nulls(rows, field.type)) for field in schema]
    return pa.Table.from_arrays(columns, schema=schema)


def _behind(now: datetime, last_file: str | None) -> datetime:
    """The time of reading: later than the last one, whatever a clock that was set back says."""
    now = now.astimezone(UTC)
    if last_file is None:
        return now
    return max(now, moment_of(last_file) + timedelta(microseconds=1))


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
