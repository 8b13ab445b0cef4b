"""Sessions and funnels equal plain loops on ten thousand random journeys (see journeys.py)."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import duckdb
import pandas as pd
import pytest

from tests.dbt_project.marts.test_plans import windows
from tests.properties import journeys
from tests.properties.journeys import FunnelWorld, Row, Rules
from tests.properties.mutants import Chain
from tests.properties.rendered import build

# of each kind of session, which are five; of funnels
VISITS = [pytest.param(2500, id="2500"), pytest.param(20_000, id="20000", marks=pytest.mark.long)]
ENTRIES = [
    pytest.param(10_000, id="10000"),
    pytest.param(40_000, id="40000", marks=pytest.mark.long),
]
RULES = {
    "person": Rules("person"),
    "person, cut": Rules("person", timedelta(hours=1), "beat"),
    "device": Rules("device", timedelta(minutes=40)),
    "client": Rules("client", heartbeat="beat"),
    "client, cut": Rules("client", timedelta(hours=1)),
}


def expect(connection: duckdb.DuckDBPyConnection, table: str, rows: Sequence[Row]) -> None:
    """Write what ``table`` must hold, in its own types, as ``expected_<table>``."""
    kinds = _kinds(connection, table)
    assert kinds.keys() == rows[0].keys()  # a column that is not told is not compared
    frame = pd.DataFrame({name: [row[name] for row in rows] for name in rows[0]}, dtype=object)
    connection.register("frame", frame)
    columns = [f"cast({name} as {kinds[name]}) as {name}" for name in frame.columns]
    connection.execute(f"create table expected_{table} as select {', '.join(columns)} from frame")
    connection.unregister("frame")


def differences(connection: duckdb.DuckDBPyConnection, table: str) -> list[str]:
    """Rows of the table that are not expected, and the other way round: a few of each."""
    kinds = _kinds(connection, f"expected_{table}")
    # what is interpolated differs in its last bits
    shown = ", ".join(f"round({n}, 5) as {n}" if k == "DOUBLE" else n for n, k in kinds.items())
    found = []
    for lead, left, right in (("not expected", "", "expected_"), ("missing", "expected_", "")):
        rows = connection.execute(
            f"select {shown} from {left}{table}"
            f" except all select {shown} from {right}{table} limit 3"
        ).fetchall()
        found += [f"{table}, {lead}: {dict(zip(kinds, row, strict=True))}" for row in rows]
    return found


def _kinds(connection: duckdb.DuckDBPyConnection, table: str) -> dict[str, str]:
    rows = connection.execute(f"select column_name, column_type from (describe {table})").fetchall()
    return dict(rows)


@dataclass(frozen=True)
class Judged:
    """Models built of ``persons`` journeys; ``tables``: those whose every row is expected."""

    chain: Chain
    tables: tuple[str, ...]
    persons: int

    def differences(self) -> list[str]:
        return [line for name in self.tables for line in differences(self.chain.connection, name)]

    def one(self, query: str) -> Any:
        return self.chain.connection.execute(query).fetchall()[0]


def judged_sessions(persons: int, seed: int, rules: Rules) -> Judged:
    events = journeys.visits(persons, seed)
    chain = build(journeys.visited(events), rules.variables, journeys.SESSION_MODELS)
    rows, placed = journeys.sessions(events, rules)
    for row in rows:
        row["is_first"] = row["session_number"] == 1
    expect(chain.connection, "fct_sessions", rows)
    expect(chain.connection, "int_event_sessions", placed)
    return Judged(chain, ("int_event_sessions", "fct_sessions"), persons)


def judged_funnels(
    persons: int, seed: int, names: Collection[str] = ()
) -> tuple[Judged, FunnelWorld]:
    world = journeys.funnel_world(persons, seed, names)
    chain = build(world.given(), world.variables, journeys.FUNNEL_MODELS, journeys.TOTALS)
    entries = list(world.entries())
    expect(chain.connection, "fct_funnel_entries", entries)
    for table, of_days in (("rpt_funnel_daily", True), ("funnel_totals", False)):
        rows = list(journeys.report(entries, world.funnels, of_days=of_days))
        expect(chain.connection, table, rows)
    tables = ("fct_funnel_entries", "rpt_funnel_daily", "funnel_totals")
    return Judged(chain, tables, persons), world


@pytest.mark.parametrize("persons", VISITS)
@pytest.mark.parametrize("named", RULES)
def test_every_session_and_its_events_equal_the_oracle(named: str, persons: int) -> None:
    judged = judged_sessions(persons, 20260601 + list(RULES).index(named), RULES[named])
    assert not judged.differences()
    edges = judged.one(
        "select count(*), count(*) filter (is_open), count(*) filter (session_number > 2),"
        " count(*) filter (revenue_reporting is not null and views = 0),"
        " count(distinct started_date)"
        " from fct_sessions"
    )
    assert min(edges[:4]) > 20
    assert edges[0] > persons
    assert edges[4] >= 3


@pytest.fixture(scope="module", params=ENTRIES)
def funnels(request: pytest.FixtureRequest) -> tuple[Judged, FunnelWorld]:
    return judged_funnels(request.param, 20260602)


def test_every_entry_and_report_equals_the_oracle(funnels: tuple[Judged, FunnelWorld]) -> None:
    judged, world = funnels
    assert len({event["person_id"] for event in world.events}) == judged.persons
    assert not judged.differences()
    cases = judged.one(
        "select count(distinct funnel), count(*) filter (is_void),"
        " count(*) filter (not window_closed),"
        " count(*) filter (depth > 1 and step_2_at = entered_at),"
        " count(*) filter (converted and seconds_to_convert > 0),"
        " count(*) filter (breakdown_1 = '(none)') from fct_funnel_entries"
    )
    assert cases[0] == len(world.funnels)
    assert min(cases[1:]) > 50


def test_what_runs_along_the_rows_reads_them_in_the_order_they_come(
    funnels: tuple[Judged, FunnelWorld],
) -> None:
    """A running maximum without an order is only right where rows stream past it: a person's
    events together, the latest first. Sorting or parting them would give any order."""
    chain = funnels[0].chain
    query = chain.sql["int_funnel_ordered_attempts"]
    plan = chain.connection.execute(f"explain (format json) {query}").fetchall()[0][1]
    assert {name for name, _ in windows(json.loads(plan)[0])} == {"STREAMING_WINDOW"}
