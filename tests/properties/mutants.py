"""Mutants: the compiled SQL of a model with one thing changed, to see whether a test notices.

``mutants_of`` makes them mechanically with sqlglot; ``Chain`` builds what lies downstream of a
mutated model from the tables of a finished build, inside a transaction that is rolled back.
"""

from __future__ import annotations

import json
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import duckdb
import sqlglot
from sqlglot import exp

from tests.dbt_project.graphs import load_solver

_FLIPPED: dict[type[exp.Expression], type[exp.Expression]] = {
    exp.LT: exp.LTE,
    exp.LTE: exp.LT,
    exp.GT: exp.GTE,
    exp.GTE: exp.GT,
}
_OPPOSITE: dict[type[exp.Expression], type[exp.Expression]] = {
    exp.Min: exp.Max,
    exp.Max: exp.Min,
    exp.ArgMin: exp.ArgMax,
    exp.ArgMax: exp.ArgMin,
    exp.LogicalOr: exp.LogicalAnd,
    exp.Lag: exp.Lead,
    exp.Lead: exp.Lag,
}
_SECONDS = 30  # a mutant may take
_COMMENT = re.compile(r"/\*.*?\*/|--[^\n]*", re.DOTALL)


@dataclass(frozen=True)
class Mutant:
    """``what``: the operator and the text it changed; ``sql``: the whole query, changed."""

    model: str
    what: str
    sql: str


def mutants_of(model: str, sql: str) -> Iterator[Mutant]:
    """Every mutant of a query, one change each, in the order of the text.

    Operators: drop an order key, reverse it, flip a comparison's edge, drop a conjunct, min for
    max, swap two neighbouring ranks (numbers a CASE gives), an outer join for an inner one.
    """
    plain = _COMMENT.sub(" ", sql)
    count = len(list(_places(sqlglot.parse_one(plain, dialect="duckdb"))))
    seen = set()
    for number in range(count):
        tree = sqlglot.parse_one(plain, dialect="duckdb")
        what, change = list(_places(tree))[number]
        change()
        text = tree.sql(dialect="duckdb")
        if text not in seen:
            seen.add(text)
            yield Mutant(model, what, text)


def _places(tree: exp.Expression) -> list[tuple[str, Callable[[], object]]]:
    found: list[tuple[str, Callable[[], object]]] = []
    for node in tree.walk():
        text = node.sql(dialect="duckdb")[:120]
        if isinstance(node, exp.Order):
            for key in node.expressions:
                shown = key.sql(dialect="duckdb")
                drop = key.pop if len(node.expressions) > 1 else node.pop
                found.append((f"drop order key {shown} of {text}", drop))
                found.append((f"reverse {shown} of {text}", lambda k=key: _reverse(k)))
        elif type(node) in _FLIPPED:
            other = _FLIPPED[type(node)]
            found.append((f"flip {text}", lambda n=node, o=other: _become(n, o)))
        elif type(node) in _OPPOSITE:
            other = _OPPOSITE[type(node)]
            found.append((f"opposite of {text}", lambda n=node, o=other: _become(n, o)))
        elif isinstance(node, exp.And):
            found.append(
                (f"drop {node.right.sql(dialect='duckdb')}", lambda n=node: n.replace(n.left))
            )
            found.append(
                (f"drop {node.left.sql(dialect='duckdb')}", lambda n=node: n.replace(n.right))
            )
        elif isinstance(node, exp.Where | exp.Having) and not isinstance(node.this, exp.And):
            found.append((f"drop {text}", node.pop))
        elif isinstance(node, exp.Filter):
            found.append((f"no filter: {text}", lambda n=node: n.replace(n.this)))
        elif isinstance(node, exp.Case):
            found += _ranks(node, text)
        elif isinstance(node, exp.Join) and not node.side and not node.kind and node.args.get("on"):
            found.append((f"left join: {text}", lambda n=node: n.set("side", "LEFT")))
    return found


def _ranks(case: exp.Case, text: str) -> list[tuple[str, Callable[[], object]]]:
    """Two neighbouring numbers of a CASE, and two neighbouring answers of any other."""
    branches = case.args["ifs"]
    return [
        (f"swap answers {number} and {number + 1} of {text}", lambda a=a, b=b: _swap(a, b))
        for number, (a, b) in enumerate(pairwise(branches), start=1)
    ]


def _swap(a: exp.Expression, b: exp.Expression) -> None:
    one, two = a.args["true"].copy(), b.args["true"].copy()
    a.set("true", two)
    b.set("true", one)


def _reverse(key: exp.Expression) -> None:
    key.set("desc", not key.args.get("desc"))
    key.set("nulls_first", not key.args.get("nulls_first"))


def _become(node: exp.Expression, other: type[exp.Expression]) -> None:
    node.replace(other(**node.args))


# --- What became of them --------------------------------------------------------------------------


