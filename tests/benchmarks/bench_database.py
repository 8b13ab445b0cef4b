"""Reading a table of an application database: peak memory in gigabytes, and rows a second.

A PostgreSQL of its own holds the table; each read is a process of its own: all rows the first time,
nothing new by the cursor with all keys compared, all rows compared after 1 % of them changed. The
budget is of memory; ten million rows stay below it as one million do. Prints one line of JSON and
fails above the budget.

    python -m tests.benchmarks.bench_database [--rows 1000000]
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from governance.config import Source
from governance.home import Home
from ingestion.databases import extract
from tests.benchmarks.commands import say
from tests.servers import start_postgres

BUDGET_GB = 1.0
ROWS = 1_000_000
STEP = 1_000_000

_TABLE = """
    create table orders (
      id bigint primary key, customer_no varchar(20), state varchar(10), amount numeric(12,2),
      currency char(3), created_at timestamptz, updated_at timestamptz, note text
    )
"""
_FILL = """
    insert into orders
    select i, 'c' || i % 100000, case when i % 5 = 0 then 'open' else 'paid' end, i % 10000 / 100.0,
      'EUR', timestamptz '2026-01-01' + i * interval '1 second',
      timestamptz '2026-01-01' + i * interval '1 second', md5(i::text)
    from generate_series({first}, {last}) i
"""


@dataclass(frozen=True, slots=True)
class Spent:
    """What one read took."""

    rows_read: int
    rows_written: int
    seconds: float
    peak_bytes: int


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--read", type=Path, help="a home: read its source in this process")
    parser.add_argument("--full", action="store_true")
    given = parser.parse_args()
    if given.read:
        read_here(given.read, full=given.full)
        return 0
    servers = start_postgres()
    try:
        database = next(servers).database()
        database.run(_TABLE)
        for first in range(1, given.rows + 1, STEP):
            database.run(_FILL.format(first=first, last=min(first + STEP - 1, given.rows)))
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / ".env").write_text(f"SHOP_DB_URL={database.url}\n")
            (Path(folder) / ".env").chmod(0o600)
            steps = {"first": read(folder), "unchanged": read(folder)}
            database.run("update orders set state = 'sent' where id % 100 = 0")
            steps["changed_1_percent"] = read(folder, "--full")
    finally:
        servers.close()
    ok = say(
        "database_peak_memory_gb",
        max(step.peak_bytes for step in steps.values()) / 1e9,
        BUDGET_GB,
        rows=given.rows,
        peak_gb={name: round(step.peak_bytes / 1e9, 2) for name, step in steps.items()},
        seconds={name: round(step.seconds, 1) for name, step in steps.items()},
        written={name: step.rows_written for name, step in steps.items()},
        rows_per_second=round(given.rows / steps["first"].seconds),
    )
    return 0 if ok else 1


def read(home: str, *options: str) -> Spent:
    """Read in a process of its own."""
    command = [sys.executable, "-m", "tests.benchmarks.bench_database", "--read", home, *options]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return Spent(**json.loads(done.stdout.splitlines()[-1]))


def read_here(root: Path, *, full: bool) -> None:
    """Read, and say what it took."""
    mapping = {
        "order_id": "id",
        "user_id": "customer_no",
        "amount": "amount",
        "currency": "currency",
        "occurred_at": "created_at",
        "properties": "*",
    }
    table = {"table": "orders", "as": "orders", "cursor": "updated_at", "mapping": mapping}
    source = Source.model_validate(
        {
            "name": "shop",
            "kind": "app_database",
            "url": "env:SHOP_DB_URL",
            "surface": "backend",
            "trust": "server",
            "lawful_basis": "contract",
            "tables": [table],
        }
    )
    began = time.perf_counter()
    done = extract(Home(root), source, full=full)
    seconds = time.perf_counter() - began
    if done.problems:
        raise AssertionError(done.problems)
    (found,) = done.tables
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    spent = {
        "rows_read": found.rows_read,
        "rows_written": found.rows_new + found.rows_changed,
        "seconds": seconds,
        "peak_bytes": peak,
    }
    print(json.dumps(spent))  # noqa: T201 - read by the process that asked


if __name__ == "__main__":
    sys.exit(main())
