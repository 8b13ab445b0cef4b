"""What an increment reads of a table: the rows of touched keys, found by a filter of the scan.

That all rows of an increment are right is proved by test_increments.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import duckdb
import pytest

from orchestration.model_sql import ModelSql
from tests.properties.lives import variables

SQL = ModelSql(variables())
TABLES = """
    create table events as
    select case when i % 50 <> 0 then 'p' || (i % 1000) end as person_id, i as number
    from range(20000) as t (i)
"""
FEW = "select unnest(['p1', 'p999', 'nobody', null])"
QUERIES = {
    "behind": "select * from events {{ only_touched('events.person_id') }}",
    "in place": "select * from {{ touched_rows('events', 'person_id') }} as events",
}


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as con:
        con.execute(TABLES)
        yield con


def touch(con: duckdb.DuckDBPyConnection, keys: str) -> None:
    con.execute(f"create or replace temp table touched as select * from ({keys}) as t (key_1)")
    con.execute(SQL.rendered("{{ remember_touched_keys() }}"))


def increment(template: str) -> str:
    text = SQL.rendered(template)
    return text.replace("/* increment:", "").replace(":increment */", "")


def scans_of_events(plan: dict) -> Iterator[dict]:
    if plan["extra_info"].get("Table", "").endswith("events"):
        yield plan
    for child in plan["children"]:
        yield from scans_of_events(child)


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)
def test_the_scan_itself_leaves_rows_of_other_keys(
    con: duckdb.DuckDBPyConnection, query: str
) -> None:
    touch(con, FEW)
    plan = con.execute(f"explain (format json) {increment(query)}").fetchall()[0][1]
    (scan,) = scans_of_events(json.loads(plan)[0])
    assert "get_bit" in json.dumps(scan["extra_info"].get("Filters"))


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)
@pytest.mark.parametrize(
    "keys",
    [
        FEW,
        "select 'p' || i from range(200000) as t (i)",  # more than are worth a filter
        "select null::varchar where false",
    ],
    ids=["few", "many", "none"],
)
def test_they_are_the_rows_of_a_plain_join(
    con: duckdb.DuckDBPyConnection, keys: str, query: str
) -> None:
    touch(con, keys)
    plain = "select * from events where person_id in (select key_1 from touched)"
    rows, expected = (
        con.execute(f"{each} order by number").fetchall() for each in (increment(query), plain)
    )
    assert rows == expected


def test_keys_that_are_no_text_are_found_in_another_type(con: duckdb.DuckDBPyConnection) -> None:
    touch(con, "select '2026-01-02'::date")
    con.execute("create table days as select timestamp '2026-01-02' as day")
    query = increment("select day from days {{ only_touched('days.day') }}")
    assert len(con.execute(query).fetchall()) == 1