@dataclass
class Tally:
    """What became of mutants, by ``model: what``: one that anything notices is caught.

    ``caught_by`` of a mutant: what noticed it; None: nothing; ``error…``: it was no query.
    """

    found: dict[str, str | None] = field(default_factory=dict)

    def add(self, mutant: Mutant, caught_by: str | None) -> None:
        print(f"{mutant.model}: {mutant.what}: {caught_by}"[:300], flush=True)  # noqa: T201
        name = f"{mutant.model}: {mutant.what}"
        if self.found.get(name) is None:
            self.found[name] = caught_by

    def has_caught(self, share: float, explained: Path) -> None:
        """Fails unless every survivor is explained and that share of what can be noticed was.

        ``explained``: JSON, survivor -> {"is": equivalent | elsewhere | missed, "why": …};
        ``elsewhere``: a unit or data test notices it. What is said of a model of these mutants
        must be said of one of them.
        """
        known = json.loads(explained.read_text())
        models = {name.split(": ", 1)[0] for name in self.found}
        stale = [
            each for each in known.keys() - self.found.keys() if each.split(": ", 1)[0] in models
        ]
        assert not stale, "explained, but no mutant any more:\n" + "\n".join(sorted(stale))
        survivors = [name for name, found in self.found.items() if found is None]
        unexplained = [name for name in survivors if name not in known]
        assert not unexplained, "\n".join(unexplained)
        kinds = Counter(known[name]["is"] for name in survivors)
        broken = sum(bool(found and found.startswith("error")) for found in self.found.values())
        caught = len(self.found) - len(survivors) - broken
        print(f"{caught} caught, survivors {dict(kinds)}, {broken} were no queries")  # noqa: T201
        noticed = caught + kinds["elsewhere"]
        assert noticed >= share * (noticed + kinds["missed"])


# --- The models downstream ------------------------------------------------------------------------


class RunawayError(Exception):
    """A mutant that shows by what it costs."""


def _is_table(connection: duckdb.DuckDBPyConnection, relation: str) -> bool:
    found = connection.execute(
        "select 1 from duckdb_tables() where schema_name || '.' || table_name = ?", [relation]
    )
    return bool(found.fetchall())


@dataclass
class Chain:
    """The finished build behind ``connection``; ``sql``: the compiled query of each model."""

    connection: duckdb.DuckDBPyConnection
    sql: dict[str, str]
    relation: dict[str, str]
    rows: dict[str, int]  # of the finished build
    below: dict[str, list[str]]  # name -> the models that depend on it, in the order to build them

    @classmethod
    def of(cls, connection: duckdb.DuckDBPyConnection, target: Path, wanted: set[str]) -> Chain:
        """Of the target folder dbt left; ``wanted``: the tables the tests read."""
        manifest = json.loads((target / "manifest.json").read_bytes())
        nodes = {
            name: node
            for name, node in manifest["nodes"].items()
            if node["resource_type"] == "model"
        }
        sql, relation, order = {}, {}, _ordered(nodes)
        for unique_id in order:
            node = nodes[unique_id]
            path = target / "compiled/throughline" / node["original_file_path"]
            if path.exists() and path.suffix == ".sql":
                sql[node["name"]] = path.read_text()
            relation[node["name"]] = f"{node['schema']}.{node['name']}"
        leads_to = _leads_to(nodes, order, wanted)
        below = {
            nodes[each]["name"]: [
                nodes[other]["name"]
                for other in order
                if other != each and nodes[other]["name"] in leads_to and _reads(nodes, other, each)
            ]
            for each in order
        }
        rows = {}
        for name, table in relation.items():
            if _is_table(connection, table):
                rows[name] = connection.execute(f"select count(*) from {table}").fetchall()[0][0]
        connection.execute("set memory_limit = '2GB'")
        connection.execute("set max_temp_directory_size = '2GB'")
        return cls(connection, sql, relation, rows, below)

    @contextmanager
    def mutated(self, mutant: Mutant) -> Iterator[None]:
        """With the mutant and everything below it built, until the end of the block.

        Raises:
            duckdb.Error: the mutant is no query.
            RunawayError: it makes far too many rows, or takes too much time or memory.
        """
        self.connection.begin()
        watch = threading.Timer(_SECONDS, self.connection.interrupt)
        watch.start()
        try:
            self._build(mutant.model, mutant.sql)
            for name in self.below[mutant.model]:
                self._build(name, self.sql.get(name))
            watch.cancel()
            yield
        except (duckdb.InterruptException, duckdb.OutOfMemoryException) as error:
            raise RunawayError(str(error)) from error
        finally:
            watch.cancel()
            self.connection.rollback()

    def _build(self, name: str, sql: str | None) -> None:
        if name == "int_identity_components":
            solved = load_solver().solve_names(
                self.connection,
                "intermediate.int_identity_component_edges",
                "intermediate.int_identity_never",
            )
            solved.to_table("solved")
            sql = "from solved"
        relation = self.relation[name]
        if name not in self.rows:
            return  # a view reads the tables as they are
        most = 10 * self.rows[name] + 1000
        made = self.connection.execute(
            f"create or replace table {relation} as select * from (\n{sql}\n) limit {most}"
        ).fetchall()[0][0]
        if made == most:
            raise RunawayError(f"{name} has {most} rows or more")
        if name == "int_identity_components":
            self.connection.execute("drop table solved")


def _ordered(nodes: dict[str, dict]) -> list[str]:
    order: list[str] = []

    def visit(each: str) -> None:
        if each in nodes and each not in order:
            for parent in nodes[each]["depends_on"]["nodes"]:
                visit(parent)
            order.append(each)

    for each in sorted(nodes):
        visit(each)
    return order


def _reads(nodes: dict[str, dict], one: str, other: str) -> bool:
    parents = [p for p in nodes[one]["depends_on"]["nodes"] if p in nodes]
    return other in parents or any(_reads(nodes, parent, other) for parent in parents)


def _leads_to(nodes: dict[str, dict], order: list[str], wanted: set[str]) -> set[str]:
    return {
        nodes[each]["name"]
        for each in order
        if nodes[each]["name"] in wanted
        or any(nodes[w]["name"] in wanted and _reads(nodes, w, each) for w in order)
    }
