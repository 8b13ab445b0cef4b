"""The pipeline's steps outside Dagster: the functions its assets call, under the same lock."""

from __future__ import annotations

import uuid

from governance.config import Config
from governance.errors import BlockedError, UserError
from governance.home import Home
from governance.keys import Keys
from governance.progress import Progress, silent
from governance.warehouse import open_warehouse, warehouse_lock
from orchestration.dbt import BuildReport, manifest_path, raise_failures, run_dbt_build
from orchestration.publishing import PublishReport, publish
from orchestration.status import read_last_build


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
        raise UserError(
            "There is nothing to build from.",
            why=f"{home.warehouse} does not exist: no source has been loaded.",
            fix="Run: throughline load",
        )
    with warehouse_lock(home, "build", wait_seconds=wait_seconds):
        # refuses other keys and versions before dbt, whose errors say less
        open_warehouse(home, keys=keys, storage=config.storage).close()
        report = run_dbt_build(home, config, full_refresh=full_refresh, progress=progress)
    raise_failures(report, home)
    return report


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
    _refuse_unproven_marts(home)
    return publish(
        home,
        config,
        keys,
        dbt_manifest=manifest_path(home),
        run_id=f"cli-{uuid.uuid4()}",
        wait_seconds=wait_seconds,
        progress=progress,
    )


def _refuse_unproven_marts(home: Home) -> None:
    """The tests stand between the marts and their readers, also for who publishes by hand."""
    if not home.warehouse.exists() or not manifest_path(home).exists():
        return  # publish says what is missing
    last = read_last_build(home)
    if last is None:
        raise BlockedError(
            "The marts have no finished build behind them, so they are not published.",
            why="The last build was stopped before its tests were done.",
            fix="Run: throughline build",
        )
    if last.failures:
        raise BlockedError(
            "The last build failed, so its marts are not published: "
            + ", ".join(failure.name for failure in last.failures[:10]),
            why="The published copy stays as it was.",
            fix="See what failed with: throughline status; then: throughline build",
        )
