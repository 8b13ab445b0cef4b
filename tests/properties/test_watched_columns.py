"""A model looks for changes of every column it reads.

``touched()`` nets the changes of an input over the columns it names: a change of another column
alone goes unseen. So what the compiled query reads of each input must be named, or follow from what
is; that is asked of the SQL itself, because such a change may be too rare for random lives.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import duckdb
import pytest
from sqlglot import exp
from sqlglot.optimizer.pushdown_projections import pushdown_projections
from sqlglot.optimizer.scope import traverse_scope

from orchestration.column_lineage import qualified
from tests.properties.lives import variables
from tests.properties.stepwise import Plan, Step, run
from tests.properties.touched import models_of
from tests.properties.warehouse import make_home

NETTED = re.compile(r"\(select (distinct )?([^()]*?) from increments\.(\w+) where _version")

OF_TIME = "a function of occurred_at, which is watched"
OF_KIND = "a function of the kind, which is watched"
FOLLOWS: Mapping[tuple[str, str], tuple[set[str], str]] = {
    ("int_person_events", "int_events"): ({"occurred_date"}, OF_TIME),
    ("int_order_amounts", "int_events"): ({"occurred_date"}, OF_TIME),
    ("fct_conversions", "int_events"): ({"occurred_date"}, OF_TIME),
    ("fct_page_views", "int_person_events"): ({"occurred_date"}, OF_TIME),
    ("int_identity_pairs", "int_identity_evidence"): (
        {"higher_priority", "lower_priority"},
        OF_KIND,
    ),
    ("int_subject_persons", "int_subject_identifiers"): ({"kind_priority"}, OF_KIND),
    ("int_subjects", "int_event_subjects"): (
        {
            *("anonymous_id", "device_id", "email_token", "external_ids", "is_device_sent"),
            *("is_trusted", "phone_token", "previous_anonymous_id", "previous_user_id"),
            *("record_kind", "source", "user_id"),
        },
        "what subject_key, which is watched, is made from",
    ),
    ("rpt_pages", "fct_page_views"): (
        {"session_id"},
        "says which days are open, and is_complete is compared for every day",
    ),
    ("rpt_paths", "fct_sessions"): (
        {"is_open"},
        "says which weeks are open, and is_complete is compared for every week",
    ),
}

# What a view unites: changes are kept of the tables alone.
UNITED = {"int_event_sessions": ("int_session_events", "int_attached_events")}

Tables = Mapping[tuple[str, str], Mapping[str, str]]  # (schema, name) -> column -> type
Built = tuple[Path, Path]  # dbt's target folder, the warehouse


@pytest.fixture(scope="module", params=["device", "client"])
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Built:
    folder = tmp_path_factory.mktemp("watched")
    home = make_home(folder / "home")
    run(folder / "compiled", Plan(home.root, variables(request.param), [Step([])]))
    return folder / "compiled" / "target", home.warehouse


def columns_of(warehouse: Path) -> Tables:
    with duckdb.connect(str(warehouse), read_only=True) as con:
        found = con.execute(
            "select schema_name, table_name, map(list(column_name), list(data_type))"
            " from duckdb_columns() where database_name = current_database() group by all"
        ).fetchall()
    return {(schema, name): types for schema, name, types in found}


def columns_read(query: str, tables: Tables) -> dict[str, set[str]]:
    """The columns of each table that the result depends on."""
    read: dict[str, set[str]] = {}
    for scope in traverse_scope(pushdown_projections(qualified(query, tables))):
        for alias, source in scope.sources.items():
            if isinstance(source, exp.Table):
                columns = {each.name for each in scope.columns if each.table == alias}
                for name in UNITED.get(source.name, (source.name,)):
                    read.setdefault(name, set()).update(columns & tables[source.db, name].keys())
    return read


def columns_watched(touched: str) -> dict[str, set[str] | None]:
    """The columns named of each input's changes; None: all."""
    watched: dict[str, set[str] | None] = {}
    for is_any, names, table in NETTED.findall(touched):
        before = watched.get(table, set())
        named = {name.strip() for name in names.split(",")}
        watched[table] = None if is_any or before is None else before | named
    return watched


def test_every_column_a_model_reads_is_watched_or_follows_from_what_is(built: Built) -> None:
    target, warehouse = built
    tables, models, unwatched = columns_of(warehouse), models_of(target), {}
    for model in models:
        watched = columns_watched(model.touched)
        for table, columns in columns_read(model.query, tables).items():
            named = watched.get(table)
            if named is not None and columns - named:
                unwatched[model.name, table] = columns - named
    assert len(models) > 40
    assert unwatched == {pair: columns for pair, (columns, _) in FOLLOWS.items()}
