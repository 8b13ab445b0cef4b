"""Read what is new in the tables of a source, before the warehouse is locked.

Of each table, in one snapshot: the rows at and behind the cursor (all without one), the keys of all
rows where deletions are looked for, and the server's own count of both. What differs from what is
known becomes one spool file.

A row committed late is found when its cursor lies within ``overlap`` of the greatest one that was
read, and beyond that by its key, where deletes are reconciled. What neither finds, an old row that
was updated without its cursor, ``full`` does: it compares all rows.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from governance.config import Source
from governance.home import Home
from governance.progress import Progress, silent
from ingestion.databases.connect import open_database
from ingestion.databases.known import Known
from ingestion.databases.tables import TableRead, TableReader
from ingestion.databases.trouble import Trouble
from ingestion.segments import Problem
from ingestion.spool import folder_of

PAUSES = (1.0, 4.0)
"""Seconds before the second and the third try of what may be over soon."""
SAMPLE_ROWS = 10


@dataclass(frozen=True, slots=True)
class Extraction:
    """What came of reading a source: the tables that were read, and what kept others from it."""

    source: str
    tables: tuple[TableRead, ...] = ()
    problems: tuple[Problem, ...] = ()
    left_alone: tuple[Problem, ...] = ()
    """Not an error: another load reads the source."""


@dataclass(frozen=True, slots=True)
class TableCheck:
    """The first rows of a table as they would be loaded, or why there are none."""

    table: str
    records: tuple[dict[str, Any], ...] = ()
    problem: Problem | None = None


def extract(
    home: Home,
    source: Source,
    *,
    progress: Progress = silent,
    now: datetime | None = None,
    full: bool = False,
    accept_deletes: bool = False,
) -> Extraction:
    """Read what is new of every table.

    Args:
        home: whose landing.
        source: of kind app_database.
        progress: told the rows read of each table.
        now: the time of reading; the clock's when not given.
        full: compare all rows, whatever the cursor says.
        accept_deletes: believe it when most rows of a table are gone.

    Returns:
        what was read, and a problem for each table, or for the database, that could not be; no
        table at all while another load reads the same source.
    """
    with _only_one(home, source) as free:
        if not free:
            return _busy(source, on_purpose=full or accept_deletes)
        try:
            database = open_database(home, source)
        except Trouble as trouble:
            return Extraction(source.name, (), (_problem(source, "", trouble),))
        reads: list[TableRead] = []
        problems: list[Problem] = []
        for table in source.tables:
            folder = Path(source.location(home)) / folder_of(table.table)
            reader = TableReader(database, source, table, folder, progress)
            try:
                with closing(Known(folder)) as known:
                    read = _tried(
                        partial(reader.read, known, now, full=full, accept_deletes=accept_deletes)
                    )
            except Trouble as trouble:
                problems.append(_problem(source, table.table, trouble))
                if trouble.place == "source":
                    break
                continue
            reads.append(read)
            if read.rows_spared:
                problems.append(_spared(source, read))
        return Extraction(source.name, tuple(reads), tuple(problems))


def check(
    home: Home, source: Source, *, rows: int = SAMPLE_ROWS, now: datetime | None = None
) -> list[TableCheck]:
    """Try the connection and read the first rows of each table; nothing is kept.

    Args:
        home: whose secret names the database.
        source: of kind app_database.
        rows: how many of each table.
        now: the time of reading; the clock's when not given.
    """
    try:
        database = open_database(home, source)
    except Trouble as trouble:
        return [TableCheck("", problem=_problem(source, "", trouble))]
    checks: list[TableCheck] = []
    for table in source.tables:
        reader = TableReader(database, source, table, Path(), silent)
        try:
            checks.append(TableCheck(table.table, reader.sample(rows, now or datetime.now(UTC))))
        except Trouble as trouble:
            checks.append(TableCheck(table.table, problem=_problem(source, table.table, trouble)))
            if trouble.place == "source":
                break
    return checks


def _tried(read: Callable[[], TableRead]) -> TableRead:
    for pause in PAUSES:
        try:
            return read()
        except Trouble as trouble:
            if not trouble.transient:
                raise
        time.sleep(pause)
    return read()


def _problem(source: Source, table: str, trouble: Trouble) -> Problem:
    """Of the whole database, the problem is named by where its address is kept."""
    place = str(source.url) if trouble.place == "source" else table
    return Problem(source.name, place, trouble.what, trouble.fix)


def _spared(source: Source, read: TableRead) -> Problem:
    return Problem(
        source.name,
        read.table,
        f"has lost {read.rows_spared} rows, more than half of it, since it was read last. Like a"
        " table that was emptied to be filled again: what is new was read, nothing was deleted",
        f"If those rows are really gone: throughline load {source.name} --accept-deletes",
    )


def _busy(source: Source, *, on_purpose: bool) -> Extraction:
    """Another load reads the source: this one has nothing to do, unless it was to do more."""
    found = Problem(
        source.name,
        str(source.url),
        "is being read by another load, so this one leaves it alone",
        "What is new is loaded with the next run. To read more than that, run again later.",
    )
    if on_purpose:
        return Extraction(source.name, problems=(found,))
    return Extraction(source.name, left_alone=(found,))


@contextmanager
def _only_one(home: Home, source: Source) -> Iterator[bool]:
    """Hold the source; False where another load does.

    Nobody waits: the first reading of a large table takes hours, and the other sources of an
    hourly run have nothing to do with it.
    """
    folder = Path(source.location(home))
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder / ".reading.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)
