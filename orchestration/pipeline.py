"""The pipeline's steps outside Dagster: the functions its assets call, under the same lock."""

from __future__ import annotations

import uuid
from dataclasses import replace

from governance.config import Config
from governance.errors import BlockedError, UserError
from governance.home import Home
from governance.keys import Keys
from governance.progress import Progress, silent
from governance.warehouse import open_warehouse, warehouse_lock
from orchestration.dbt import BuildReport, manifest_path, raise_failures, run_dbt_build
from orchestration.increments import read_increments, rebuilt
from orchestration.inputs import (
    begin_build,
    finish_build,
    inputs_digest,
    remember_published,
    require_proven,
    settle_doubt,
    withdraw,
)
from orchestration.publishing import PublishReport, publish
from orchestration.quality import SUITE, explain, read_metrics, validate_once, verdicts_folder

_LOADED = "select 1 from duckdb_tables() where schema_name = 'raw' and table_name = '_dlt_loads'"


def build(
    home: Home,
    config: Config,
    keys: Keys,
    *,
    full_refresh: bool = False,
    wait_seconds: float | None = None,
    progress: Progress = silent,
) -> BuildReport:
    """Build and test every model of the warehouse.

    Raises:
        UserError: nothing was loaded yet, the warehouse is busy or has other keys.
        BlockedError: a test of severity error failed; the models were built all the same.
        ThroughlineError: a model could not be built.
    """
    if not home.warehouse.exists():
        raise _nothing_loaded(home)
    with warehouse_lock(home, "build", wait_seconds=wait_seconds):
        # refuses other keys and versions before dbt, whose errors say less
        with open_warehouse(home, keys=keys, storage=config.storage) as connection:
            if not connection.execute(_LOADED).fetchall():
                raise _nothing_loaded(home)
            inputs = inputs_digest(home, config, connection)
        begin_build(home)
        report = run_dbt_build(home, config, full_refresh=full_refresh, progress=progress)
        finish_build(home, inputs, [failure.name for failure in report.failures])
        if full_refresh and not any(failure.kind == "model" for failure in report.failures):
            settle_doubt(home)
        with open_warehouse(home, keys=keys, storage=config.storage) as connection:
            report = replace(report, rebuilt=rebuilt(read_increments(connection)))
    raise_failures(report, home)
    return report


def _nothing_loaded(home: Home) -> UserError:
    return UserError(
        "There is nothing to build from.",
        why=f"No source has been loaded into {home.warehouse}.",
        fix="Run: throughline load",
    )


def publish_marts(
    home: Home,
    config: Config,
    keys: Keys,
    *,
    wait_seconds: float | None = None,
    progress: Progress = silent,
) -> PublishReport:
    """Publish by hand; the run's id in the manifest says so.

    Raises:
        BlockedError: a blocking test of the last build failed, or it did not come to its end.
        UserError: as ``publish`` does.
    """
    if home.warehouse.exists() and manifest_path(home).exists():  # else publish says what is not
        require_proven(home)
        _refuse_bad_metrics(home, config, keys)
    report = publish(
        home,
        config,
        keys,
        dbt_manifest=manifest_path(home),
        run_id=f"cli-{uuid.uuid4()}",
        wait_seconds=wait_seconds,
        progress=progress,
    )
    remember_published(home, report.version)
    return report


def _refuse_bad_metrics(home: Home, config: Config, keys: Keys) -> None:
    """The expectations bind who publishes by hand too."""
    verdict = validate_once(read_metrics(home, config, keys), verdicts_folder(home))
    if not verdict.passed:
        withdraw(home, SUITE)
        raise BlockedError(
            f"The check {SUITE} failed, so the marts are not published.",
            why=explain(verdict),
            fix="Mend the model or the event that made these rows, then: throughline build",
        )
