"""Which runs are alive: to Dagster's default launcher a killed run works for ever.

A run carries the pid of its process (an engine event when a worker starts, a tag for runs of the
command line) and, as tags, the host and boot it was started on. The daemon's run monitoring asks
``check_run_worker_health`` and fails what has no process any more; the command line does the same
before it starts, because it may be used without a daemon. A run of another host that shares the
home cannot be seen from here: it is left to the run monitoring's ``max_runtime_seconds``.
"""

from __future__ import annotations

from dataclasses import dataclass

from dagster import DagsterInstance, DagsterRun, DagsterRunStatus, RunsFilter
from dagster._core.events import DagsterEventType
from dagster._core.launcher import CheckRunHealthResult, DefaultRunLauncher, WorkerStatus
from dagster._core.launcher.base import LaunchRunContext

from governance.process import Process, started_at, this_process

PID_TAG = "throughline/pid"  # of a run inside the command line's process
HOST_TAG = "throughline/host"
BOOT_TAG = "throughline/boot"
STARTED_TAG = "throughline/process_started"

# Clocks are set now and then; a pid is not given out again that soon.
_TOLERANCE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class RunProcess:
    """The process a run reported; ``seen_at`` is when it did, in seconds since 1970."""

    process: Process
    seen_at: float | None

    @property
    def is_gone(self) -> bool:
        """Whether it certainly ended: unknown is not gone."""
        alive = self.process.is_alive
        if alive and self.seen_at is not None:
            began = started_at(self.process.pid)
            # what began after the run had spoken is another process with its pid
            return began is not None and began > self.seen_at + _TOLERANCE_SECONDS
        return alive is False

    def __str__(self) -> str:
        where = f" on {self.process.host}" if self.process.host else ""
        return f"{self.process.pid}{where}"


def process_tags() -> dict[str, str]:
    """The tags of a run that works inside this process."""
    me = this_process()
    return {PID_TAG: str(me.pid), STARTED_TAG: me.started, **place_tags()}


def place_tags() -> dict[str, str]:
    """The tags of a run whose process is started from here."""
    me = this_process()
    return {HOST_TAG: me.host, BOOT_TAG: me.boot}


def run_process(instance: DagsterInstance, run: DagsterRun) -> RunProcess | None:
    """The process the run reported, None while it has not come so far."""
    host, boot = run.tags.get(HOST_TAG, ""), run.tags.get(BOOT_TAG, "")
    if PID_TAG in run.tags:
        began = run.tags.get(STARTED_TAG, "")
        return RunProcess(Process(int(run.tags[PID_TAG]), host, boot, began), None)
    for entry in instance.all_logs(run.run_id, of_type=DagsterEventType.ENGINE_EVENT):
        if entry.dagster_event is None:
            continue
        pid = entry.dagster_event.engine_event_data.metadata.get("pid")
        if pid is not None:
            return RunProcess(Process(int(str(pid.value)), host, boot), entry.timestamp)
    return None


class WatchedRunLauncher(DefaultRunLauncher):
    """The default launcher (one process per run) that knows whether that process is still there."""

    @property
    def supports_check_run_worker_health(self) -> bool:
        return True

    def launch_run(self, context: LaunchRunContext) -> None:
        """Note where the run's process is started, then start it."""
        self._instance.add_run_tags(context.dagster_run.run_id, place_tags())
        super().launch_run(context)

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """Failed when the run's process is gone; what is not known is left to the time limits."""
        found = run_process(self._instance, run)
        if found is None or not found.is_gone:
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return CheckRunHealthResult(WorkerStatus.FAILED, f"its process {found} is gone")


def fail_dead_runs(instance: DagsterInstance) -> list[str]:
    """Fail started runs without a process and free their pool slots; returns their ids."""
    dead = []
    for run in instance.get_runs(RunsFilter(statuses=[DagsterRunStatus.STARTED])):
        found = run_process(instance, run)
        if found is None or not found.is_gone:
            continue
        instance.report_run_failed(
            run, f"Its process {found} is gone: killed, or the machine stopped."
        )
        instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
        dead.append(run.run_id)
    return dead
