"""Some models built alone, again and again, change nothing in the end.

Dagster lets one build a single asset. A model then reads inputs of different age: some were built a
moment ago, others stand as they were loads before. When everything is built at last, each must
still find what it has not read.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from governance.config import dbt_vars
from tests.properties.configured import configure, configured_home
from tests.properties.lives import variables
from tests.properties.stepwise import Plan, Step, run
from tests.properties.test_increments import SEED, Size, compared, from_nothing, steps_of
from tests.properties.warehouse import PROJECT

SIZES = [
    pytest.param(Size(12, 30, 8), id="twelve"),
    pytest.param(Size(200, 40, 40), id="two hundred", marks=pytest.mark.long),
]


@pytest.mark.parametrize("size", SIZES)
def test_builds_of_some_models_alone_change_nothing_in_the_end(size: Size, tmp_path: Path) -> None:
    home = configured_home(tmp_path / "home")
    configuration = dbt_vars(configure(home, variables(size.scope)))
    # what is computed in full is computed in slices, here and not there
    plan = Plan(home.root, configuration | {"tl_slice_rows": 50}, steps_of(size))
    names = sorted(path.stem for path in (PROJECT / "models").glob("*/*.sql"))
    rng = random.Random(SEED)
    # all of them first and last; between, more often a few than many
    for step in plan.steps[1:-1]:
        step.models = rng.sample(names, rng.choice([1, 3, 8, 20, len(names) // 2]))
    told = run(tmp_path / "stepwise", plan)

    # who relied on an outdated input computes all rows, and so does who has not read a log that was
    # forgotten because it became longer than its table
    assert sum(row["strategy"] == "by key" for row in told[-1].values()) > 20
    last = Step([], plan.steps[-1].overrides, plan.steps[-1].rates)
    at_once = from_nothing(home, tmp_path / "again", last, configuration)
    differences, _ = compared(home.warehouse, at_once.warehouse)
    assert not differences, "\n".join(differences)
