"""A warehouse whose raw tables are written by the test, built by the real dbt project."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import duckdb
import pyarrow as pa

from governance.home import Home
from governance.keys import make_keys
from ingestion.raw_schema import EVENTS, IDENTITY_OVERRIDES, TABLES

PROJECT = Path(__file__).parents[2] / "dbt_project"
MODELS = ("build", "--resource-type", "model", "--resource-type", "seed")
DEFAULTS = {
    "segment": "a.jsonl",
    "generation": 1,
    "item": 0,
    "record_kind": "event",
    "is_deleted": False,
    "disposition": "accepted",
    "content_digest": "c",
    "redactions": 0,
    "event_name": "looked",
    "event_type": "track",
    "is_bot": False,
}


def write_raw(
    home: Home,
    events: list[dict],
    load_of: Callable[[dict], str] = lambda row: "load-1",
    overrides: Iterable[dict] = (),
) -> None:
    """Write ``events`` (rows of ``raw.events``, defaults filled in) in the order given."""
    home.warehouse.unlink(missing_ok=True)
    with duckdb.connect(str(home.warehouse)) as con:
        con.execute("create schema raw")
        for name, schema in TABLES.items():
            con.register("empty", schema.empty_table())
            con.execute(f"create table raw.{name} as select *, '' as _dlt_load_id from empty")
        con.execute("create table raw._dlt_loads (load_id varchar, status bigint)")
    add_raw(home, events, load_of, overrides)


def add_raw(
    home: Home,
    events: list[dict],
    load_of: Callable[[dict], str] = lambda row: "load-1",
    overrides: Iterable[dict] = (),
) -> None:
    """What later loads bring: more events, and the whole file of overrides as it is by then."""
    rows = [DEFAULTS | row for row in events]
    loads = [load_of(row) for row in rows]
    lines = [
        {"position": number, "author": "ann", "reason": "asked"} | line
        for number, line in enumerate(overrides, 1)
    ]
    with duckdb.connect(str(home.warehouse)) as con:
        table = pa.Table.from_pylist(rows, schema=EVENTS)
        con.register("rows", table.append_column("_dlt_load_id", pa.array(loads, pa.string())))
        con.execute("insert into raw.events by name select * from rows")
        con.execute("delete from raw.segments")
        con.execute(
            "insert into raw.segments select distinct source, segment, 1, 0, 1, 1, '', 1, 1, 0, 0,"
            " max(received_at) over (), 'load-1' from raw.events"
        )
        con.execute("delete from raw.receipts")
        con.execute(
            "insert into raw.receipts select source, segment, 1, 0, 1, null, count(*), 'load-1'"
            " from raw.events group by all"
        )
        con.execute("delete from raw._dlt_loads")
        con.execute(
            "insert into raw._dlt_loads select distinct _dlt_load_id, 0 from raw.events"
            " union select 'load-1', 0"
        )
        # every load reads the whole file, so the newest one's counts
        con.register("lines", pa.Table.from_pylist(lines, schema=IDENTITY_OVERRIDES))
        con.execute(
            "insert into raw.identity_overrides"
            " select *, (select max(load_id) from raw._dlt_loads) from lines"
        )
        con.execute(
            "delete from raw.identity_overrides"
            " where _dlt_load_id < (select max(load_id) from raw._dlt_loads)"
        )


def make_home(root: Path) -> Home:
    root.mkdir(parents=True, exist_ok=True)
    home = Home(root)
    make_keys(home)
    return home


def build(home: Home, variables: dict, *arguments: str, target: Path) -> None:
    """Run ``dbt`` with the home's keys; fails the test with dbt's own words."""
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "dbt.cli.main",
            *(arguments or MODELS),
            "--project-dir",
            str(PROJECT),
            "--profiles-dir",
            str(PROJECT),
            "--target-path",
            str(target),
            "--log-path",
            str(target / "logs"),
            "--vars",
            json.dumps(variables),
            "--quiet",
        ],
        env=os.environ
        | {
            "THROUGHLINE_HOME": str(home.root),
            "THROUGHLINE_WAREHOUSE": str(home.warehouse),
            "PYTHONPATH": str(PROJECT.parent),
            "DO_NOT_TRACK": "1",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
