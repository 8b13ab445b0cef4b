"""The audit itself: choose, copy, rebuild, compare, and note what was found."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from governance.config import Config
from governance.errors import BlockedError, UserError
from governance.home import Home
from governance.keys import Keys
from governance.progress import Progress, silent
from governance.warehouse import open_warehouse, translate_duckdb_errors, warehouse_lock
from orchestration.audit.closure import close_over, collect_names, collect_unknown
from orchestration.audit.comparing import (
    MEANT,
    REPORTS,
    Comparison,
    Mismatch,
    collect_scope,
    compare,
    is_sampled,
    state_marts,
)
from orchestration.audit.scratch import (
    attached,
    fill,
    scratch_address,
    scratch_file,
    scratch_folder,
)
from orchestration.dbt import apart_folder, build_apart, parse
from orchestration.inputs import (
    Doubt,
    built_from,
    doubt,
    inputs_digest,
    raise_doubt,
    settle_doubt,
)
from orchestration.publishing.catalog import ModelDoc, read_marts

SHARE = 0.01
FEWEST_PERSONS = 100
MOST_PERSONS = 10_000
# Names of raw that nobody has: mostly of rows that do not count, maybe of somebody who is missing.
MOST_UNKNOWN = 1000
# A night has an end: of persons and names whose rows depend on more than this, fewer are audited.
MOST_ROWS = 1_000_000


@dataclass(frozen=True, slots=True)
class _Filled:
    """Who is audited, how many unknown names besides, from how many raw events."""

    persons: list[str]
    unknown: int
    raw_rows: int


@dataclass(frozen=True, slots=True)
class AuditReport:
    """What was compared and what differs.

    ``persons``: how many were audited, of ``all_persons``; None of a full audit. ``left_out``:
    those that were chosen, but would have been too much for a night. ``unknown_names``: names of
    raw that nobody has, and that were looked into. ``rows``: compared, by mart.
    ``differing``: rows that differ, by mart, of which ``mismatches`` are the first.
    """

    seed: int
    persons: int | None
    all_persons: int
    left_out: int
    unknown_names: int
    raw_rows: int
    rows: Mapping[str, int]
    differing: Mapping[str, int]
    mismatches: tuple[Mismatch, ...]
    seconds: float

    @property
    def passed(self) -> bool:
        return not self.differing


def audit(
    home: Home,
    config: Config,
    keys: Keys,
    *,
    dbt_manifest: Path,
    seed: int,
    persons: int | None = None,
    full: bool = False,
    most_rows: int = MOST_ROWS,
    wait_seconds: float | None = None,
    progress: Progress = silent,
) -> AuditReport:
    """Rebuild persons from raw and compare their rows with those that stand.

    The warehouse is only read, and held until the end. Rows that differ are noted in the home:
    nothing is published until an audit of the same persons, a full one or a full refresh.

    Args:
        home: whose warehouse.
        config: the home's.
        keys: the home's.
        dbt_manifest: dbt's manifest.json of the build that made the marts.
        seed: chooses the persons; the same seed chooses the same of the same persons.
        persons: how many; one in a hundred when None, at least 100 and at most 10,000.
        full: everybody and every state mart instead, from all raw rows.
        most_rows: of raw events to rebuild from; where they are more, fewer persons and unknown
            names are audited, one person at least.
        wait_seconds: how long to wait for another process that holds the warehouse.
        progress: told what is being done.

    Raises:
        UserError: nothing is built, something was loaded or configured since, the disk is full.
        ThroughlineError: the rows could not be rebuilt.
    """
    started = time.monotonic()
    marts = state_marts(read_marts(dbt_manifest))
    if not home.warehouse.exists():
        raise _not_built("There is no warehouse.")
    with (
        warehouse_lock(home, "audit", wait_seconds=wait_seconds),
        translate_duckdb_errors(home),
        scratch_folder(home) as folder,
    ):
        progress("finding raw rows", 0)
        with open_warehouse(home, keys=keys, storage=config.storage) as warehouse:
            _refuse_other_inputs(home, config, warehouse)
            everybody = _everybody(warehouse, seed)
            chosen = [] if full else _choose(home, everybody, persons)
            filled = _fill(warehouse, config, folder, chosen, seed, full, most_rows)
        build_apart(
            home,
            config,
            warehouse=scratch_file(folder),
            exclude=() if full else (f"{REPORTS}*",),
            progress=progress,
        )
        with open_warehouse(home, keys=keys, storage=config.storage) as warehouse:
            compared = _compare(warehouse, folder, marts, filled.persons, full, progress)
    report = AuditReport(
        seed=seed,
        persons=None if full else len(filled.persons),
        all_persons=len(everybody),
        left_out=len(chosen) - len(filled.persons),
        unknown_names=filled.unknown,
        raw_rows=filled.raw_rows,
        rows={name: each.rows for name, each in compared.items()},
        differing={name: each.differing for name, each in compared.items() if each.differing},
        mismatches=tuple(m for each in compared.values() for m in each.mismatches),
        seconds=time.monotonic() - started,
    )
    _note(home, report, compared, filled.persons, full=full)
    return report


def parse_ahead(home: Home, config: Config) -> None:
    """Have dbt parse its project for a first audit of the home; needs nothing of the warehouse.

    Raises: subprocess.TimeoutExpired.
    """
    parse(home, config, apart_folder(home), warehouse=scratch_file(scratch_address(home)))


def refuse_mismatches(report: AuditReport) -> None:
    """Raise when something differs.

    Raises:
        BlockedError: names rows and inputs; nothing is published before they are mended.
    """
    if report.passed:
        return
    counted = ", ".join(f"{name} {count:,}" for name, count in report.differing.items())
    raise BlockedError(
        f"The audit found rows that raw does not give: {counted}."
        " The published copy stays as it was.",
        why="\n".join(str(mismatch) for mismatch in report.mismatches[:5]),
        fix=f"See all with: throughline audit --seed {report.seed}; build everything from raw with:"
        " throughline build --full-refresh",
    )


def _everybody(warehouse: duckdb.DuckDBPyConnection, seed: int) -> list[str]:
    """All persons, in an order that depends on the seed alone."""
    found = warehouse.execute(
        "select person_id from intermediate.int_identity_nodes where person_id is not null"
        " union select person_id from intermediate.int_event_persons where person_id is not null"
    ).fetchall()
    return sorted(
        (person for (person,) in found),
        key=lambda person: hashlib.sha256(f"{seed} {person}".encode()).digest(),
    )


def _choose(home: Home, everybody: Sequence[str], persons: int | None) -> list[str]:
    """Whom to audit: those in doubt, then the first by seed."""
    count = persons or min(max(FEWEST_PERSONS, round(len(everybody) * SHARE)), MOST_PERSONS)
    in_doubt = doubt(home)
    return list(dict.fromkeys([*(in_doubt.persons if in_doubt else ()), *everybody[:count]]))


def _fill(
    warehouse: duckdb.DuckDBPyConnection,
    config: Config,
    folder: Path,
    chosen: list[str],
    seed: int,
    full: bool,
    most_rows: int,
) -> _Filled:
    """Copy what the rebuilding needs."""
    if full:
        fill(warehouse, folder, everything=True)
        rows = warehouse.execute("select count(*) from raw.events").fetchall()[0][0]
        return _Filled([], unknown=0, raw_rows=rows)
    collect_names(warehouse, config)
    unknown = collect_unknown(warehouse, seed, MOST_UNKNOWN)
    closure = close_over(warehouse, config, chosen, unknown)
    while closure.rows > most_rows and (len(chosen) > 1 or unknown):
        chosen, unknown = chosen[: max(len(chosen) // 2, 1)], unknown // 2
        closure = close_over(warehouse, config, chosen, unknown)
    fill(warehouse, folder, everything=False)
    # the file keeps who was meant while dbt has it
    with attached(warehouse, folder):
        warehouse.execute("create schema scratch.audit")
        for table in MEANT:
            warehouse.execute(f"create table scratch.audit.{table} as from {table}")
    return _Filled(chosen, unknown=unknown, raw_rows=closure.rows)


def _compare(
    warehouse: duckdb.DuckDBPyConnection,
    folder: Path,
    marts: Sequence[ModelDoc],
    audited: Sequence[str],
    full: bool,
    progress: Progress,
) -> dict[str, Comparison]:
    with attached(warehouse, folder):
        if not full:
            warehouse.execute(
                "create temp table audited as select unnest($1::varchar[]) as person_id",
                [list(audited)],
            )
            for table in MEANT:
                warehouse.execute(f"create temp table {table} as from scratch.audit.{table}")
            collect_scope(warehouse)
        wanted = [mart for mart in marts if full or is_sampled(mart)]
        compared = {}
        for done, mart in enumerate(wanted):
            progress("comparing", done, len(wanted))
            compared[mart.name] = compare(warehouse, mart, everything=full)
        progress("comparing", len(wanted), len(wanted))
    return compared


def _refuse_other_inputs(home: Home, config: Config, warehouse: duckdb.DuckDBPyConnection) -> None:
    """Rebuilt rows would differ because something came in between, and not because of a mistake."""
    made_from = built_from(home)
    if made_from is None:
        raise _not_built("The last build was stopped, or built only some marts.")
    if made_from != inputs_digest(home, config, warehouse):
        raise _not_built(
            "Since they were built something was loaded, or the configuration or the program"
            " changed."
        )


def _not_built(why: str) -> UserError:
    return UserError("There are no marts to audit.", why=why, fix="Run: throughline build")


def _note(
    home: Home,
    report: AuditReport,
    compared: Mapping[str, Comparison],
    audited: Sequence[str],
    *,
    full: bool,
) -> None:
    """Hold publishing back, or let it go on when those who were in doubt were audited again."""
    if not report.passed:
        differing = {person for each in compared.values() for person in each.persons}
        # who is known to raw alone cannot be chosen again: a full audit has to clear that
        persons = () if differing - set(audited) else sorted(differing or audited)
        raise_doubt(
            home,
            Doubt(
                seed=report.seed,
                rows=sum(report.differing.values()),
                persons=tuple(persons)[:MOST_PERSONS],
            ),
        )
        return
    before = doubt(home)
    if before and (full or (before.persons and set(before.persons) <= set(audited))):
        settle_doubt(home)
