"""Load of native JSON lines against DuckDB's typed read_json of the same file, as a ratio of CPU
time.

Prints one JSON object. The load does what read_json does not: strict parsing, contracts, consent,
masking, tokens, dedupe keys, receipts. Budget 10x; fails above the ceiling of 20x.

    python tests/benchmarks/bench_load.py [--lines 200000] [--profile]
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
from pathlib import Path

import duckdb

from governance.config import load_config
from governance.home import Home
from governance.keys import make_keys
from ingestion.load import load

BUDGET = 10.0
CEILING = 20.0

CONFIG = """company: bench
sources:
  - {name: app, path: landing/app/, surface: web, trust: public, lawful_basis: consent}
"""
CONTRACT = {
    "title": "product_viewed",
    "x-version": "1-0-0",
    "x-owner": "bench@example.com",
    "type": "object",
    "properties": {
        "sku": {"type": "string", "x-class": "internal"},
        "price": {"type": "number", "minimum": 0, "x-class": "internal"},
        "category": {"enum": ["tents", "stoves", "ropes"], "x-class": "public"},
    },
    "required": ["sku"],
}
COLUMNS = """{
    event_id: 'VARCHAR', event_name: 'VARCHAR', event_type: 'VARCHAR', occurred_at: 'TIMESTAMP',
    sent_at: 'TIMESTAMP', received_at: 'TIMESTAMP',
    subject: 'STRUCT(user_id VARCHAR, anonymous_id VARCHAR, email VARCHAR)',
    consent: 'STRUCT(analytics BOOLEAN, marketing BOOLEAN, source VARCHAR)',
    context: 'STRUCT(platform VARCHAR, app_version VARCHAR, session_id VARCHAR,
        page STRUCT(url VARCHAR, referrer VARCHAR), locale VARCHAR, timezone VARCHAR, user_agent
        VARCHAR)',
    revenue: 'STRUCT(amount DECIMAL(18, 6), currency VARCHAR, order_id VARCHAR)', properties:
    'JSON'}"""
AGENTS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/126.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148",
)


def write_lines(path: Path, lines: int) -> None:
    """Deterministic events of a shop: one in twenty is a sale, one in thirty names an address."""
    chance = random.Random(20260413)
    with path.open("w", encoding="utf-8") as file:
        for number in range(lines):
            file.write(json.dumps(_event(number, chance), separators=(",", ":")) + "\n")


def _event(number: int, chance: random.Random) -> dict[str, object]:
    person = chance.randrange(20_000)
    second = number * 7 % 86_400
    time_of_day = f"{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}"
    event: dict[str, object] = {
        "event_id": f"{chance.getrandbits(128):032x}",
        "event_name": "product_viewed" if number % 3 else "page",
        "event_type": "track" if number % 3 else "page",
        "occurred_at": f"2026-04-{1 + number % 28:02}T{time_of_day}.{chance.randrange(1000):03}Z",
        "sent_at": f"2026-04-{1 + number % 28:02}T{time_of_day}.999Z",
        "received_at": f"2026-04-{1 + number % 28:02}T{time_of_day}.999Z",
        "subject": {
            "user_id": f"u_{person}" if person % 2 else None,
            "anonymous_id": f"a_{person}",
            "email": f"p{person}@example.com" if number % 30 == 0 else None,
        },
        "consent": {"analytics": True, "marketing": False, "source": "banner"},
        "context": {
            "platform": "web",
            "app_version": "1.2.0",
            "session_id": f"s_{person}_{number % 5}",
            "page": {
                "url": f"https://shop.example/p/{number % 900}?utm_source=news&sid={number}",
                "referrer": "https://search.example/",
            },
            "locale": "en",
            "timezone": "Europe/Berlin",
            "user_agent": AGENTS[person % 2],
        },
        "properties": {
            "sku": f"sku-{number % 900}",
            "price": number % 400 + 0.95,
            "category": ("tents", "stoves", "ropes")[number % 3],
        },
    }
    if number % 20 == 0:
        event["revenue"] = {"amount": "12.50", "currency": "EUR", "order_id": f"o_{number}"}
    return event


def cpu_seconds(work: Callable[[], object]) -> float:
    """CPU of this process, all threads, user and system."""
    before = time.process_time()
    work()
    return time.process_time() - before


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=200_000)
    parser.add_argument("--profile", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder))
        keys = make_keys(home)
        home.config.write_text(CONFIG)
        home.contracts.mkdir()
        (home.contracts / "product_viewed.json").write_text(json.dumps(CONTRACT))
        landing = home.landing / "app"
        landing.mkdir(parents=True)
        config = load_config(home)
        load(home, config, keys)  # imports, schema and the empty tables are not what is measured
        path = landing / "a.jsonl"
        write_lines(path, given.lines)
        with duckdb.connect(str(Path(folder) / "reference.duckdb")) as connection:
            statement = (
                "create or replace table events as select * from read_json"
                f"('{path}', format = 'newline_delimited', columns = {COLUMNS})"
            )
            # Around the load, so that a busy machine slows both alike.
            references = [cpu_seconds(lambda: connection.execute(statement)) for _ in range(2)]
        profile = cProfile.Profile()
        if given.profile:
            profile.enable()
        wall = time.perf_counter()
        spent = cpu_seconds(lambda: load(home, config, keys))
        wall = time.perf_counter() - wall
        profile.disable()
        with duckdb.connect(str(Path(folder) / "reference.duckdb")) as connection:
            references += [cpu_seconds(lambda: connection.execute(statement)) for _ in range(3)]
    reference = statistics.median(references)
    ratio = spent / reference
    print(  # noqa: T201 - the result of a benchmark goes to standard output
        json.dumps(
            {
                "name": "load_ratio_to_read_json",
                "measured": round(ratio, 2),
                "budget": BUDGET,
                "ok": ratio <= BUDGET,
                "ceiling": CEILING,
                "lines": given.lines,
                "read_json_cpu_us_per_line": round(reference / given.lines * 1e6, 2),
                "load_cpu_us_per_line": round(spent / given.lines * 1e6, 2),
                "load_wall_us_per_line": round(wall / given.lines * 1e6, 2),
                "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
            }
        )
    )
    if given.profile:
        pstats.Stats(profile).sort_stats("tottime").print_stats(45)
    return 0 if ratio <= CEILING else 1


if __name__ == "__main__":
    sys.exit(main())
