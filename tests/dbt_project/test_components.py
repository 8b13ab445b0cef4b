"""The solver of the identity graph without dbt: against plain loops; in steps against at once."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator

import duckdb
import pytest

from tests.dbt_project.graphs import (
    SHAPES,
    exchange,
    expected,
    load_solver,
    partition,
    random_edges,
    random_never,
    write,
)

SEEDS = 60
STEPS = 5

solver = load_solver()


@pytest.fixture
def session() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as con:
        write(con, "edges", [])
        write(con, "never", [])
        yield con


def solved(con: duckdb.DuckDBPyConnection, edges: Iterable, never: Iterable) -> list[tuple]:
    write(con, "edges", edges)
    write(con, "never", never)
    return solver.solve_names(con, "edges", "never").order("node").fetchall()


# --- At once --------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", SHAPES)
def test_a_shape_is_solved_as_plain_loops_solve_it(session, shape):
    edges, never = SHAPES[shape]
    assert partition(solved(session, edges, never)) == expected(edges, never)


def test_random_graphs_are_solved_as_plain_loops_solve_them(session):
    for seed in range(SEEDS):
        chance = random.Random(seed)
        nodes = chance.randrange(2, 30)
        edges = random_edges(chance, nodes, chance.randrange(40))
        never = random_never(chance, nodes, chance.randrange(4))
        assert partition(solved(session, edges, never)) == expected(edges, never), seed


def test_rows_do_not_depend_on_the_order_or_direction_of_edges(session):
    chance = random.Random(7)
    edges = sorted(random_edges(chance, 60, 60))
    never = sorted(random_never(chance, 60, 5))
    first = solved(session, edges, never)
    for _ in range(10):
        chance.shuffle(edges)
        turned = [(b, a, said) if chance.random() < 0.5 else (a, b, said) for a, b, said in edges]
        assert solved(session, turned, [(b, a) for a, b in never]) == first


def test_names_with_one_number_are_not_merged(session, monkeypatch):
    monkeypatch.setattr(solver, "NUMBER", "cast(length({name}) as bigint)")
    for seed in range(20):
        chance = random.Random(seed)
        edges, never = random_edges(chance, 40, 30), random_never(chance, 40, 2)
        assert partition(solved(session, edges, never)) == expected(edges, never), seed


# --- In steps -------------------------------------------------------------------------------------


def step(con: duckdb.DuckDBPyConnection, now: tuple[set, set], before: tuple[set, set]) -> bool:
    """Bring ``components`` from ``before`` to ``now``; whether no full solve was needed."""
    (edges, never), (edges_before, never_before) = now, before
    known = {(a, b) for a, b, _ in edges_before}
    added = {edge for edge in edges - edges_before if edge[:2] not in known}
    altered = {edge[:2] for edge in (edges ^ edges_before) - added} | (never ^ never_before)
    for name, rows in (("edges", edges), ("never", never), ("added", added), ("altered", altered)):
        write(con, name, rows)
    in_steps = solver.increment(con, "components", "edges", "never", "added", "altered")
    exchange(con, solver)
    return in_steps


def test_steps_of_edges_and_overrides_coming_and_going_equal_a_full_solve(session):
    in_steps = 0
    for seed in range(SEEDS):
        chance = random.Random(seed)
        nodes = chance.randrange(5, 40)
        now: tuple[set, set] = (set(), set())
        solver.solve_names(session, "edges", "never").create("components")
        for _ in range(STEPS):
            edges = {edge for edge in now[0] if chance.random() < 0.9}
            never = {pair for pair in now[1] if chance.random() < 0.7}
            edges |= {
                edge
                for edge in random_edges(chance, nodes, chance.randrange(nodes // 3 + 1))
                if edge[:2] not in {(a, b) for a, b, _ in edges}
            }
            if chance.random() < 0.4:
                never |= random_never(chance, nodes, 1)
            before, now = now, (edges, never)
            in_steps += step(session, now, before)
            rows = session.table("components").order("node").fetchall()
            assert rows == solved(session, *now), (seed, now)
        session.execute("drop table components")
        write(session, "edges", [])
        write(session, "never", [])
    assert in_steps == SEEDS * STEPS


def test_growing_components_are_renamed_and_their_edges_not_read(session):
    edges = {(f"a{i}", f"a{i + 1}", False) for i in range(5)} | {("b1", "b2", False)}
    solver.solve_names(session, "edges", "never").create("components")
    assert step(session, (edges, set()), (set(), set()))
    more = edges | {("a3", "b1", False), ("b2", "c1", False)}
    assert step(session, (more, set()), (edges, set()))
    labels = session.execute("select count(*), count(distinct becomes) from identity_aliases")
    assert labels.fetchone() == (2, 1)  # three became one
    assert session.execute("from identity_gone").fetchall() == []
    assert session.table("components").order("node").fetchall() == solved(session, more, set())


def test_a_split_reads_the_touched_component_alone(session):
    edges = {(f"{c}{i}", f"{c}{i + 1}", False) for c in "abcd" for i in range(5)}
    write(session, "edges", edges)
    solver.solve_names(session, "edges", "never").create("components")
    less = edges - {("b2", "b3", False)}
    assert step(session, (less, set()), (edges, set()))
    again = session.execute("select node from identity_again order by node").fetchall()
    assert again == [(f"b{i}",) for i in range(6)]
    assert session.table("components").order("node").fetchall() == solved(session, less, set())


def test_numbers_that_clash_ask_for_a_full_solve(session, monkeypatch):
    before = {("n1", "n2", False)}
    solver.solve_names(session, "edges", "never").create("components")
    assert step(session, (before, set()), (set(), set()))
    monkeypatch.setattr(solver, "NUMBER", "cast(length({name}) as bigint)")
    now = before | {("m1", "m2", False)}
    assert not step(session, (now, set()), (before, set()))
    rows = session.table("components").fetchall()
    assert partition(rows) == expected(now, set())
    less = now - {("n1", "n2", False)}
    assert not step(session, (less, set()), (now, set()))  # labels are no numbers of names
    assert partition(session.table("components").fetchall()) == expected(less, set())
