"""Models built from finished upstream tables, in memory and without dbt.

The SQL is what ``orchestration.model_sql`` renders, which a test compares with dbt's own text; so a
home of ten thousand journeys takes seconds, and a mutant of one model a part of that.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import duckdb
import pyarrow as pa

from orchestration.model_sql import ModelSql
from tests.properties.mutants import Chain


def build(
    given: Mapping[str, pa.Table],
    variables: dict[str, Any],
    models: Sequence[str],
    templates: Mapping[str, str] | None = None,
) -> Chain:
    """The models in this order, over tables named like the models that would have made them.

    ``templates``: tables of our own behind them, as texts that may use the project's macros.
    """
    connection = duckdb.connect()
    connection.execute("set TimeZone = 'UTC'")
    connection.execute("set threads = 2")
    for name, table in given.items():
        connection.register("given", table)
        connection.execute(f"create table {name} as select * from given")
        connection.unregister("given")
    rendered = ModelSql(variables)
    sql = {name: rendered.of(name) for name in models}
    sql |= {name: rendered.rendered(text) for name, text in (templates or {}).items()}
    rows = {}
    for name, query in sql.items():
        connection.execute(f"create table {name} as\n{query}")
        rows[name] = connection.execute(f"select count(*) from {name}").fetchall()[0][0]
    return Chain(connection, sql, {name: name for name in sql}, rows, _below(sql))


def _below(sql: Mapping[str, str]) -> dict[str, list[str]]:
    """Which models read each, directly or not, in the order of building."""
    names = list(sql)
    reads = {
        name: {each for each in names if re.search(rf"\b{each}\b", sql[name])} for name in names
    }
    found: dict[str, list[str]] = {}
    for name in names:
        below = {name}
        for other in names[names.index(name) + 1 :]:
            if reads[other] & below:
                below.add(other)
        found[name] = [other for other in names if other in below - {name}]
    return found
