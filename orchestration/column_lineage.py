"""From which columns each column of a model is made, read from the SQL dbt compiled.

dagster-dbt can do this only with a connection that it then keeps open, which locks the warehouse;
here the columns come from one query of ours. Tracing a wide model takes seconds, so results are
kept by the digest of what they depend on. Python models have no SQL and so no lineage.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sqlglot import MappingSchema, exp, parse_one
from sqlglot.errors import SqlglotError
from sqlglot.lineage import Node, lineage
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import build_scope

_DIALECT = "duckdb"
_EDITION = 2  # of the tracing below: what an older one kept is traced again
_PLACE = "rowid"  # DuckDB's number of a row: where it lies, made from no column
_log = logging.getLogger(__name__)

Table = tuple[str, str]  # schema, name
Lineage = Mapping[str, list[tuple[str, str, str]]]  # column -> (schema, table, column), sorted


@dataclass(frozen=True, slots=True)
class Model:
    """A compiled model and the columns, name -> type, of the tables it may read."""

    name: str
    sql: str
    parents: Mapping[Table, Mapping[str, str]]

    @property
    def digest(self) -> str:
        parents = sorted(
            (*table, *sorted(columns.items())) for table, columns in self.parents.items()
        )
        return hashlib.sha256(json.dumps([_EDITION, self.sql, parents]).encode()).hexdigest()[:32]


def trace(model: Model, cache: Path) -> Lineage:
    """The lineage of ``model``, from ``cache`` (a folder) when it was traced before.

    SQL that sqlglot cannot read gives an empty lineage and a warning: a picture is not worth a
    failed run.
    """
    kept = cache / f"{model.digest}.json"
    if kept.exists():
        return {k: [(s, t, c) for s, t, c in v] for k, v in json.loads(kept.read_text()).items()}
    try:
        traced = _trace(model)
    except (SqlglotError, RecursionError, KeyError, AttributeError, ValueError) as error:
        _log.warning("No column lineage for %s: %s", model.name, str(error)[:300])
        return {}
    cache.mkdir(parents=True, exist_ok=True)
    draft = kept.with_suffix(".draft")
    draft.write_text(json.dumps(traced))
    draft.replace(kept)
    return traced


def qualified(sql: str, tables: Mapping[Table, Mapping[str, str]]) -> exp.Expression:
    """The query with every column under its table's name, and stars spelt out.

    Args:
        sql: a compiled model.
        tables: the columns, name -> type, of each table it may read.

    Raises:
        SqlglotError: sqlglot cannot read it, or it names a column that no table has.
    """
    query = parse_one(sql, dialect=_DIALECT)
    for table in query.find_all(exp.Table):
        table.set("catalog", None)  # the file's name is not part of a table's identity here
    for column in query.find_all(exp.Column):
        if column.name.lower() == _PLACE:
            column.replace(exp.null())
    schema = _schema(tables)
    return qualify(query, schema=schema, dialect=_DIALECT, validate_qualify_columns=False)


def _schema(tables: Mapping[Table, Mapping[str, str]]) -> MappingSchema:
    schema = MappingSchema(dialect=_DIALECT)
    for (namespace, name), columns in tables.items():
        schema.add_table(exp.table_(name, db=namespace), dict(columns), dialect=_DIALECT)
    return schema


def _trace(model: Model) -> Lineage:
    query, schema = qualified(model.sql, model.parents), _schema(model.parents)
    scope = build_scope(query)
    found: dict[str, list[tuple[str, str, str]]] = {}
    assert isinstance(query, exp.Query)
    for column in query.named_selects:
        # copying and trimming the query for each column costs six times the tracing itself
        node = lineage(
            column,
            query,
            schema=schema,
            dialect=_DIALECT,
            scope=scope,
            trim_selects=False,
            copy=False,
        )
        found[column.lower()] = sorted(_leaves(node, model.parents))
    return found


def _leaves(node: Node, known: Mapping[Table, object]) -> set[tuple[str, str, str]]:
    leaves = set()
    for each in node.walk():
        table = each.expression
        if each.downstream or not isinstance(table, exp.Table):
            continue
        if (table.db, table.name) in known:
            leaves.add((table.db, table.name, exp.to_column(each.name).name.lower()))
    return leaves
