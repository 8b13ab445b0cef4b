"""The landing sensor: a run when files change, never two waiting for the same."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)

from governance.config import load_config
from governance.home import Home
from orchestration import keys
from orchestration.defs.jobs import schedules
from orchestration.defs.sensors import landing_sensor


@dg.job(name=keys.HOURLY)
def hourly() -> None:
    """Stands for the real one: only its name matters."""


@pytest.fixture
def home(make_home: Callable[..., Home]) -> Home:
    return make_home()


def land(home: Home, name: str, text: str = "{}\n") -> None:
    (home.landing / "web" / name).write_text(text)


def evaluate(home: Home, instance: dg.DagsterInstance, cursor: str | None) -> dg.SensorResult:
    sensor = landing_sensor(home, load_config(home))
    result = sensor(dg.build_sensor_context(instance=instance, cursor=cursor))
    assert isinstance(result, dg.SensorResult)
    return result


def test_an_empty_folder_starts_nothing(home: Home, instance: dg.DagsterInstance) -> None:
    assert not evaluate(home, instance, None).run_requests


def test_new_files_start_one_run_and_are_observed(home: Home, instance: dg.DagsterInstance) -> None:
    land(home, "a.jsonl")
    result = evaluate(home, instance, None)
    assert [each.tags["throughline/landed"] for each in result.run_requests or []] == ["web"]
    [observation] = result.asset_events
    assert observation.asset_key == keys.landing("web")
    assert observation.metadata["files"].value == 1


def test_the_same_files_start_no_second_run(home: Home, instance: dg.DagsterInstance) -> None:
    land(home, "a.jsonl")
    cursor = evaluate(home, instance, None).cursor
    assert not evaluate(home, instance, cursor).run_requests


def test_a_file_that_grew_starts_a_run(home: Home, instance: dg.DagsterInstance) -> None:
    land(home, "a.jsonl")
    cursor = evaluate(home, instance, None).cursor
    land(home, "a.jsonl", "{}\n{}\n")
    assert len(evaluate(home, instance, cursor).run_requests or []) == 1


def test_hidden_files_are_not_seen(home: Home, instance: dg.DagsterInstance) -> None:
    land(home, ".a.jsonl.part")
    assert not evaluate(home, instance, None).run_requests


def queue_a_run(instance: dg.DagsterInstance) -> None:
    location = RegisteredCodeLocationOrigin("throughline")
    origin = RemoteJobOrigin(RemoteRepositoryOrigin(location, "__repository__"), hourly.name)
    instance.create_run_for_job(
        hourly,
        status=dg.DagsterRunStatus.QUEUED,
        remote_job_origin=origin,
    )


def test_while_a_run_waits_none_is_added(home: Home, instance: dg.DagsterInstance) -> None:
    queue_a_run(instance)
    land(home, "a.jsonl")
    result = evaluate(home, instance, None)
    assert not result.run_requests
    assert json.loads(result.cursor or "{}"), "the waiting run will load them: no run after it"


def test_files_landing_while_a_run_works_start_the_next(
    home: Home, instance: dg.DagsterInstance
) -> None:
    instance.create_run_for_job(hourly, status=dg.DagsterRunStatus.STARTED)
    land(home, "a.jsonl")
    assert len(evaluate(home, instance, None).run_requests or []) == 1


def test_a_schedule_skips_while_a_run_of_its_job_waits(home: Home, tmp_path: Path) -> None:
    schedule = schedules(load_config(home))[0]
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        context = dg.build_schedule_context(instance=instance)
        assert isinstance(schedule(context), dg.RunRequest)
        queue_a_run(instance)
        assert isinstance(schedule(context), dg.SkipReason)
