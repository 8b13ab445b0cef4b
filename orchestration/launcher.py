"""Which runs are alive: to Dagster's default launcher a killed run works for ever.

A run's process writes its pid into the run (an engine event when a worker starts, a tag for runs
of the command line). The daemon's run monitoring asks ``check_run_worker_health`` and fails what
has no process any more; the command line does the same before it starts, because it may be used
without a daemon.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from dagster import DagsterInstance, DagsterRun, DagsterRunStatus, RunsFilter
from dagster._core.events import DagsterEventType
from dagster._core.launcher import CheckRunHealthResult, DefaultRunLauncher, WorkerStatus

PID_TAG = "throughline/pid"  # of a run inside the command line's process


def process_is_alive(pid: int) -> bool:
    """Whether ``pid`` names a process that still runs; a zombie does not."""
    if sys.platform == "linux":
        try:
            status = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
        except OSError:
            return False
        return status.rpartition(")")[2].split()[0] not in {"Z", "X"}
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def run_pid(instance: DagsterInstance, run: DagsterRun) -> int | None:
    """The pid the run's process reported, None while it has not come so far."""
    if PID_TAG in run.tags:
        return int(run.tags[PID_TAG])
    for entry in instance.all_logs(run.run_id, of_type=DagsterEventType.ENGINE_EVENT):
        if entry.dagster_event is None:
            continue
        pid = entry.dagster_event.engine_event_data.metadata.get("pid")
        if pid is not None:
            return int(str(pid.value))
    return None


class WatchedRunLauncher(DefaultRunLauncher):
    """The default launcher (one process per run) that knows whether that process is still there."""

    @property
    def supports_check_run_worker_health(self) -> bool:
        return True

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """Failed when the run's process is gone; unknown pids are left to the start timeout."""
        pid = run_pid(self._instance, run)
        if pid is None or process_is_alive(pid):
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return CheckRunHealthResult(WorkerStatus.FAILED, f"its process {pid} is gone")


def fail_dead_runs(instance: DagsterInstance) -> list[str]:
    """Fail started runs without a process and free their pool slots; returns their ids."""
    dead = []
    for run in instance.get_runs(RunsFilter(statuses=[DagsterRunStatus.STARTED])):
        pid = run_pid(instance, run)
        if pid is None or process_is_alive(pid):
            continue
        instance.report_run_failed(
            run, f"Its process {pid} is gone: killed, or the machine stopped."
        )
        instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
        dead.append(run.run_id)
    return dead
