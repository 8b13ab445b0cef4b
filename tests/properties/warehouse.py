"""A warehouse whose raw tables are written by the test, built by the real dbt project."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import duckdb
import pyarrow as pa

from governance.home import Home
from governance.keys import make_keys
from ingestion.raw_schema import EVENTS as EVENTS_SCHEMA
from ingestion.raw_schema import EXCHANGE_RATES, RECEIPTS, REJECTS, SEGMENTS

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


def write_raw(home: Home, events: list[dict], load_of=lambda row: "load-1") -> None:
    """Write ``events`` (rows of ``raw.events``, defaults filled in) in the order given."""
    rows = [DEFAULTS | row for row in events]
    home.warehouse.unlink(missing_ok=True)
    with duckdb.connect(str(home.warehouse)) as con:
        con.execute("create schema raw")
        table = pa.Table.from_pylist(rows, schema=EVENTS_SCHEMA)
        table = table.append_column("_dlt_load_id", pa.array([load_of(row) for row in rows]))
        con.register("rows", table)
        con.execute("create table raw.events as select * from rows")
        for name, schema in {
            "rejects": REJECTS,
            "segments": SEGMENTS,
            "receipts": RECEIPTS,
            "exchange_rates": EXCHANGE_RATES,
        }.items():
            con.register("empty", schema.empty_table())
            con.execute(f"create table raw.{name} as select *, '' as _dlt_load_id from empty")
        con.execute(
            "insert into raw.segments select distinct source, segment, 1, 0, 1, 1, '', 1, 1, 0, 0,"
            " max(received_at) over (), 'load-1' from raw.events"
        )
        con.execute(
            "insert into raw.receipts select source, segment, 1, 0, 1, null, count(*), 'load-1'"
            " from raw.events group by all"
        )
        con.execute(
            "create table raw._dlt_loads as"
            " select distinct _dlt_load_id as load_id, 0::bigint as status from raw.events"
            " union select 'load-1', 0"
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
