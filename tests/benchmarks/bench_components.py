"""Connected components of the identity graph, full and in increments, as ratios of CPU time.

The graph: 2.4M edges between 3.0M nodes named as identifiers are, in groups of two to eight and 200
chains of 500. Full: the model's own function, names to names, against DuckDB sorting the edges
before and after. Increment: 1 % new edges between random nodes, until it is known which components
end and what they become (``published``), and until the table is rewritten (``applied``), against
full. Beside them what a library takes for the graph alone, names already numbers, and the
contraction in SQL through dbt. Prints one line of JSON each and fails above a budget.

    python -m tests.benchmarks.bench_components [--nodes 3000000] [--skip-sql]
"""

from __future__ import annotations

import argparse
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import duckdb
import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from tests.benchmarks.commands import say
from tests.dbt_project.graphs import exchange, load_solver, run_solvers

try:
    import rustworkx
except ImportError:  # of the development group; without it its line is left out
    rustworkx = None

BUDGET_FULL = 12.0
BUDGET_INCREMENT = 0.05
NODES = 3_000_000
CHAINS, CHAIN = 200, 500

_NODE = "'anonymous_id' || chr(31) || md5(({number})::varchar)"
_GRAPH = f"""
    create table edges as
    with
        groups as (
            select 2 + (hash(i) % 7)::int as size, sum(size) over (order by i) - size as first
            from range({{groups}}) as t (i)
        ),
        numbered as (
            select first + i as a, first + (hash(first + i) % i)::bigint as b
            from groups, lateral (select unnest(range(1, size)) as i)
            union all
            select -1 - chain * {CHAIN} - i, -2 - chain * {CHAIN} - i
            from range({CHAINS}) as t (chain), range({CHAIN} - 1) as u (i)
        )
    select
        {_NODE.format(number="a")} as node_a,
        {_NODE.format(number="b")} as node_b,
        false as is_override
    from numbered order by hash(a, b)
"""
_SORT = "create or replace table sorted as select * from edges order by node_a, node_b"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, default=NODES)
    parser.add_argument("--skip-sql", action="store_true")
    given = parser.parse_args()
    solver = load_solver()
    with tempfile.TemporaryDirectory() as folder:
        warehouse = Path(folder) / "w.duckdb"
        with duckdb.connect(str(warehouse)) as con:
            con.execute("set memory_limit = '2GB'")
            con.execute(_GRAPH.format(groups=max(given.nodes - CHAINS * CHAIN, 0) // 5))
            con.execute("create table never (node_a varchar, node_b varchar)")
            held = compare(con, solver)
        if not given.skip_sql:
            by_sql(Path(folder) / "dbt", warehouse)
    return 0 if held else 1


def compare(con: duckdb.DuckDBPyConnection, solver: ModuleType) -> bool:
    """Full and increments on one graph; whether the budgets hold."""
    sorts = [spent(lambda: con.execute(_SORT)) for _ in range(2)]
    fulls = [spent(lambda: full(con, solver)) for _ in range(3)]
    sorts += [spent(lambda: con.execute(_SORT)) for _ in range(2)]
    sort, whole = (statistics.median(cpu for cpu, _ in each) for each in (sorts, fulls))
    edges, nodes = (count(con, table) for table in ("edges", "components"))
    libraries = library_seconds(con, solver)
    held = say(
        "components_full_ratio_to_sort",
        whole / sort,
        BUDGET_FULL,
        edges=edges,
        nodes=nodes,
        sort_cpu_seconds=round(sort, 2),
        full_cpu_seconds=round(whole, 2),
        sort_seconds=round(statistics.median(wall for _, wall in sorts), 2),
        full_seconds=round(statistics.median(wall for _, wall in fulls), 2),
        graph_alone_cpu_seconds={name: round(cpu, 2) for name, cpu in libraries.items()},
    )
    # one in a hundred: random ends among all nodes, one in ten of them never seen before
    con.execute(
        f"""
        create table added as
        with
            a as (select node_a from edges order by hash(node_a, node_b) limit {edges // 100}),
            b as (select node_b from edges order by hash(node_b, node_a) limit {edges // 100}),
            numbered_a as (select *, row_number() over (order by hash(node_a)) as n from a),
            numbered_b as (select *, row_number() over (order by hash(node_b)) as n from b)
        select
            node_a,
            case when n % 10 = 0 then 'new' || node_b else node_b end as node_b,
            false as is_override
        from numbered_a
        inner join numbered_b using (n)
        """
    )
    con.execute("create table altered as select node_a, node_b from edges limit 0")
    con.execute("insert into edges from added")
    held &= increment(con, solver, "new", whole, BUDGET_INCREMENT)
    con.execute(
        f"insert into altered select node_a, node_b from edges using sample {edges // 10_000} rows"
    )
    con.execute("delete from edges where (node_a, node_b) in (from altered)")
    con.execute("delete from added")
    increment(con, solver, "gone", whole, None)
    return held


def increment(
    con: duckdb.DuckDBPyConnection,
    solver: ModuleType,
    kind: str,
    whole: float,
    budget: float | None,
) -> bool:
    """One increment, checked against a full solve; whether the budget holds."""
    names = ("components", "edges", "never", "added", "altered")
    runs = [spent(lambda: solver.increment(con, *names)) for _ in range(3)]
    published = statistics.median(cpu for cpu, _ in runs)
    both, _ = spent(lambda: exchange(con, solver))
    con.execute("create or replace table stepped as from components")
    full(con, solver)
    differences = con.execute(
        "select count(*) from"
        " ((from stepped except from components) union all (from components except from stepped))"
    ).fetchone()
    assert differences == (0,), f"{differences} rows differ from a full solve"
    changed = count(con, "added") + count(con, "altered")
    return say(
        f"components_{kind}_edges_ratio_to_full",
        published / whole,
        budget,
        edges=changed,
        published_ratio_to_full=round(published / whole, 3),
        published_cpu_seconds=round(published, 3),
        applied_cpu_seconds=round(both, 3),
        applied_ratio_to_full=round(both / whole, 3),
    )


def full(con: duckdb.DuckDBPyConnection, solver: ModuleType) -> None:
    con.execute("drop table if exists components")
    solver.solve_names(con, "edges", "never").create("components")


def library_seconds(con: duckdb.DuckDBPyConnection, solver: ModuleType) -> dict[str, float]:
    """What scipy and rustworkx take for the graph, its nodes already numbered from 0."""
    a, b = (solver.NUMBER.format(name=name) for name in ("node_a", "node_b"))
    pairs = con.execute(f"select {a} as a, {b} as b from edges").fetchnumpy()
    nodes, codes = np.unique(np.concatenate([pairs["a"], pairs["b"]]), return_inverse=True)
    a, b = np.split(codes, 2)

    def scipy() -> None:
        graph = coo_matrix((np.ones(len(a)), (a, b)), shape=(len(nodes), len(nodes)))
        connected_components(graph, directed=False)

    found = {"scipy": spent(scipy)[0]}
    if rustworkx:
        graph: Any = rustworkx.PyGraph()
        graph.add_nodes_from(range(len(nodes)))
        drawn = spent(
            lambda: graph.extend_from_edge_list(list(zip(a.tolist(), b.tolist(), strict=True)))
        )
        solved = spent(lambda: rustworkx.connected_components(graph))
        found |= {"rustworkx": solved[0], "rustworkx_with_its_graph": drawn[0] + solved[0]}
    return found


def by_sql(folder: Path, warehouse: Path) -> None:
    """The contraction through dbt, whose start is counted in, against a sort by this process."""
    with duckdb.connect(str(warehouse)) as con:
        con.execute("set memory_limit = '2GB'")
        sort, _ = spent(lambda: con.execute(_SORT))
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    run_solvers(folder, warehouse, "--exclude", "int_identity_components")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    with duckdb.connect(str(warehouse)) as con:
        pairs = con.execute("""
            select
                count(distinct (a.component, b.component)),
                count(distinct a.component),
                count(distinct b.component)
            from components as a
            full join int_identity_components_by_sql as b using (node)
        """).fetchone()
    assert len(set(pairs or ())) == 1, f"the contraction has other components: {pairs}"
    say(
        "components_by_sql_ratio_to_sort",
        cpu / sort,
        None,
        cpu_seconds=round(cpu, 1),
        seconds=round(time.perf_counter() - began, 1),
    )


def count(con: duckdb.DuckDBPyConnection, table: str) -> int:
    found = con.execute(f"select count(*) from {table}").fetchone()
    return found[0] if found else 0


def spent(work: Callable[[], object]) -> tuple[float, float]:
    """CPU of this process, all threads, and seconds."""
    cpu, wall = time.process_time(), time.perf_counter()
    work()
    return time.process_time() - cpu, time.perf_counter() - wall


if __name__ == "__main__":
    sys.exit(main())
