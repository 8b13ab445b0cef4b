"""Graphs for the solvers of components: plain loops, random worlds, tables, and dbt by itself."""

from __future__ import annotations

import importlib.util
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

import duckdb
import pyarrow as pa

PROJECT = Path(__file__).parents[2] / "dbt_project"
MODELS = PROJECT / "models/intermediate"
SOLVERS = ("int_identity_components", "int_identity_components_by_sql")

Edge = tuple[str, str, bool]


def load_solver() -> ModuleType:
    """The model's file as dbt loads it: by path, outside any package."""
    path = MODELS / "int_identity_components.py"
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# --- An oracle of plain loops ---------------------------------------------------------------------


def parts_of(nodes: Iterable[str], edges: Iterable[Edge]) -> list[frozenset[str]]:
    part = {node: frozenset([node]) for node in nodes}
    for a, b, _ in edges:
        merged = part[a] | part[b]
        part |= dict.fromkeys(merged, merged)
    return list(set(part.values()))


def holds(part: frozenset[str], never: Iterable[tuple[str, str]]) -> bool:
    return any(a != b and a in part and b in part for a, b in never)


def expected(edges: Iterable[Edge], never: Iterable[tuple[str, str]]) -> set:
    """(members, is_contested) of every component."""
    edges = list(edges)
    found = set()
    for whole in parts_of({end for a, b, _ in edges for end in (a, b)}, edges):
        if not holds(whole, never):
            found.add((whole, False))
            continue
        for part in parts_of(whole, [edge for edge in edges if edge[2] and edge[0] in whole]):
            alone = holds(part, never)
            found |= {(frozenset([node]), True) for node in part} if alone else {(part, True)}
    return found


# --- Worlds ---------------------------------------------------------------------------------------


def random_edges(chance: random.Random, nodes: int, count: int) -> set[Edge]:
    """Edges that no other edge doubles, loops among them; one in five is an override."""
    pairs = {(chance.randrange(nodes), chance.randrange(nodes)) for _ in range(count)}
    return {(f"n{a}", f"n{b}", chance.random() < 0.2) for a, b in pairs}


def random_never(chance: random.Random, nodes: int, count: int) -> set[tuple[str, str]]:
    ends = ((chance.randrange(nodes), chance.randrange(nodes)) for _ in range(count))
    return {(f"n{a}", f"n{b}") for a, b in ends}


def chain(length: int) -> list[Edge]:
    return [(f"n{i}", f"n{i + 1}", False) for i in range(length)]


SHAPES: dict[str, tuple[list[Edge], list[tuple[str, str]]]] = {
    "nothing": ([], []),
    "a never pair alone": ([], [("n1", "n2")]),
    "a loop": ([("n1", "n1", False)], []),
    "doubles": ([("n1", "n2", False), ("n2", "n1", False)] * 200, []),
    "a chain": (chain(2_000), []),
    "a star": ([("n0", f"n{i}", False) for i in range(1, 500)], []),
    "a ring": ([*chain(100), ("n100", "n0", False)], []),
    "contested, nothing said": (chain(4), [("n0", "n4")]),
    "contested, overrides hold": ([*chain(4), ("n0", "n1", True)], [("n0", "n4")]),
    "contested by overrides": ([(a, b, True) for a, b, _ in chain(4)], [("n0", "n4")]),
    "a never pair in two components": ([("n0", "n1", False), ("n2", "n3", False)], [("n0", "n3")]),
    "never of itself": (chain(2), [("n1", "n1")]),
}


# --- Tables --------------------------------------------------------------------------------------


def write(con: duckdb.DuckDBPyConnection, name: str, rows: Iterable[tuple]) -> None:
    """A table of pairs (of edges, when rows have three entries)."""
    columns = {"node_a": pa.string(), "node_b": pa.string(), "is_override": pa.bool_()}
    if name in ("never", "altered"):
        del columns["is_override"]
    entries = [dict(zip(columns, row, strict=True)) for row in rows]
    con.register("rows_of_table", pa.Table.from_pylist(entries, schema=pa.schema(columns)))
    con.execute(f"create or replace table {name} as from rows_of_table")


def exchange(con: duckdb.DuckDBPyConnection, solver: ModuleType) -> None:
    """The rows that the tables added and altered change, in ``changed`` and in ``components``."""
    names = ("components", "edges", "never", "added", "altered")
    con.execute("drop table if exists changed")
    solver.changed_rows(con, *names).create("changed")
    con.execute("delete from components where node in (select node from changed)")
    con.execute("insert into components from changed where component is not null")


def partition(rows: Iterable[tuple]) -> set:
    """What ``expected`` says, of rows (node, component, is_contested)."""
    members: dict[int, list] = {}
    for node, component, is_contested in rows:
        members.setdefault(component, []).append((node, is_contested))
    assert all(len({contested for _, contested in m}) == 1 for m in members.values())
    return {(frozenset(node for node, _ in m), m[0][1]) for m in members.values()}


# --- By dbt --------------------------------------------------------------------------------------


_PROJECT_FILE = """
name: components
version: "1.0"
profile: components
macro-paths: ["{project}/macros"]
on-run-start: "{{{{ create_increment_state() }}}}"
vars: {{tl_component_solver: sql}}
"""
_PROFILE = """
components:
  target: here
  outputs: {{here: {{type: duckdb, path: "{path}", threads: 1, schema: main}}}}
"""


def solve_by_dbt(folder: Path, edges: Iterable, never: Iterable) -> dict[str, list[tuple]]:
    """The tables of both solvers for edges and never pairs."""
    warehouse = folder / "w.duckdb"
    with duckdb.connect(str(warehouse)) as con:
        write(con, "edges", edges)
        write(con, "never", never)
    run_solvers(folder, warehouse)
    with duckdb.connect(str(warehouse), read_only=True) as con:
        found = con.execute(
            "select table_schema || '.' || table_name from information_schema.tables"
            " where table_name like 'int_identity_components%' order by all"
        ).fetchall()
        wanted = [f"increments.{SOLVERS[0]}", *(f"main.{name}" for name in SOLVERS)]
        assert [name for (name,) in found] == wanted  # no step is left behind
        select = "select node, component, is_contested from main."
        return {name: con.execute(select + name).fetchall() for name in SOLVERS}


def run_solvers(folder: Path, warehouse: Path, *arguments: str) -> None:
    """``dbt run`` on the tables main.edges and main.never, in a project that holds nothing else."""
    models = folder / "models"
    models.mkdir(parents=True)
    (folder / "dbt_project.yml").write_text(_PROJECT_FILE.format(project=PROJECT))
    (folder / "profiles.yml").write_text(_PROFILE.format(path=warehouse))
    (models / "int_identity_component_edges.sql").write_text("select * from main.edges")
    (models / "int_identity_never.sql").write_text("select * from main.never")
    for name in ("int_identity_components.py", "int_identity_components_by_sql.sql"):
        shutil.copy(MODELS / name, models)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "dbt.cli.main", "run", "--quiet", *arguments),
            *("--project-dir", str(folder), "--profiles-dir", str(folder)),
        ],
        cwd=folder,
        env=os.environ | {"DO_NOT_TRACK": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
