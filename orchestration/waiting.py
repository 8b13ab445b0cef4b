"""At most one waiting run per job: a second one would only see the same data."""

from __future__ import annotations

from dagster import DagsterInstance, DagsterRunStatus, RunsFilter

_WAITING = [DagsterRunStatus.QUEUED, DagsterRunStatus.NOT_STARTED, DagsterRunStatus.STARTING]


def waiting_run(instance: DagsterInstance, job: str) -> str | None:
    """The id of a run of ``job`` that has not started to work yet."""
    runs = instance.get_runs(RunsFilter(job_name=job, statuses=_WAITING), limit=1)
    return runs[0].run_id if runs else None
