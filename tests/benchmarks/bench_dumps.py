"""Load of Parquet and CSV dumps with a mapping, against DuckDB reading the same file into a table.

Prints one JSON object for each kind of file: the ratio of CPU time, and what of the load is reading
rows (``rows``) and counting them for the ledger (``count``). All the rest is what the load of any
source does: times, consent, masking, tokens, dedupe keys, Arrow, dlt. Budget of Parquet 4x; fails
above the ceiling of twice that. CSV is shown without a budget.

    python tests/benchmarks/bench_dumps.py [--rows 200000] [--only parquet|csv] [--profile]
"""

from __future__ import annotations

import argparse
import cProfile
import json
import pstats
import random
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from governance.config import Limits, Source, load_config
from governance.home import Home
from governance.keys import make_keys
from ingestion.containers import csv_files, parquet_files
from ingestion.load import load

BUDGET = 4.0
CEILING = 2 * BUDGET

CONFIG = """company: bench
sources:
  - name: dump
    kind: event_dumps
    path: landing/dump/
    surface: backend
    trust: server
    lawful_basis: contract
    row_identity: position
    mapping:
      event_name: {value: order_line}
      occurred_at: InvoiceDate
      user_id: CustomerID
      order_id: InvoiceNo
      amount: {from: UnitPrice, times: Quantity}
      currency: {value: GBP}
      country: Country
      properties: {sku: StockCode, quantity: Quantity, description: Description}
"""
WORDS = ("white", "hanging", "heart", "light", "holder", "metal", "lantern", "cream", "cupid")


def table(rows: int) -> pa.Table:
    """Deterministic lines of a shop's orders, of the shape of UCI's Online Retail."""
    chance = random.Random(20260413)
    began = datetime(2025, 12, 1, tzinfo=UTC)
    columns: dict[str, Any] = {
        "InvoiceNo": [str(536_365 + i // 20) for i in range(rows)],
        "StockCode": [f"{chance.randrange(10_000, 99_999)}" for _ in range(rows)],
        "Description": [" ".join(chance.sample(WORDS, 4)).upper() for _ in range(rows)],
        "Quantity": [chance.randrange(1, 48) for _ in range(rows)],
        "InvoiceDate": [began + timedelta(seconds=i // 20 * 30) for i in range(rows)],
        "UnitPrice": [Decimal(chance.randrange(42, 2_000)) / 100 for _ in range(rows)],
        "CustomerID": [str(12_346 + chance.randrange(4_372)) for _ in range(rows)],
        "Country": [chance.choice(("United Kingdom", "Germany", "France")) for _ in range(rows)],
    }
    fields = {"UnitPrice": pa.decimal128(10, 2), "InvoiceDate": pa.timestamp("us", "UTC")}
    return pa.table({name: pa.array(v, fields.get(name)) for name, v in columns.items()})


def cpu_seconds(work: Callable[[], object]) -> float:
    """CPU of this process, all threads, user and system."""
    before = time.process_time()
    work()
    return time.process_time() - before


def drain(path: Path, read: Callable[[Any], Any]) -> Callable[[], object]:
    """Work that reads all groups of a file and keeps none."""

    def work() -> None:
        with path.open("rb") as file:
            for _ in read(file):
                pass

    return work


def measure(kind: str, lines: pa.Table, *, profile: bool) -> dict[str, object]:
    """Load one file in a home of its own, and read it by DuckDB before and after."""
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder))
        keys = make_keys(home)
        home.config.write_text(CONFIG)
        home.contracts.mkdir()
        path = home.landing / "dump" / f"a.{kind}"
        path.parent.mkdir(parents=True)
        config = load_config(home)
        load(home, config, keys)  # imports, schema and the empty tables are not what is measured
        write = pq.write_table if kind == "parquet" else pa.csv.write_csv
        write(lines, str(path))
        parts = _parts(kind, path, config.sources[0], config.limits)
        statement = f"create or replace table t as select * from read_{kind}('{path}')"
        reference_file = str(Path(folder) / "reference.duckdb")
        with duckdb.connect(reference_file) as connection:
            # Around the load, so that a busy machine slows both alike.
            references = [cpu_seconds(lambda: connection.execute(statement)) for _ in range(3)]
        profiler = cProfile.Profile()
        if profile:
            profiler.enable()
        wall = time.perf_counter()
        spent = cpu_seconds(lambda: load(home, config, keys))
        wall = time.perf_counter() - wall
        profiler.disable()
        with duckdb.connect(reference_file) as connection:
            references += [cpu_seconds(lambda: connection.execute(statement)) for _ in range(3)]
        if profile:
            pstats.Stats(profiler).sort_stats("tottime").print_stats(40)
        loaded = _loaded(home)
    reference = statistics.median(references)
    ratio = spent / reference
    rows = len(lines)
    assert loaded == rows, f"{loaded} of {rows} rows were loaded"
    return {
        "name": f"load_ratio_to_read_{kind}",
        "measured": round(ratio, 2),
        "budget": BUDGET if kind == "parquet" else None,
        "ok": ratio <= BUDGET or kind != "parquet",
        "ceiling": CEILING if kind == "parquet" else None,
        "rows": rows,
        f"read_{kind}_cpu_us_per_row": round(reference / rows * 1e6, 2),
        "load_cpu_us_per_row": round(spent / rows * 1e6, 2),
        "load_wall_us_per_row": round(wall / rows * 1e6, 2),
        **{f"{part}_cpu_us_per_row": round(s / rows * 1e6, 2) for part, s in parts.items()},
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def _parts(kind: str, path: Path, source: Source, limits: Limits) -> dict[str, float]:
    """What reading and counting the rows take, each on its own."""
    bound = limits.line_bytes
    if kind == "parquet":
        rows = drain(path, parquet_files.rows)
        count = drain(path, lambda file: [parquet_files.count(file)])
    else:
        rows = drain(path, lambda file: csv_files.rows(file, source.csv, line_bytes=bound))
        count = drain(path, lambda file: [csv_files.count(file, source.csv, line_bytes=bound)])
    return {"rows": cpu_seconds(rows), "count": cpu_seconds(count)}


def _loaded(home: Home) -> int:
    with duckdb.connect(str(home.warehouse), read_only=True) as connection:
        found = connection.execute("select count(*) from raw.events").fetchone()
    return found[0] if found else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--only", choices=("parquet", "csv"))
    parser.add_argument("--profile", action="store_true")
    given = parser.parse_args()
    lines = table(given.rows)
    is_fine = True
    for kind in (given.only,) if given.only else ("parquet", "csv"):
        result = measure(kind, lines, profile=given.profile)
        print(json.dumps(result))  # noqa: T201 - the result of a benchmark goes to standard output
        is_fine = is_fine and (kind != "parquet" or float(str(result["measured"])) <= CEILING)
    return 0 if is_fine else 1


if __name__ == "__main__":
    sys.exit(main())
