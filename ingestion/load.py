"""Load what is new in landing into ``raw``: lock, clean up after a killed load, run, report.

A load can be killed at any instant. Its rows count only once dlt has written its id to
``raw._dlt_loads``; the next load deletes the rows of ids that are not there, throws dlt's working
folder away, and reads the same spans again.
"""

from __future__ import annotations

import errno
import logging
import os
import secrets
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import dlt
import duckdb
from dlt.extract import DltSource
from dlt.pipeline.exceptions import PipelineStepFailed

from governance.config import Config, Source
from governance.errors import ThroughlineError, UserError, causes
from governance.home import Home
from governance.keys import Keys
from governance.progress import Progress, silent
from governance.warehouse import disk_full, explain, open_warehouse, warehouse_lock
from ingestion.exchange_rates import read_exchange_rates
from ingestion.identity_overrides import overrides_table, read_overrides
from ingestion.raw_schema import FILES_OF_THE_OWNER, TABLES
from ingestion.reading import Reading, SourceReading
from ingestion.rejects import delete_unreferenced
from ingestion.segments import Committed, Problem, Waiting
from ingestion.sources.landing import landing

if TYPE_CHECKING:
    from ingestion.databases import Extraction

PIPELINE = "throughline"
SCHEMA = "raw"

_SETTINGS = {
    # Turned on later it would break tables that exist.
    "NORMALIZE__PARQUET_NORMALIZER__ADD_DLT_LOAD_ID": "true",
    "RUNTIME__DLTHUB_TELEMETRY": "false",
    # Its tracebacks of a full disk; whatever fails comes out of the run as an exception.
    "RUNTIME__LOG_LEVEL": "CRITICAL",
}


@dataclass(frozen=True, slots=True)
class SourceReport:
    """What a load did with one source; counts are records unless they say otherwise."""

    source: str
    segments: int
    lines: int
    accepted: int
    stripped: int
    quarantined: dict[str, int]  # by reason
    by_position: int
    """Records without an id and without a row_identity: known by their position, never dropped."""
    waiting: tuple[Waiting, ...]
    problems: tuple[Problem, ...]
    ignored: tuple[Problem, ...] = ()
    """Left alone, and not an error: files whose ending nobody knows, databases being read."""
    postponed: int = 0
    """Dumps beyond ``limits.load_bytes``: the next load reads them."""

    @property
    def records(self) -> int:
        return self.accepted + self.stripped + sum(self.quarantined.values())

    def followed_by(self, later: SourceReport) -> SourceReport:
        """Both together: counts are added, of what is wrong or waits the later is true."""
        reasons = Counter(self.quarantined) + Counter(later.quarantined)
        return replace(
            later,
            segments=self.segments + later.segments,
            lines=self.lines + later.lines,
            accepted=self.accepted + later.accepted,
            stripped=self.stripped + later.stripped,
            quarantined=dict(sorted(reasons.items())),
            by_position=self.by_position + later.by_position,
            problems=tuple(dict.fromkeys((*self.problems, *later.problems))),
        )

    @property
    def share_stripped(self) -> float:
        """Of the accepted and stripped records; 0 when there are none."""
        usable = self.accepted + self.stripped
        return self.stripped / usable if usable else 0.0


@dataclass(frozen=True, slots=True)
class LoadReport:
    """What a load did, source by source."""

    sources: tuple[SourceReport, ...] = ()

    @property
    def records(self) -> int:
        return sum(source.records for source in self.sources)

    @property
    def postponed(self) -> int:
        return sum(source.postponed for source in self.sources)

    @property
    def problems(self) -> tuple[Problem, ...]:
        return tuple(problem for source in self.sources for problem in source.problems)

    def followed_by(self, later: LoadReport) -> LoadReport:
        """This report and that of the part of the same load that came after it."""
        before = {source.source: source for source in self.sources}
        return LoadReport(
            tuple(
                before[source.source].followed_by(source) if source.source in before else source
                for source in later.sources
            )
        )


@dataclass(slots=True)
class PreparedLoad:
    """A load ready to run: hand ``pipeline`` and ``source`` to dlt, or call ``run``."""

    pipeline: dlt.Pipeline
    source: DltSource
    _home: Home = field(repr=False)
    _reading: Reading = field(repr=False)

    def run(self) -> None:
        """Run dlt once.

        Raises:
            UserError: the disk is full, a file changed while it was read.
        """
        with translated(self._home):
            self.pipeline.run(self.source)

    def report(self) -> LoadReport:
        """What was read; complete once the run has ended."""
        return LoadReport(tuple(_report(part) for part in self._reading.sources))


