"""What is computed in slices of time is what is computed at once, and lies in the order of time."""

from __future__ import annotations

import random
from pathlib import Path

import duckdb
import pytest

from governance.config import dbt_vars
from governance.home import Home
from tests.properties.configured import configure, configured_home
from tests.properties.lives import Life, variables
from tests.properties.stepwise import Plan, Step, run
from tests.properties.warehouse import build
from tests.properties.worlds import raw_rows

MODEL, INPUT = "int_person_events", "int_event_persons"
AT_ONCE = 1_000_000


def everything_again(home: Home, configuration: dict, target: Path) -> tuple:
    """How the model was built, and how many rows were computed and changed, all of them anew."""
    with duckdb.connect(str(home.warehouse)) as con:
        con.execute(
            f"update increments.read set version = -1 where model = '{MODEL}' and input = '{INPUT}'"
        )
    build(home, configuration, "run", "--select", MODEL, target=target)
    with duckdb.connect(str(home.warehouse), read_only=True) as con:
        rows = con.execute(
            "select strategy, computed_rows, changed_rows from increments.models where model = ?",
            [MODEL],
        ).fetchall()
    return rows[0]


@pytest.mark.parametrize(("rows", "then"), [(40, AT_ONCE), (AT_ONCE, 40)])
def test_slices_are_the_same_as_all_at_once(rows: int, then: int, tmp_path: Path) -> None:
    home = configured_home(tmp_path / "home")
    configuration = dbt_vars(configure(home, variables()))
    events = []
    for seed in range(6):
        life = Life(f"l{seed:04}", random.Random(seed), 8, seed)
        events += [row for part in life.live(30) for row in raw_rows([part.row])]
    plan = Plan(home.root, configuration | {"tl_slice_rows": rows}, [Step(events)])
    run(tmp_path / "stepwise", plan)
    with duckdb.connect(str(home.warehouse), read_only=True) as con:
        times = con.execute(f"select occurred_at from intermediate.{MODEL}").fetchall()
    assert len(times) > 120
    assert times == sorted(times)
    again = everything_again(home, configuration | {"tl_slice_rows": then}, tmp_path / "target")
    assert again == ("recomputed", len(times), 0)
