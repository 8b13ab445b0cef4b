"""Both solvers as dbt runs them, Python and contraction in SQL, against plain loops."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys

import pytest

from tests.dbt_project.graphs import (
    PROJECT,
    SHAPES,
    SOLVERS,
    expected,
    partition,
    random_edges,
    random_never,
    solve_by_dbt,
)

WORLDS = 300


def test_both_solvers_agree_with_plain_loops_on_shapes_and_random_graphs(tmp_path):
    graphs = [*SHAPES.values()]
    for seed in range(WORLDS):
        chance = random.Random(seed)
        nodes = chance.randrange(2, 30)
        edges = random_edges(chance, nodes, chance.randrange(40))
        graphs.append((sorted(edges), sorted(random_never(chance, nodes, chance.randrange(4)))))
    edges, never, wanted = [], [], set()
    for world, (its_edges, its_never) in enumerate(graphs):
        edges += [(f"{world}.{a}", f"{world}.{b}", said) for a, b, said in its_edges]
        never += [(f"{world}.{a}", f"{world}.{b}") for a, b in its_never]
        wanted |= {
            (frozenset(f"{world}.{node}" for node in members), contested)
            for members, contested in expected(its_edges, its_never)
        }
    found = solve_by_dbt(tmp_path, edges, never)
    for name in SOLVERS:
        assert partition(found[name]) == wanted, name
    # chance decides how long the contraction takes, and never a label
    by_sql = sorted(found[SOLVERS[1]])
    smallest: dict[int, int] = {}
    for number, (_, component, _) in enumerate(by_sql, start=1):
        assert smallest.setdefault(component, number) == component


@pytest.mark.parametrize("never", [[("a", "b")]], ids=["a never pair alone"])
def test_both_solvers_find_nothing_where_there_is_no_edge(tmp_path, never):
    assert solve_by_dbt(tmp_path, [], never) == {name: [] for name in SOLVERS}


def test_identity_reads_the_solver_that_was_chosen(tmp_path):
    listed = {
        solver: subprocess.run(
            [
                *(sys.executable, "-m", "dbt.cli.main", "ls", "--quiet", "--output", "name"),
                *("--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT)),
                *("--target-path", str(tmp_path / solver), "--log-path", str(tmp_path)),
                *(
                    "--select",
                    "+int_identity_nodes,int_identity_components*",
                    "--resource-type",
                    "model",
                ),
                *("--vars", json.dumps({"tl_component_solver": solver})),
            ],
            env=os.environ | {"PYTHONPATH": str(PROJECT.parent), "DO_NOT_TRACK": "1"},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
        for solver in ("python", "sql")
    }
    assert listed == {"python": [SOLVERS[0]], "sql": [SOLVERS[1]]}
