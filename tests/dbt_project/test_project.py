"""The whole dbt project on a home that has received nothing, its unit tests included."""

from __future__ import annotations

from datetime import datetime

import duckdb

from tests.properties.warehouse import MODELS, build, make_home, write_raw


def test_every_model_unit_test_and_data_test_passes_without_any_event(tmp_path):
    home = make_home(tmp_path / "home")
    write_raw(home, [])
    build(home, {}, "build", target=tmp_path / "target")
    with duckdb.connect(str(home.warehouse), read_only=True) as con:
        rows = con.execute(
            "select sum(estimated_size) from duckdb_tables() where schema_name = 'marts'"
        ).fetchone()
    assert rows == (0,)


def test_a_live_source_that_never_delivered_holds_windows_open(tmp_path):
    home = make_home(tmp_path / "home")
    early, late = datetime(2026, 4, 1), datetime(2026, 4, 2)
    write_raw(
        home,
        [
            {
                "source": "web",
                "position": number,
                "dedupe_key": f"k{number}",
                "event_id": f"e{number}",
                "surface": "web",
                "is_interactive": True,
                "anonymous_id": f"a{number}",
                "occurred_at": at,
                "received_at": at,
            }
            for number, at in enumerate((early, late))
        ],
    )
    web = {"surface": "web", "trust": "public", "lawful_basis": "consent"}
    target = tmp_path / "target"
    for silent_is_live, open_sessions in ((True, 2), (False, 1)):
        sources = [
            web | {"name": "web", "live": True},
            web | {"name": "silent", "live": silent_is_live},
        ]
        build(home, {"tl_sources": sources}, *MODELS, "-s", "+fct_sessions", target=target)
        with duckdb.connect(str(home.warehouse), read_only=True) as con:
            found = con.execute("select count(*) filter (is_open) from marts.fct_sessions")
            assert found.fetchone() == (open_sessions,)


def test_a_table_of_a_model_that_is_no_more_is_dropped(tmp_path):
    home = make_home(tmp_path / "home")
    write_raw(home, [])
    with duckdb.connect(str(home.warehouse)) as con:
        for schema in ("intermediate", "increments", "notes"):
            con.execute(f"create schema {schema}")
            con.execute(f"create table {schema}.int_no_more as select 'somebody' as who")
    build(home, {}, "run", "-s", "int_funnels", target=tmp_path / "target")
    build(home, {}, "run", "-s", "int_sources", target=tmp_path / "target")
    with duckdb.connect(str(home.warehouse), read_only=True) as con:
        tables = con.execute(
            "select schema_name || '.' || table_name from duckdb_tables()"
            " where schema_name not in ('raw', 'staging') order by all"
        ).fetchall()
    wanted = ["increments.int_funnels", "increments.int_sources", "increments.models"]
    wanted += ["increments.read", "intermediate.int_funnels", "intermediate.int_sources"]
    assert [name for (name,) in tables] == [*wanted, "notes.int_no_more"]