def load(
    home: Home,
    config: Config,
    keys: Keys,
    *,
    sources: Sequence[str] | None = None,
    again: bool = False,
    accept_deletes: bool = False,
    progress: Progress | None = None,
) -> LoadReport:
    """Load what is new: read the databases, then all files.

    Args:
        home: whose landing and warehouse.
        config: its configuration.
        keys: its keys.
        sources: names; all when not given.
        again: read every segment from its start, as a new generation that supersedes the old one;
            of databases compare all rows.
        accept_deletes: believe a database that has lost most rows of a table.
        progress: told bytes read and records loaded.

    Raises:
        UserError: an unknown source, a missing folder; or, after all else was loaded, a segment
            that was replaced or cannot be read, a database or a table that cannot be read.
    """
    extracted = read_databases(
        home,
        config,
        sources=sources,
        full=again,
        accept_deletes=accept_deletes,
        progress=progress,
    )
    report = LoadReport()
    while True:
        with loading(
            home,
            config,
            keys,
            sources=sources,
            again=again,
            extracted=extracted,
            progress=progress,
        ) as prepared:
            prepared.run()
            report = report.followed_by(prepared.report())
        if not report.postponed:
            break
        # The lock is free for a moment: what waits for it goes first.
        extracted = []
    refuse_problems(report)
    return report


def read_databases(
    home: Home,
    config: Config,
    *,
    sources: Sequence[str] | None = None,
    full: bool = False,
    accept_deletes: bool = False,
    progress: Progress | None = None,
) -> list[Extraction]:
    """Read what is new in the databases among the sources.

    To be called before the warehouse is locked: a slow database holds nobody up.

    Args:
        home: whose spool.
        config: its configuration.
        sources: names; all when not given.
        full: compare all rows, whatever the cursors say.
        accept_deletes: believe it when most rows of a table are gone.
        progress: told the rows read.

    Raises:
        UserError: an unknown source, or the disk is full.
    """
    chosen = [source for source in _chosen(config, sources) if source.kind == "app_database"]
    if not chosen:
        return []
    from ingestion.databases import extract  # half a second, and most homes have no database

    os.environ.update(_SETTINGS)
    logging.getLogger("dlt").setLevel(logging.CRITICAL)
    with translated(home):
        return [
            extract(
                home,
                source,
                full=full,
                accept_deletes=accept_deletes,
                progress=progress or silent,
            )
            for source in chosen
        ]


@contextmanager
def loading(
    home: Home,
    config: Config,
    keys: Keys,
    *,
    sources: Sequence[str] | None = None,
    again: bool = False,
    extracted: Sequence[Extraction] = (),
    progress: Progress | None = None,
) -> Iterator[PreparedLoad]:
    """A prepared load: lock taken, leftovers removed, spans planned, receipts counted.

    ``extracted`` is what ``read_databases`` gave: its problems are reported with the others, and
    how far each database was read becomes its ``data_until``.
    """
    chosen = _chosen(config, sources)
    began = datetime.now(UTC)
    os.environ.update(_SETTINGS)
    logging.getLogger("dlt").setLevel(logging.CRITICAL)
    with warehouse_lock(home, "load"), translated(home):
        connection = open_warehouse(home, keys=keys, storage=config.storage)
        try:
            # Order means nothing in raw, and keeping it holds a whole load in memory.
            connection.execute("set preserve_insertion_order = false")
            _clean_up(home, connection)
            reading = Reading(
                home,
                config,
                keys,
                sources=chosen,
                positions=_positions(connection),
                again=again,
                extracted=extracted,
                name=f"{began:%Y%m%dT%H%M%S}{secrets.token_hex(3)}",
                load_began=began,
                progress=progress or silent,
            )
            try:
                source = landing(
                    reading,
                    read_exchange_rates(home, config),
                    overrides_table(read_overrides(home, keys)),
                )
                pipeline = dlt.pipeline(
                    PIPELINE,
                    pipelines_dir=str(home.dlt),
                    destination=dlt.destinations.duckdb(connection),
                    dataset_name=SCHEMA,
                )
                yield PreparedLoad(pipeline, source, home, reading)
                _drop_older_files(connection)
            finally:
                reading.close()
        finally:
            connection.close()


