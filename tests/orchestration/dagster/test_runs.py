"""Which runs are alive, what a step retries, and where an instance keeps its things."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable

import dagster as dg
import pytest
import yaml

from governance.errors import BlockedError, UserError, WarehouseBusyError
from governance.home import Home
from governance.process import Process, pid_is_alive, started_at, this_boot, this_host
from orchestration.instance import dagster_environment, instance_settings
from orchestration.launcher import (
    BOOT_TAG,
    HOST_TAG,
    PID_TAG,
    STARTED_TAG,
    RunProcess,
    fail_dead_runs,
    place_tags,
    process_tags,
)
from orchestration.steps import explained, logged, watched_by


@dg.job
def hourly() -> None:
    """Only its name matters."""


@pytest.fixture
def dead_pid() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def started(instance: dg.DagsterInstance, pid: int, **tags: str) -> str:
    run = instance.create_run_for_job(
        hourly,
        status=dg.DagsterRunStatus.STARTED,
        tags={**process_tags(), PID_TAG: str(pid), **tags},
    )
    return run.run_id


def test_a_zombie_is_not_alive() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert not pid_is_alive(child.pid)
    child.wait()


def test_a_run_whose_process_was_killed_is_failed_and_others_are_not(
    instance: dg.DagsterInstance, dead_pid: int
) -> None:
    killed, working = started(instance, dead_pid), started(instance, os.getpid())
    assert fail_dead_runs(instance) == [killed]
    assert instance.get_run_by_id(killed).status == dg.DagsterRunStatus.FAILURE
    assert instance.get_run_by_id(working).status == dg.DagsterRunStatus.STARTED


def test_a_process_of_an_earlier_boot_or_with_a_reused_pid_is_gone(
    instance: dg.DagsterInstance,
) -> None:
    rebooted = started(instance, os.getpid(), **{BOOT_TAG: "another/pid:[1]"})
    reused = started(instance, os.getpid(), **{STARTED_TAG: "1"})
    assert sorted(fail_dead_runs(instance)) == sorted([rebooted, reused])


def test_a_run_of_another_host_is_not_judged_by_its_pid(
    instance: dg.DagsterInstance, dead_pid: int
) -> None:
    """Two containers share a home: what has no process here may well work there."""
    started(instance, dead_pid, **{HOST_TAG: "other", BOOT_TAG: "another/pid:[1]"})
    assert fail_dead_runs(instance) == []


def test_a_process_that_began_after_the_run_spoke_is_another_one() -> None:
    began = started_at(os.getpid())
    if began is None:
        pytest.skip("this system does not tell when a process began")
    here = Process(os.getpid(), this_host(), this_boot())
    assert not RunProcess(here, seen_at=began + 1).is_gone
    assert RunProcess(here, seen_at=began - 60).is_gone


def test_a_launched_run_carries_where_its_process_is(instance: dg.DagsterInstance) -> None:
    assert set(place_tags()) == {HOST_TAG, BOOT_TAG}
    assert place_tags()[HOST_TAG] == this_host()


@pytest.mark.parametrize(
    "error", [WarehouseBusyError("busy"), OSError(errno.ETIMEDOUT, "slow")], ids=["busy", "slow"]
)
def test_what_passes_by_itself_is_tried_again(error: Exception) -> None:
    with pytest.raises(dg.RetryRequested), explained():
        raise error


@pytest.mark.parametrize(
    "error", [UserError("no", fix="mend it"), BlockedError("no", fix="mend it")], ids=str
)
def test_what_a_user_must_mend_fails_at_once_with_the_fix(error: Exception) -> None:
    with pytest.raises(dg.Failure, match="mend it") as failed, explained():
        raise error
    assert not failed.value.allow_retries
    assert failed.value.metadata["fix"].value == "mend it"


def test_a_full_disk_is_not_tried_again() -> None:
    with pytest.raises(OSError, match="full"), explained():
        raise OSError(errno.ENOSPC, "full")


def test_steps_report_to_the_command_line_that_runs_them() -> None:
    seen = []
    with watched_by(lambda label, done, total=None: seen.append((label, done, total))):
        logged(dg.build_op_context().log)("loading", 1, 2)
    assert seen == [("loading", 1, 2)]


def test_a_home_keeps_everything_below_itself(make_home: Callable[..., Home]) -> None:
    home = make_home()
    environment = dagster_environment(home)
    assert environment["DAGSTER_HOME"] == str(home.dagster)
    text = (home.dagster / "dagster.yaml").read_text()
    assert "data/.dagster" not in text
    assert yaml.safe_load(text)["telemetry"] == {"enabled": False}
    with dg.DagsterInstance.from_config(str(home.dagster)) as instance:
        assert instance.run_monitoring_enabled
        assert instance.run_launcher.supports_check_run_worker_health
        assert not instance.telemetry_enabled


def test_the_address_of_postgres_stays_in_the_environment(make_home: Callable[..., Home]) -> None:
    settings = instance_settings(make_home(), postgres=True)
    assert settings["storage"] == {
        "postgres": {"postgres_url": {"env": "THROUGHLINE_DAGSTER_POSTGRES_URL"}}
    }
