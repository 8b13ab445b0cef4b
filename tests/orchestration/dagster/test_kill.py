"""Kill -9 of a run and of the daemon: the next schedule succeeds unaided, and nothing is left
behind.

Long (about four minutes): a schedule ticks at full minutes, and two whole runs are needed.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import psutil
import pytest
import yaml

from governance.home import Home
from governance.process import pid_is_alive
from orchestration.instance import dagster_environment
from orchestration.launcher import run_process
from orchestration.publishing import current_version
from tests.conftest import MINIMAL, ROOT

pytestmark = pytest.mark.long

EVERY_MINUTE = {**MINIMAL, "schedules": {"hourly": "* * * * *", "nightly": "0 0 1 1 *"}}
PATIENCE_SECONDS = 600
ENDED = {dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED}


class Daemons:
    """The daemons this test starts, and every process they started."""

    def __init__(self, home: Home, log: Path) -> None:
        self._environment = dagster_environment(home)
        self._log = log
        self._mine: dict[int, psutil.Process] = {}
        settings = home.dagster / "dagster.yaml"
        impatient = yaml.safe_load(settings.read_text())
        impatient["run_monitoring"].update(
            poll_interval_seconds=2, free_slots_after_run_end_seconds=2
        )
        settings.write_text(yaml.safe_dump(impatient))

    def start(self) -> psutil.Process:
        with self._log.open("ab") as log:
            started = subprocess.Popen(
                [sys.executable, "-m", "dagster._daemon", "run", "-m", "orchestration.definitions"],
                cwd=ROOT,
                env=self._environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        daemon = psutil.Process(started.pid)
        self._mine[daemon.pid] = daemon
        return daemon

    def remember_children(self) -> None:
        for process in list(self._mine.values()):
            if process.is_running():
                self._mine.update({child.pid: child for child in process.children(recursive=True)})

    def alive(self) -> list[psutil.Process]:
        return [
            each for each in self._mine.values() if each.is_running() and pid_is_alive(each.pid)
        ]

    def stop(self) -> None:
        self.remember_children()
        for process in self.alive():
            process.kill()


@pytest.fixture
def daemons(make_home: Callable[..., Home], tmp_path: Path) -> Iterator[tuple[Home, Daemons]]:
    home = make_home(EVERY_MINUTE)
    land(home, "2026-04-01T10:00:00Z", ["a", "b", "c"])
    mine = Daemons(home, tmp_path / "daemon.log")
    yield home, mine
    mine.stop()
    psutil.wait_procs(mine.alive(), timeout=20)


def land(home: Home, moment: str, events: list[str]) -> None:
    folder = home.root / "landing" / "web"
    folder.mkdir(parents=True, exist_ok=True)
    lines = [
        json.dumps(
            {
                "event_id": event,
                "event_name": "page_view",
                "event_type": "page",
                "occurred_at": moment,
                "received_at": moment,
                "subject": {"user_id": "u_1"},
                "context": {"surface": "web"},
            }
        )
        for event in events
    ]
    (folder / f"{events[0]}.jsonl").write_text("\n".join(lines) + "\n")


def wait_for(what: str, look: Callable[[], Any], log: Path) -> Any:
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until:
        if (found := look()) is not None:
            return found
        time.sleep(0.5)
    pytest.fail(f"no {what} within {PATIENCE_SECONDS} s:\n" + log.read_text()[-4000:])


def test_after_kill_9_of_the_run_and_the_daemon_the_next_schedule_succeeds_unaided(
    daemons: tuple[Home, Daemons], tmp_path: Path
) -> None:
    home, mine = daemons
    log = tmp_path / "daemon.log"
    daemon = mine.start()
    with open_instance_as_it_is(home) as instance:

        def building() -> tuple[dg.DagsterRun, int] | None:
            for run in instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED])):
                steps = instance.get_run_step_stats(run.run_id)
                found = run_process(instance, run)
                if found and any(step.step_key == "build" for step in steps):
                    return run, found.process.pid
            return None

        killed, pid = wait_for("run in its build step", building, log)
        mine.remember_children()
        os.kill(pid, signal.SIGKILL)
        daemon.kill()
        assert current_version(home) is None

        mine.start()
        wait_for("failed run", lambda: has_ended(instance, killed.run_id), log)
        done = wait_for("successful run", lambda: succeeded(instance), log)
        assert done.run_id != killed.run_id
        assert current_version(home) is not None
        slots = instance.event_log_storage.get_concurrency_info("warehouse")
        assert killed.run_id not in {claim.run_id for claim in slots.claimed_slots}
    mine.stop()
    _, left = psutil.wait_procs(mine.alive(), timeout=20)
    assert not [each for each in left if pid_is_alive(each.pid)]


def open_instance_as_it_is(home: Home) -> dg.DagsterInstance:
    return dg.DagsterInstance.from_config(str(home.dagster))


def has_ended(instance: dg.DagsterInstance, run_id: str) -> bool | None:
    run = instance.get_run_by_id(run_id)
    return True if run and run.status in ENDED else None


def succeeded(instance: dg.DagsterInstance) -> dg.DagsterRun | None:
    runs = instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.SUCCESS]), limit=1)
    return runs[0] if runs else None
