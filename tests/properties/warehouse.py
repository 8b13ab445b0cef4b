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
from ingestion.raw_schema import EVENTS, EXCHANGE_RATES, IDENTITY_OVERRIDES, TABLES

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
    part_of: Callable[[dict], int] = lambda row: 0,
    overrides: Iterable[dict] = (),
    rates: Iterable[dict] = (),
) -> None:
    """Write ``events`` (rows of ``raw.events``, defaults filled in) in the order given.

    ``part_of``: which of several loads brings a row.
    """
    home.warehouse.unlink(missing_ok=True)
    with duckdb.connect(str(home.warehouse)) as con:
        con.execute("create schema raw")
        for name, schema in TABLES.items():
            con.register("empty", schema.empty_table())
            con.execute(f"create table raw.{name} as select *, '' as _dlt_load_id from empty")
        con.execute("create table raw._dlt_loads (load_id varchar, status bigint)")
    add_raw(home, events, part_of, overrides, rates)


def add_raw(
    home: Home,
    events: list[dict],
    part_of: Callable[[dict], int] = lambda row: 0,
    overrides: Iterable[dict] = (),
    rates: Iterable[dict] = (),
) -> None:
    """What later loads bring: more events, and the owner's files as they are by then."""
    rows = [DEFAULTS | row for row in events]
    lines = [
        {"position": number, "author": "ann", "reason": "asked"} | line
        for number, line in enumerate(overrides, 1)
    ]
    with duckdb.connect(str(home.warehouse)) as con:
        before = con.execute("select count(*) from raw._dlt_loads").fetchall()[0][0]
        loads = [f"load-{before:04}-{part_of(row)}" for row in rows]
        table = pa.Table.from_pylist(rows, schema=EVENTS)
        con.register("rows", table.append_column("_dlt_load_id", pa.array(loads, pa.string())))
        con.execute("insert into raw.events by name select * from rows")
        con.execute("delete from raw.segments")
        con.execute(
            "insert into raw.segments select distinct source, segment, generation, 0, 1, 1, '',"
            " 1, 1, 0, 0, max(received_at) over (), _dlt_load_id from raw.events"
        )
        con.execute("delete from raw.receipts")
        con.execute(
            "insert into raw.receipts"
            " select source, segment, generation, 0, 1, null, count(*), max(_dlt_load_id)"
            " from raw.events group by all"
        )
        newest = f"load-{before:04}-9"
        con.executemany(
            "insert into raw._dlt_loads values (?, 0)", [[load] for load in {*loads, newest}]
        )
        # every load reads the owner's files whole, so the newest one's count
        for name, schema, kept in (
            ("identity_overrides", IDENTITY_OVERRIDES, lines),
            ("exchange_rates", EXCHANGE_RATES, list(rates)),
        ):
            con.register("lines", pa.Table.from_pylist(kept, schema=schema))
            con.execute(f"insert into raw.{name} select *, ? from lines", [newest])


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