def refuse_problems(report: LoadReport) -> None:
    """Raise when a segment could not be read; all the others are loaded by then.

    Raises:
        UserError: naming each segment, what is wrong with it and the fix.
    """
    if report.problems:
        raise UserError(
            "\n".join(f"{p.source}/{p.segment} {p.what}." for p in report.problems),
            why="Everything else was loaded.",
            fix="\n".join(dict.fromkeys(problem.fix for problem in report.problems)),
        )


@contextmanager
def translated(home: Home) -> Iterator[None]:
    """Errors a user can mend come out as UserError, from below dlt's own wrapping too."""
    try:
        yield
    except ThroughlineError:
        raise
    except (OSError, duckdb.Error, PipelineStepFailed) as error:
        for cause in causes(error):
            if isinstance(cause, ThroughlineError):
                raise cause from None
            if isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT):
                raise disk_full(home.root) from None
            # A failed job of dlt carries DuckDB's error only as text.
            ours = explain(str(cause), home)
            if ours is not None:
                raise ours from None
        raise


def _chosen(config: Config, names: Sequence[str] | None) -> list[Source]:
    if names is None:
        return list(config.sources)
    known = {source.name: source for source in config.sources}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise UserError(
            f"There is no source named {', '.join(map(repr, unknown))}.",
            why=f"throughline.yml knows: {', '.join(known)}.",
            fix="Name one of those, or add the source to throughline.yml.",
        )
    return [known[name] for name in dict.fromkeys(names)]


def _clean_up(home: Home, connection: duckdb.DuckDBPyConnection) -> None:
    """Remove what a killed load left: dlt's packages, uncommitted rows, unreferenced rejects."""
    shutil.rmtree(home.dlt, ignore_errors=True)
    present = _tables(connection)
    committed = f"select load_id from {SCHEMA}._dlt_loads where status = 0"
    for table in TABLES:
        if table in present:
            orphans = f"_dlt_load_id not in ({committed})" if "_dlt_loads" in present else "true"
            connection.execute(f"delete from {SCHEMA}.{table} where {orphans}")
    _drop_older_files(connection)
    if "rejects" in present:
        rows = connection.execute(f"select distinct stored_in from {SCHEMA}.rejects").fetchall()
        delete_unreferenced(home, {stored_in for (stored_in,) in rows})


def _drop_older_files(connection: duckdb.DuckDBPyConnection) -> None:
    """Keep of the owner's files what the newest committed load read."""
    present = _tables(connection)
    if "_dlt_loads" in present:
        newest = f"select max(load_id) from {SCHEMA}._dlt_loads where status = 0"
        for table in set(FILES_OF_THE_OWNER) & present:
            connection.execute(f"delete from {SCHEMA}.{table} where _dlt_load_id < ({newest})")


def _positions(connection: duckdb.DuckDBPyConnection) -> dict[tuple[str, str], Committed]:
    """How far each segment was read in its current generation."""
    if "segments" not in _tables(connection):
        return {}
    rows = connection.execute(
        "select source, segment, generation, to_offset, size_bytes, head_digest"
        f" from {SCHEMA}.segments"
        " qualify row_number() over"
        " (partition by source, segment order by generation desc, to_offset desc) = 1"
    ).fetchall()
    return {(row[0], row[1]): Committed(*row[2:]) for row in rows}


def _tables(connection: duckdb.DuckDBPyConnection) -> set[str]:
    rows = connection.execute(
        "select table_name from duckdb_tables() where schema_name = ?", [SCHEMA]
    ).fetchall()
    return {name for (name,) in rows}


def _report(part: SourceReading) -> SourceReport:
    reasons: Counter[str] = Counter()
    for tally in part.tallies:
        reasons.update(tally.reasons)
    return SourceReport(
        source=part.source.name,
        segments=len(part.tallies),
        lines=sum(tally.lines for tally in part.tallies),
        accepted=sum(tally.accepted for tally in part.tallies),
        stripped=sum(tally.stripped for tally in part.tallies),
        quarantined=dict(sorted(reasons.items())),
        by_position=part.unidentified,
        waiting=tuple(part.waiting),
        problems=tuple(part.problems),
        ignored=tuple(part.ignored),
        postponed=part.postponed,
    )
