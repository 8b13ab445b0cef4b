"""The heavy models as ratios of CPU time, at sizes up to 30M events, beside other tools.

The SQL is the models' own, rendered as dbt compiles it (``orchestration.model_sql``). The tables
they read are made here: 90 days of visits of eight events by one person to every 60 events (power
law), 3 % of the records copies of others. Each model is compared, in the same process and on the
same tables, with what its result costs at least:

- ``deduplicate``: int_event_records, with a GROUP BY of the keys and a copy of the columns it reads
- ``sessions``: int_session_events and int_session_bounds, with a sort of the interactive events
- ``funnel``: from the events of four steps to fct_funnel_entries, with a sort of the steps' rows
  and, its walk alone, with ClickHouse's windowFunnel on the same rows
- ``rolling actives``: rpt_active_daily, with int_person_days

Beside sessions and funnel stand the scripts an analyst would write with pandas and Polars, and
ClickHouse (``rivals``), which must find the same numbers. Prints one line of JSON each and fails
above a budget. Rivals come from ``.tools/rivals`` (``make bench`` makes it); a line says so where
they are not installed.

    python -m tests.benchmarks.bench_models [--events 1000000 10000000 30000000] [--memory 8GB]
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import duckdb

from orchestration.model_sql import ModelSql
from tests.benchmarks.bench_increments import CONFIGURATION, DAYS, EVENTS_PER_PERSON, VISIT
from tests.benchmarks.commands import say

ROOT = Path(__file__).parents[2]
RIVALS = ROOT / ".tools" / "rivals" / "bin" / "python"
BUDGET_DEDUPLICATE, BUDGET_SESSIONS, BUDGET_FUNNEL, BUDGET_ACTIVES = 1.4, 1.5, 2.0, 1.0
BUDGET_CLICKHOUSE = 1.1
PANDAS_UP_TO = 10_000_000  # events; more does not fit beside the tables
SIZES = [1_000_000, 10_000_000, 30_000_000]
RUNS = 3  # medians; one run above 10M events
TIMEOUT = 1800
WINDOW = 86400
WALK = "walk of the funnel"

# one number in [0, 1) to each visit or event, the same in every run
_VISIT = f"((hash(i // {VISIT}, {{salt}}) % 1000000) / 1e6)"
_EVENT = "((hash(i, {salt}) % 1000000) / 1e6)"
_AT = (
    "timestamp '2026-01-01'"
    f" + to_microseconds(({_VISIT.format(salt=1)} * {DAYS} * 86400e6)::bigint)"
    f" + to_seconds((i % {VISIT} * 40)::int)"
)
_EVENTS = f"""
    create table drawn as
    select
        md5(i::varchar) as event_key,
        'evt_' || i as event_id,
        {_AT} as occurred_at,
        'p_' || md5('p' || (pow({_VISIT.format(salt=0)}, 2) * {{persons}})::bigint) as person_id,
        case when what < 0.4 then 'viewed' when what < 0.6 then 'looked'
            when what < 0.7 then 'added' when what < 0.72 then 'paid' else 'page'
            end as event_name,
        case when event_name = 'paid' then 'backend'
            when i // {VISIT} % 3 = 0 then 'mobile' else 'web' end as surface,
        event_name <> 'paid' as is_interactive
    from (select i, {_EVENT.format(salt=3)} as what from range({{events}}) as t (i))
