"""A whole hourly run, as a schedule makes it, at several lengths of history.

The history is that of ``bench_increments``, written into the raw tables directly after a first load
made them. Then files of 10,000 events land, and ``throughline run hourly`` takes them through load,
build, every check, and a published version; a second run finds nothing new. Prints one line of JSON
each, and fails where the run takes longer than the budget allows at ten times the history.

    python -m tests.benchmarks.bench_hourly [--events 1000000 10000000] [--memory 5GB]
"""

from __future__ import annotations

import argparse
import json
import sys
from itertools import pairwise

import duckdb

from governance.home import Home
from tests.benchmarks.bench_increments import EVENTS_PER_PERSON, INCREMENT, columns, write_load
from tests.benchmarks.commands import Spent, fresh_home, say, throughline

BUDGET_GROWTH = 1.2
SOURCES = {"web": "web", "app": "mobile", "shop": "backend"}
_CONFIG = """
company: acme
time_zone: UTC
currency: EUR
revenue: {{source: shop}}
storage: {{memory_limit: {memory}}}
funnels:
  - name: buy
    steps: [{{event: looked}}, {{event: viewed}}, {{event: added}}, {{event: paid}}]
    window: 24h
sources:
"""
_SOURCE = (
    "  - {{name: {name}, kind: landing, format: native, path: landing/{name}/, surface: {surface},"
    " trust: {trust}, lawful_basis: contract}}\n"
)
# A row of raw.events as the line a producer would have written.
_LINE = """
    select source, to_json({
        event_id: event_id, event_name: event_name, event_type: event_type,
        occurred_at: strftime(occurred_at, '%Y-%m-%dT%H:%M:%S.%fZ'),
        received_at: strftime(received_at, '%Y-%m-%dT%H:%M:%S.%fZ'),
        subject: {user_id: user_id, anonymous_id: anonymous_id},
        context: {
            surface: surface, platform: platform, page: {url: page_url},
            campaign: {source: utm_source}
        },
        revenue: case when revenue is not null
            then {amount: revenue::varchar, currency: currency, order_id: order_id} end,
        properties: properties::json
    }) as line
"""
HISTORY = "1000000000.0"  # of loads: before all that are to come


def land(home: Home, name: str, first: int, events: int, persons: int) -> None:
    """Files of ``events`` events of the hour after all others, one to each source."""
    for source in SOURCES:
        rows = columns(first, events, persons, now=True)
        file = home.landing / source / f"{name}.jsonl"
        duckdb.sql(
            f"copy (select line from ({_LINE} from ({rows})) where source = '{source}')"
            f" to '{file}' (format csv, header false, quote '', escape '', delimiter '\x01')"
        )


def remember(home: Home, events: int, persons: int) -> None:
    """Write the history into the raw tables, with what a load notes of it."""
    with duckdb.connect(str(home.warehouse)) as con:
        write_load(con, columns(0, events, persons, now=False), HISTORY)
        con.execute(
            f"insert into raw._dlt_loads by name select '{HISTORY}' as load_id, 0 as status,"
            " schema_name, inserted_at, schema_version_hash from raw._dlt_loads limit 1"
        )


def measure(events: int, memory: str) -> Spent:
    persons = events // EVENTS_PER_PERSON
    with fresh_home() as home:
        text = _CONFIG.format(memory=memory)
        for name, surface in SOURCES.items():
            trust = "server" if surface == "backend" else "public"
            text += _SOURCE.format(name=name, surface=surface, trust=trust)
            (home.landing / name).mkdir(parents=True)
        home.config.write_text(text, encoding="utf-8")
        land(home, "first", events, INCREMENT, persons)
        throughline(home, "load")
        remember(home, events, persons)
        took = {"from nothing": throughline(home, "run", "hourly")}
        for number in range(1, 3):  # the first run after a full build also pays for caches
            land(home, f"more{number}", events + number * INCREMENT, INCREMENT, persons)
            took[f"{INCREMENT:,} events more"] = throughline(home, "run", "hourly")
        took["nothing more"] = throughline(home, "run", "hourly")
        manifest = json.loads((home.published / "analyst/current/manifest.json").read_bytes())
    shown = next(table["rows"] for table in manifest["tables"] if table["name"] == "fct_events")
    assert shown == events + 3 * INCREMENT, f"{shown:,} events were published"
    for name, spent in took.items():
        say(
            f"hourly run, {events:,} events, {name}: seconds",
            spent.seconds,
            None,
            peak_gb=round(spent.peak_bytes / 1e9, 2),
        )
    return took[f"{INCREMENT:,} events more"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, nargs="+", default=[1_000_000, 10_000_000])
    parser.add_argument("--memory", default="5GB")
    given = parser.parse_args()
    took = {events: measure(events, given.memory) for events in sorted(given.events)}
    held = [
        say(
            f"hourly run of {INCREMENT:,} events: {large:,} beside {small:,} of history",
            took[large].seconds / took[small].seconds,
            BUDGET_GROWTH,
        )
        for small, large in pairwise(took)
    ]
    return int(not all(held))


if __name__ == "__main__":
    sys.exit(main())
