"""The models by key as dbt compiled them: their query, and what says which keys are touched."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import sqlglot
from sqlglot import exp

BEGINS, ENDS = "/* touched:", ":touched */"
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)


@dataclass(frozen=True)
class Model:
    """``query``: the full build; ``touched``: the query that names the touched keys."""

    name: str
    query: str
    touched: str

    def branches(self) -> Iterator[tuple[str, str]]:
        """Each branch, and ``touched`` without it."""
        for number in range(len(_united(sqlglot.parse_one(self.touched, dialect="duckdb")))):
            tree = sqlglot.parse_one(self.touched, dialect="duckdb")
            branch = _united(tree)[number]
            text = " ".join(branch.sql(dialect="duckdb").split())
            branch.where("false", copy=False)
            yield f"{self.name}: {text}", tree.sql(dialect="duckdb")


def _united(tree: exp.Expression) -> list[exp.Select]:
    united = [each for each in tree.find_all(exp.Select) if isinstance(each.parent, exp.Union)]
    return united or [tree.assert_is(exp.Select)]


def models_of(target: Path) -> list[Model]:
    """The models by key, of the folder dbt compiled them to."""
    nodes = json.loads((target / "manifest.json").read_bytes())["nodes"].values()
    found = []
    for node in nodes:
        if node["resource_type"] == "model" and node["config"]["materialized"] == "by_key":
            path = target / "compiled/throughline" / node["original_file_path"]
            query, touched = path.read_text().split(BEGINS)
            found.append(Model(node["name"], _COMMENT.sub("", query), touched.split(ENDS)[0]))
    return found