"""
_TABLES = {
    # one in 33 records is a copy, received later
    "stg_events": """
        select
            surface as source, 's' || (hash(event_key) % 100) || '.jsonl' as segment,
            hash(event_id) % 1000000 as position, copy as item, 'event' as record_kind,
            null::timestamp as version_at, false as is_deleted,
            date_trunc('hour', occurred_at) as receipt_hour,
            occurred_at + to_seconds(2 + copy) as received_at,
            'accepted' as disposition, null::varchar as strip_reason, event_key as dedupe_key,
            md5(event_id) as content_digest, null::varchar as redactions,
            true as consent_analytics, true as consent_marketing
        from drawn, lateral (select unnest(range(1 + (hash(event_key) % 33 = 0)::int)) as copy)
    """,
    "int_ledger_denials": "select event_key from drawn limit 0",
    "int_event_persons": """
        select
            event_key, event_id, occurred_at, is_interactive, person_id,
            'd_' || person_id as device_key
        from drawn
    """,
    "int_events": """
        select
            event_key, event_id, occurred_at, occurred_at as occurred_at_local,
            occurred_at::date as occurred_date, event_name,
            case when event_name = 'page' then 'page' else 'track' end as event_type,
            surface as source, surface,
            case when surface = 'mobile' then 'ios' else 'web' end as platform, 'DE' as country,
            null::varchar as client_session_id, is_interactive,
            '{"plan":"pro"}' as properties, null::varchar as properties_unreviewed
        from drawn order by occurred_at, event_id, event_key
    """,
    "int_person_events": """
        select
            event_key, event_id, person_id, occurred_at, occurred_at as occurred_at_local,
            occurred_at::date as occurred_date, event_name, surface,
            case when surface = 'mobile' then 'ios' else 'web' end as platform,
            '(none)' as channel, is_interactive, false as is_bot, false as is_internal
        from drawn order by occurred_at, event_id, event_key
    """,
    "int_data_until": """
        select 'web' as source, true as is_live, max(occurred_at) as data_until from drawn
    """,
}
_INTERACTIVE = (
    "select event_key, event_id, person_id, occurred_at from int_event_persons where is_interactive"
)


@dataclass(frozen=True, slots=True)
class Spent:
    """Of this process, all threads: CPU seconds, and seconds."""

    cpu: float
    wall: float


class Models:
    """Tables of one size, and the models over them."""

    def __init__(self, folder: Path, events: int, memory: str) -> None:
        self.events, self.folder = events, folder
        self.runs = RUNS if events <= PANDAS_UP_TO else 1
        self.sql = ModelSql(CONFIGURATION)
        self.con = duckdb.connect(str(folder / "models.duckdb"))
        for setting in (f"memory_limit = '{memory}'", "threads = 2", "TimeZone = 'UTC'"):
            self.con.execute(f"set {setting}")
        self.con.execute(_EVENTS.format(events=events, persons=events // EVENTS_PER_PERSON))
        for name, query in _TABLES.items():
            self.con.execute(f"create table {name} as {query}")
        self.con.execute("drop table drawn")

    def build(self, *models: str) -> Spent:
        """These models in this order; the median of some runs."""
        return self.median(lambda: [self.create(name, self.sql.of(name)) for name in models])

    def create(self, table: str, query: str) -> None:
        self.con.execute(f"create or replace table {table} as\n{query}")

    def table(self, query: str) -> Spent:
        """A query into a table."""
        return self.median(lambda: self.create("lower_bound", query))

    def median(self, work: Callable[[], object]) -> Spent:
        runs = [spent(work) for _ in range(self.runs)]
        return Spent(
            statistics.median(each.cpu for each in runs),
            statistics.median(each.wall for each in runs),
        )

    def number(self, query: str) -> int:
        row = self.con.execute(query).fetchone()
        return int(row[0]) if row else 0

    def parquet(self, name: str, query: str) -> Path:
        file = self.folder / f"{name}.parquet"
        self.con.execute(f"copy ({query}) to '{file}' (format parquet)")
        return file

    def say(
        self, name: str, model: Spent, beside: float, budget: float | None, **more: object
    ) -> bool:
        return say(
            f"{name}, {self.events:,} events",
            model.cpu / beside,
            budget,
            cpu_seconds=round(model.cpu, 2),
            seconds=round(model.wall, 2),
            beside_cpu_seconds=round(beside, 2),
            **more,
        )


def measure(models: Models) -> bool:
    held = deduplicate(models)
    held &= sessions(models)
    held &= funnel(models)
    return held & actives(models)


def deduplicate(models: Models) -> bool:
    grouped = models.table("select dedupe_key, count(*) from stg_events group by dedupe_key")
    copied = models.table("select * from stg_events")
    model = models.build("int_event_records")
    least = grouped.cpu + copied.cpu
    return models.say("deduplicate / (group by + copy)", model, least, BUDGET_DEDUPLICATE)


def sessions(models: Models) -> bool:
    joined = models.median(lambda: models.create("interactive", _INTERACTIVE))
    least = models.table("from interactive order by person_id, occurred_at, event_id")
    model = models.build("int_session_events", "int_session_bounds")
    held = models.say(
        "sessions / sort", model, least.cpu, BUDGET_SESSIONS, join_cpu_seconds=round(joined.cpu, 2)
    )
    file = models.parquet("events", "select person_id, occurred_at, event_id from interactive")
    found = models.number("select count(*) from int_session_bounds")
    compare(models, "sessions", "sessions", file, TIMEOUT, model, found)
    return held


def funnel(models: Models) -> bool:
    models.build("int_funnels", "int_funnel_exclusions")
    picked = models.build("int_funnel_events")
    least = models.table(
        "select * from int_funnel_events order by person_id, occurred_at, event_key"
    )
    model = models.build(
        "int_funnel_ordered_attempts",
        "int_funnel_walked_attempts",
        "int_funnel_unordered_attempts",
        "fct_funnel_entries",
    )
    held = models.say(
        "funnel of 4 steps / sort of the steps' rows",
        model,
        least.cpu,
        BUDGET_FUNNEL,
        picked_cpu_seconds=round(picked.cpu, 2),
    )
    file = models.parquet("steps", "select person_id, occurred_at, ordinal from int_funnel_events")
    found = models.number(
        "select sum(depth) from"
        " (select max(depth) as depth from fct_funnel_entries group by person_id)"
    )
    # what windowFunnel answers is known after the walk; entries, openings and breakdowns it has not
    walk = models.build("int_funnel_ordered_attempts")
    held &= compare(models, WALK, "funnel", file, WINDOW, walk, found)
    return compare(models, "funnel, all its tables", "funnel", file, WINDOW, model, found) & held


def actives(models: Models) -> bool:
    days = models.build("int_person_days")
    model = models.build("rpt_active_daily")
    return models.say("rolling 28-day actives / person-days", model, days.cpu, BUDGET_ACTIVES)


def compare(
    models: Models, name: str, what: str, file: Path, seconds: int, model: Spent, found: int
) -> bool:
    """The same question to others; only the funnel's walk beside ClickHouse's has a budget.

    Raises:
        AssertionError: another tool found another number.
    """
    held = True
    for rival in ("clickhouse", "polars", "pandas"):
        if rival == "pandas" and models.events > PANDAS_UP_TO:
            continue
        command = [str(RIVALS), str(ROOT / "tests/benchmarks/rivals.py"), what, rival]
        if not RIVALS.exists():
            say(f"{name} / {rival}", float("nan"), None, missing="not installed: make bench")
            continue
        command += [str(file), str(seconds)]
        answer = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
        assert answer["found"] == found, f"{name}: {rival} found {answer['found']}, not {found}"
        budget = BUDGET_CLICKHOUSE if (name, rival) == (WALK, "clickhouse") else None
        held &= models.say(
            f"{name} / {rival}",
            model,
            answer["cpu"],
            budget,
            beside_seconds=round(answer["wall"], 2),
        )
    return held


def spent(work: Callable[[], object]) -> Spent:
    cpu, wall = time.process_time(), time.perf_counter()
    work()
    return Spent(time.process_time() - cpu, time.perf_counter() - wall)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, nargs="+", default=SIZES)
    parser.add_argument("--memory", default="8GB")
    given = parser.parse_args()
    held = True
    for events in sorted(given.events):
        with tempfile.TemporaryDirectory() as folder:
            held &= measure(Models(Path(folder), events, given.memory))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        say(f"peak memory, {events:,} events, GB", peak / 1e9, None)
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
