"""What an hourly load costs as history grows: full builds and increments at several sizes.

Raw tables are written directly: 90 days of visits of eight events each, one person to every 60
events (power law) with a device or two, log-ins on some, orders on a few. The increment is 10,000
events of the next hour by persons who mostly are known, some of them days late. Measured is
`dbt build` of every model and seed without tests, as a process (``build``, and its CPU), and the
sum of what the models took (``models``). THROUGHLINE_MEMORY_LIMIT is DuckDB's, 2GB unless set.
Prints one line of JSON per measure; fails where the increment grows by more than the budget from
one size to the next, or the models of sessions take a greater share of their full build.

    python -m tests.benchmarks.bench_increments [--events 1000000 10000000] [--increment 10000]
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import tempfile
import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import duckdb

from governance.home import Home
from ingestion.raw_schema import EVENTS
from tests.benchmarks.commands import say
from tests.properties.journeys import SESSION_MODELS
from tests.properties.lives import variables
from tests.properties.warehouse import DEFAULTS, build, make_home, write_raw

BUDGET_GROWTH = 1.2
PASSES_ON = "int_person_events"  # between the models of sessions, but most of it is not of them
INCREMENT = 10_000  # events; what the budgets are for
BUDGET_SESSIONS = {10_000_000: 0.10, 30_000_000: 0.04}  # of the full build of these models
DAYS = 90
EVENTS_PER_PERSON = 60
VISIT = 8  # events
# Numbers in [0, 1), the same in every run: of a visit, and of an event.
_VISIT = f"(hash(i // {VISIT}, {{salt}}) % 1000000) / 1e6"
_EVENT = "(hash(i, {salt}) % 1000000) / 1e6"


CONFIGURATION = variables() | {
    "tl_funnels": [
        {
            "name": "buy",
            "version": "1",
            "mode": "ordered",
            "window_seconds": 86400,
            "steps": [{"event": name} for name in ("looked", "viewed", "added", "paid")],
            "exclusions": [],
            "breakdowns": ["surface"],
            "top_breakdowns": 20,
        }
    ]
}


@dataclass(frozen=True)
class Took:
    """Seconds of the whole process, of its CPU, of its models, of sessions, and the slowest."""

    build: float
    cpu: float
    models: float
    sessions: float
    slowest: dict[str, float]


def columns(first: int, events: int, persons: int, *, now: bool) -> str:
    """The SELECT of ``events`` rows of raw.events from number ``first`` on.

    ``now``: in the hour after all others, one in fifty up to 30 days earlier.
    """
    who, when, late = (_VISIT.format(salt=salt) for salt in range(3))
    r = {"who": who, "when": when, "late": late, "what": _EVENT.format(salt=3)}
    at = f"to_microseconds((({when}) * {DAYS} * 86400e6)::bigint)"
    if now:
        at = (
            f"to_days({DAYS}) + to_seconds((({r['when']}) * 3600)::int)"
            f" - to_days(case when {late} < 0.02 then (i // {VISIT} % 30)::int else 0 end)"
        )
    at += f" + to_seconds((i % {VISIT} * 40)::int)"
    person = f"(pow({r['who']}, 2) * {persons})::bigint"
    name = (
        f"case when {r['what']} < 0.4 then 'viewed' when {r['what']} < 0.6 then 'looked'"
        f" when {r['what']} < 0.7 then 'added' when {r['what']} < 0.72 then 'paid'"
        f" when {r['what']} < 0.73 then 'logout' else 'page' end"
    )
    browser = f"'a' || {person} || '_' || (i // {VISIT} % 2)"
    is_mobile = f"i // {VISIT} % 3 = 0"
    special = {
        "source": f"case when {name} = 'paid' then 'shop'"
        f" when {is_mobile} then 'app' else 'web' end",
        "segment": "'s' || (i // 100000) || '.jsonl'",
        "position": "i",
        "event_id": "'evt_' || i",
        "dedupe_key": "md5(i::varchar)",
        "content_digest": "md5('c' || i)",
        "event_name": name,
        "event_type": f"case when {name} = 'page' then 'page'"
        f" when {name} = 'logout' then 'system' else 'track' end",
        "occurred_at": f"timestamp '2026-01-01' + {at}",
        "received_at": f"timestamp '2026-01-01' + {at} + to_seconds(2)",
        "surface": f"case when {name} = 'paid' then 'backend'"
        f" when {is_mobile} then 'mobile' else 'web' end",
        "is_interactive": f"{name} <> 'paid'",
        "platform": f"case when {is_mobile} then 'ios' else 'web' end",
        "country": "case when i % 7 = 0 then null else 'DE' end",
        "anonymous_id": f"case when {name} <> 'paid' then {browser} end",
        "user_id": f"case when {name} = 'paid' or {r['late']} > 0.95 then 'u' || {person} end",
        "page_path": f"case when {name} = 'page' then '/p' || (i % 50) end",
        "page_url": f"case when {name} = 'page' then 'https://shop.example/p' || (i % 50) end",
        "utm_source": f"case when {r['late']} < 0.03 then 'news' end",
        "revenue": f"case when {name} = 'paid' then 12.5 end",
        "currency": f"case when {name} = 'paid' then 'EUR' end",
        "order_id": f"case when {name} = 'paid' then 'o' || i end",
        "properties": """'{"plan":"pro","n":' || (i % 100) || '}'""",
    }
    shown = []
    for column in EVENTS.names:
        default = DEFAULTS.get(column)
        plain = f"'{default}'" if isinstance(default, str) else str(default).lower()
        value = special.get(column, "null" if default is None else plain)
        shown.append(f"{value} as {column}")
    return f"select {', '.join(shown)} from range({first}, {first + events}) as t (i)"


def load(home: Home, rows: str, load_id: str) -> None:
    """What a load leaves in raw tables that a test made."""
    with duckdb.connect(str(home.warehouse)) as con:
        write_load(con, rows, load_id)
        con.execute("insert into raw._dlt_loads values (?, 0)", [load_id])


def write_load(con: duckdb.DuckDBPyConnection, rows: str, load_id: str) -> None:
    """``rows`` of raw.events, and what a load notes of them but that it was finished."""
    place = "source, segment, generation, 0 as from_offset, 1 as to_offset"
    mine = f"_dlt_load_id from raw.events where _dlt_load_id = '{load_id}' group by all"
    con.execute(
        f"insert into raw.events by name select *, '{load_id}' as _dlt_load_id from ({rows})"
    )
    con.execute(
        f"insert into raw.segments by name select {place}, 1 as size_bytes, '' as head_digest,"
        " count(*) as lines, count(*) as accepted, 0 as stripped, 0 as quarantined,"
        f" max(received_at) as max_received_at, {mine}"
    )
    con.execute(
        f"insert into raw.receipts by name select {place}, receipt_hour,"
        f" count(*) as records, {mine}"
    )


def built(home: Home, target: Path) -> Took:
    started, before = time.monotonic(), os.times()
    build(home, CONFIGURATION, target=target)
    seconds, after = time.monotonic() - started, os.times()
    cpu = after.children_user + after.children_system
    cpu -= before.children_user + before.children_system
    results = json.loads((target / "run_results.json").read_bytes())["results"]
    took = {row["unique_id"].split(".")[-1]: row["execution_time"] for row in results}
    slowest = dict(sorted(took.items(), key=lambda item: -item[1])[:8])
    sessions = sum(took[name] for name in SESSION_MODELS if name != PASSES_ON)
    slowest = {name: round(each, 2) for name, each in slowest.items()}
    return Took(seconds, cpu, sum(took.values()), sessions, slowest)


def measure(events: int, increment: int, folder: Path) -> dict[str, Took]:
    home = make_home(folder / f"home{events}")
    target = folder / "target"
    write_raw(home, [])
    persons = events // EVENTS_PER_PERSON
    load(home, columns(0, events, persons, now=False), "load-1")
    took = {"full": built(home, target)}
    for number in range(2):  # the first increment after a full build also pays for caches
        first = events + number * increment
        load(home, columns(first, increment, persons, now=True), f"load-{2 + number}")
        took["increment"] = built(home, target)
    took["nothing new"] = built(home, target)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024  # of all sizes so far
    say(f"peak memory of a build, up to {events:,} events, GB", peak / 1e9, None)
    for name, each in took.items():
        say(
            f"{name}, {events:,} events: the models as a share of the full build",
            each.models / took["full"].models,
            None,
            build_seconds=round(each.build, 1),
            build_cpu_seconds=round(each.cpu, 1),
            models_seconds=round(each.models, 1),
            slowest=each.slowest,
        )
    return took


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, nargs="+", default=[1_000_000, 10_000_000])
    parser.add_argument("--increment", type=int, default=INCREMENT)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        sizes = {n: measure(n, given.increment, Path(folder)) for n in sorted(given.events)}
    kept = True
    for events, took in sizes.items():
        kept &= say(
            f"sessions, {given.increment:,} events more: as a share of full, {events:,} events",
            took["increment"].sessions / took["full"].sessions,
            BUDGET_SESSIONS.get(events) if given.increment == INCREMENT else None,
        )
    for small, large in pairwise(sorted(sizes)):
        kept &= say(
            f"increment of {given.increment:,}: {large:,} beside {small:,} events of history",
            sizes[large]["increment"].build / sizes[small]["increment"].build,
            BUDGET_GROWTH,
        )
    return int(not kept)


if __name__ == "__main__":
    sys.exit(main())
