"""Reports that run along the rows read them in the order they come.

A running sum without an order is only right where rows stream past it, one person's after the
other; sorted or parted they would come in any order.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import duckdb

from orchestration.model_sql import ModelSql
from tests.properties.lives import variables

TABLES = """
    create table int_person_days as
    select 'p' || (i % 100) as person_id, date '2026-01-01' + (i % 40)::int as active_date
    from range(4000) as numbers(i);
    create table int_data_until as
    select true as is_live, timestamp '2026-02-10' as data_until
"""


def windows(plan: dict) -> Iterator[tuple[str, str]]:
    """The operators of a plan that compute windows, and what they compute."""
    if "WINDOW" in plan["name"]:
        yield plan["name"], json.dumps(plan["extra_info"])
    for child in plan["children"]:
        yield from windows(child)


def test_the_running_sum_of_stickiness_has_rows_stream_past_it() -> None:
    query = ModelSql(variables()).of("rpt_stickiness")
    with duckdb.connect() as con:
        con.execute("set TimeZone = 'UTC'; " + TABLES)
        plan = con.execute(f"explain (format json) {query}").fetchall()[0][1]
    unordered = [
        name for name, told in windows(json.loads(plan)[0]) if "PARTITION BY" not in told.upper()
    ]
    assert unordered == ["STREAMING_WINDOW"]
