"""Reading numbers of kept versions: what a chart showed then, and what changed it since."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import duckdb

from governance.errors import UsageError, UserError
from governance.home import Home
from orchestration.publishing import store
from orchestration.publishing.headline import METRICS
from orchestration.publishing.policy import quote
from orchestration.publishing.restating import MODEL
from orchestration.publishing.writer import SCHEMA


@dataclass(frozen=True, slots=True)
class Day:
    """A day's number as a version shows it."""

    metric_date: date
    value: Decimal


@dataclass(frozen=True, slots=True)
class Restatement:
    """One row of ops_restatements."""

    version: str
    previous_version: str
    metric_date: date
    metric: str
    cause: str
    part: Decimal
    persons: int
    previous_value: Decimal
    new_value: Decimal


def as_of(home: Home, version: str, metric: str) -> tuple[Day, ...]:
    """A daily number as ``version`` shows it, oldest day first.

    Args:
        home: whose published versions.
        version: a kept one, or ``current``.
        metric: one of ``METRICS``.

    Raises:
        UsageError: there is no such metric.
        UserError: the version is not kept, or shows no such number.
    """
    if metric not in METRICS:
        raise UsageError(
            f"There is no metric {metric!r}.",
            why=f"It is one of: {', '.join(METRICS)}.",
            fix=f"throughline as-of {version} {next(iter(METRICS))}",
        )
    name = _kept(home, version)
    query = METRICS[metric].query(quote(SCHEMA), metric)
    with _opened(home, name) as reader:
        try:
            rows = reader.execute(f"select metric_date, value from ({query}) order by 1").fetchall()
        except (duckdb.BinderException, duckdb.CatalogException) as error:
            raise UserError(
                f"The version {name} does not show {metric}.",
                why=str(error).splitlines()[0],
                fix="Ask a newer one: throughline publish --list",
            ) from error
    return tuple(Day(*row) for row in rows)


def restatements(home: Home, version: str | None = None) -> tuple[Restatement, ...]:
    """What changed numbers of complete days, newest version first; of ``version`` alone if given.

    Raises:
        UserError: nothing is published, or the current version has no such log.
    """
    current = _kept(home, store.CURRENT)
    where = "" if version is None else "where version = $1"
    columns = ", ".join(Restatement.__slots__)
    with _opened(home, current) as reader:
        try:
            rows = reader.execute(
                f"select {columns} from {SCHEMA}.{MODEL} {where}"
                " order by version desc, metric_date, metric, abs(part) desc, cause",
                [] if version is None else [version],
            ).fetchall()
        except duckdb.CatalogException as error:
            raise UserError(
                f"The version {current} has no log of restatements.",
                why="It was published by an older Throughline.",
                fix="Run: throughline run hourly",
            ) from error
    return tuple(Restatement(*row) for row in rows)


def _kept(home: Home, version: str) -> str:
    """The name of a version that is kept."""
    kept = [each.name for each in store.versions(home)]
    current = store.current_version(home)
    if current is None:
        raise UserError("Nothing is published yet.", fix="Run: throughline run hourly")
    if version == store.CURRENT:
        return current
    if version not in kept:
        raise UserError(
            f"There is no kept version {version}.",
            why=f"Kept are: {', '.join(kept[:10])}{' …' if len(kept) > 10 else ''}.",
            fix="throughline publish --list; publish.keep_hourly and keep_daily keep more",
        )
    return version


def _opened(home: Home, version: str) -> duckdb.DuckDBPyConnection:
    path = store.role_folder(home) / version / store.DATABASE
    return duckdb.connect(str(path), read_only=True)
