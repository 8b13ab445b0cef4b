"""Running a Dagster job in this process, against the home's instance: what the command line does.

The run appears in the UI like any other: its steps, logs, assets and checks. What stopped it
comes back as the project's own errors, with the exit codes of the command line.
"""

from __future__ import annotations

import logging
import os
import time
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from uuid import uuid4

import dagster as dg
from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluation

from governance.config import load_config
from governance.errors import BlockedError, ThroughlineError
from governance.home import Home
from governance.keys import load_keys
from governance.progress import Progress, silent
from governance.warehouse import was_interrupted
from orchestration import keys
from orchestration.definitions import build_definitions
from orchestration.instance import open_instance
from orchestration.launcher import fail_dead_runs, process_tags
from orchestration.publishing import current_version
from orchestration.steps import watched_by

JobName = Literal["hourly", "nightly"]
# The console logger repeats on standard error what the event log has; the levels end at 50.
_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
# Warns, for every check, that a run with nothing to build checked nothing.
_PLAN_LOGGER = "dagster._core.execution.plan.active"
STARTED_BY_TAG = "throughline/started_by"


@dataclass(frozen=True, slots=True)
class JobReport:
    """A successful run: rows loaded by raw table, checks by outcome, what was published."""

    job: str
    run_id: str
    seconds: float
    rows_loaded: dict[str, int]
    checks: int
    warnings: tuple[str, ...]
    outcome: str  # of publishing: published | unchanged | held_back
    version: str


def run_job(home: Home, job: JobName, progress: Progress = silent) -> JobReport:
    """Run ``hourly`` or ``nightly`` to its end; readers see the result when it returns.

    Raises:
        BlockedError: a blocking check failed; nothing was published.
        UserError: what stopped a step can be mended, such as a busy warehouse.
        ThroughlineError: our fault; names the run, whose log is in the UI.
        KeyboardInterrupt: Ctrl-C; the run is recorded as failed.
    """
    load_config(home)
    load_keys(home)  # before a run is recorded that could not do anything
    started = time.monotonic()
    progress("preparing the graph", 0)
    logging.getLogger(_PLAN_LOGGER).setLevel(logging.ERROR)
    definition = build_definitions(home).resolve_job_def(job)
    run_id = str(uuid4())
    with open_instance(home) as instance:
        fail_dead_runs(instance)
        try:
            # dbt's lines go to HOME/logs/dbt; standard output belongs to the command line's answer
            with (
                watched_by(progress),
                Path(os.devnull).open("w") as nowhere,
                redirect_stdout(nowhere),
            ):
                result = definition.execute_in_process(
                    instance=instance,
                    run_config=_QUIET,
                    run_id=run_id,
                    tags={**process_tags(), STARTED_BY_TAG: "command line"},
                )
        except dg.DagsterExecutionInterruptedError:  # what Dagster makes of Ctrl-C inside a step
            raise KeyboardInterrupt from None
        except Exception as error:
            if any(map(was_interrupted, _chain(error))):
                raise KeyboardInterrupt from None
            raise _explained(home, instance, job, run_id, error) from error
    return _report(home, job, result, time.monotonic() - started)


def _explained(
    home: Home, instance: dg.DagsterInstance, job: str, run_id: str, error: Exception
) -> ThroughlineError:
    """Why the run failed, in the project's own words."""
    for cause in _chain(error):
        if isinstance(cause, ThroughlineError):
            return cause
    failed = _failed_checks(instance, run_id)
    if failed:
        names = ", ".join(
            f"{check.asset_key.to_user_string()} {check.check_name}" for check in failed
        )
        return BlockedError(
            f"{len(failed)} blocking check{'s' * (len(failed) > 1)} failed: {names}."
            " The published copy stays as it was.",
            why="\n".join(check.description for check in failed[:5] if check.description),
            fix="throughline dev shows each check with its rows; mend the data or the rule, then:"
            f" throughline run {job}",
        )
    return ThroughlineError(
        f"The job {job} failed (run {run_id}).",
        why=str(_chain(error)[-1])[:2000],
        fix=f"Its log is in the UI (throughline dev) and below {home.dagster / 'logs'}.",
    )


def _chain(error: BaseException) -> list[BaseException]:
    """``error`` and what caused it, outermost first; Dagster keeps a step's own in an attribute."""
    found: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and current not in found:
        found.append(current)
        current = getattr(current, "user_exception", None) or current.__cause__
    return found


def _failed_checks(instance: dg.DagsterInstance, run_id: str) -> list[AssetCheckEvaluation]:
    entries = instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
    checks = [entry.asset_check_evaluation for entry in entries]
    return [
        check
        for check in checks
        if check and not check.passed and check.severity == dg.AssetCheckSeverity.ERROR
    ]


def _report(home: Home, job: str, result: dg.ExecuteInProcessResult, seconds: float) -> JobReport:
    made = {
        each.asset_key: each.metadata
        for event in result.get_asset_materialization_events()
        if (each := event.step_materialization_data.materialization)
    }
    published = made.get(keys.PUBLISHED_ANALYST, {})
    checks = result.get_asset_check_evaluations()
    return JobReport(
        job=job,
        run_id=result.run_id,
        seconds=seconds,
        rows_loaded={
            table: int(str(metadata["rows_loaded"].value))
            for table in keys.RAW_TABLES
            if (metadata := made.get(keys.raw(table))) and "rows_loaded" in metadata
        },
        checks=len(checks),
        warnings=tuple(
            f"{check.check_name}: {check.description}" if check.description else check.check_name
            for check in checks
            if not check.passed
        ),
        # nothing new landed: the run ended after the load
        outcome=str(published["outcome"].value) if published else "unchanged",
        version=str(published["version"].value) if published else current_version(home) or "",
    )
