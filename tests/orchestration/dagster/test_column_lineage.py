"""Columns are followed to the tables a model reads, through CTEs, unions and stars."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from orchestration.column_lineage import Model, trace

PARENTS = {
    ("staging", "stg_events"): {
        "event_id": "varchar",
        "amount": "decimal(18,6)",
        "at": "timestamp",
    },
    ("staging", "stg_rates"): {"at": "timestamp", "rate": "decimal(18,8)"},
}


def test_columns_are_followed_through_ctes_and_joins(tmp_path: Path) -> None:
    sql = """
        with
            events as (select * from "warehouse"."staging"."stg_events"),
            priced as (
                select events.event_id, events.amount * rates.rate as total
                from events
                left join "warehouse"."staging"."stg_rates" as rates on events.at = rates.at
            )
        select event_id, total from priced
        union all
        select event_id, amount as total from events
    """
    assert trace(Model("m", sql, PARENTS), tmp_path) == {
        "event_id": [("staging", "stg_events", "event_id")],
        "total": [("staging", "stg_events", "amount"), ("staging", "stg_rates", "rate")],
    }


def test_where_a_row_lies_is_made_from_no_column(tmp_path: Path) -> None:
    sql = "select events.* exclude (at), events.rowid as place from staging.stg_events as events"
    assert trace(Model("m", sql, PARENTS), tmp_path) == {
        "event_id": [("staging", "stg_events", "event_id")],
        "amount": [("staging", "stg_events", "amount")],
        "place": [],
    }


def test_a_model_is_traced_once_and_again_when_a_parent_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = Model("m", "select event_id from staging.stg_events", PARENTS)
    first = trace(model, tmp_path)
    monkeypatch.setattr("orchestration.column_lineage._trace", lambda _: {"traced": []})
    assert trace(model, tmp_path) == first
    wider = {**PARENTS, ("staging", "stg_events"): {"event_id": "bigint"}}
    assert trace(Model("m", model.sql, wider), tmp_path) == {"traced": []}


def test_sql_nobody_can_read_costs_the_picture_not_the_run(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert trace(Model("odd", "select from where ((", PARENTS), tmp_path) == {}
    assert "odd" in caplog.text
