"""Run history in PostgreSQL: one variable, and nothing of it in the home."""

from __future__ import annotations

from collections.abc import Callable

import dagster as dg
import psycopg
import pytest

from governance.errors import UserError
from governance.home import Home
from orchestration import instance as module
from orchestration.instance import (
    POSTGRES_VARIABLE,
    open_instance,
    prepare_instance,
    with_driver,
)


@dg.op
def nothing() -> None:
    """Only its run matters."""


@dg.job
def hourly() -> None:
    nothing()


def test_runs_are_kept_in_postgres(
    make_home: Callable[..., Home], postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("dagster_postgres", reason="the extra `postgres` is not installed")
    home = make_home()
    monkeypatch.setenv(POSTGRES_VARIABLE, postgres)
    with open_instance(home) as instance:
        done = hourly.execute_in_process(instance=instance)
        assert instance.get_run_by_id(done.run_id).is_success
        assert instance.run_monitoring_enabled
    with psycopg.connect(postgres) as reader:
        assert reader.execute("select run_id, status from runs").fetchall() == [
            (done.run_id, "SUCCESS")
        ]
        (events,) = reader.execute("select count(*) from event_logs").fetchone()
        assert events > 3
    with open_instance(home) as instance:  # as after a restart
        assert instance.get_run_by_id(done.run_id).is_success
    assert not list(home.dagster.rglob("*.db"))
    assert postgres not in (home.dagster / "dagster.yaml").read_text()


def test_without_the_package_the_error_names_it(
    make_home: Callable[..., Home], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(POSTGRES_VARIABLE, "postgresql://nobody@127.0.0.1:9/x")
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"dagster-postgres") as refused:
        prepare_instance(make_home())
    assert "throughline[postgres]" in refused.value.fix


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("postgresql://u:p@h/d", "postgresql+psycopg2://u:p@h/d"),
        ("postgres://h/d", "postgresql+psycopg2://h/d"),
        ("postgresql+psycopg2://h/d", "postgresql+psycopg2://h/d"),
    ],
)
def test_the_driver_is_the_one_dagster_is_written_for(given: str, used: str) -> None:
    assert with_driver(given) == used


def test_the_default_is_sqlite_in_the_home(make_home: Callable[..., Home]) -> None:
    home = make_home()
    with open_instance(home) as instance:
        hourly.execute_in_process(instance=instance)
    assert list(home.dagster.rglob("runs.db"))
