"""The demo from an empty home, then hourly runs: with nothing new, and with a day of the app.

The landed files are the last day of the app once more, a day later and with ids of their own; the
run that takes them from landing to a published version begins with starting Python.

Seconds depend on the machine and on who else works on it, so both stand beside a reference of the
same minutes: the time to import Dagster with its dbt and dlt integrations. Prints one line of JSON
each and fails above a budget.

    python -m tests.benchmarks.bench_demo
"""

from __future__ import annotations

import json
import os
import statistics
import sys
from datetime import datetime, timedelta

from governance.home import Home
from tests.benchmarks.commands import fresh_home, say, spent_by, throughline

DEMO_BUDGET_SECONDS = 120.0
HOURLY_BUDGET_SECONDS = 25.0
LANDED_BUDGET_SECONDS = 60.0
REFERENCE = [sys.executable, "-c", "import dagster, dagster_dbt, dagster_dlt"]


def land_another_day(home: Home) -> int:
    """Land the last day of the app's plain files a day later; returns its events."""
    days = sorted(path for path in (home.landing / "mobile").iterdir() if path.is_dir())
    lines = [
        line for path in sorted(days[-1].glob("*.jsonl")) for line in path.read_text().splitlines()
    ]
    folder = days[-1].with_name("another-day")
    folder.mkdir()
    with (folder / "00.jsonl").open("w", encoding="utf-8") as file:
        for line in lines:
            file.write(json.dumps(_a_day_later(json.loads(line))) + "\n")
    return len(lines)


def _a_day_later(event: dict) -> dict:
    moved = {
        name: (datetime.fromisoformat(event[name]) + timedelta(days=1)).isoformat()
        for name in ("occurred_at", "sent_at", "received_at")
        if event.get(name)
    }
    return event | moved | {"event_id": f"{event['event_id']}-next"}


def main() -> int:
    spent_by(REFERENCE)  # reads the files from disk once, as installation does
    references = [spent_by(REFERENCE).seconds]
    with fresh_home() as home:
        demo = throughline(home, "demo")
        references.append(spent_by(REFERENCE).seconds)
        throughline(home, "run", "hourly")
        hourly = throughline(home, "run", "hourly")
        events = land_another_day(home)
        landed = throughline(home, "run", "hourly")
    references.append(spent_by(REFERENCE).seconds)
    reference = statistics.median(references)
    held = [
        say(
            name,
            spent.seconds,
            budget,
            ratio_to_imports=round(spent.seconds / reference, 1),
            imports_seconds=round(reference, 2),
            peak_gb=round(spent.peak_bytes / 1e9, 2),
            cores=os.cpu_count(),
        )
        for name, spent, budget in (
            ("demo_seconds", demo, DEMO_BUDGET_SECONDS),
            ("hourly_without_input_seconds", hourly, HOURLY_BUDGET_SECONDS),
            (f"landed_{events}_events_to_mart_seconds", landed, LANDED_BUDGET_SECONDS),
        )
    ]
    return 0 if all(held) else 1


if __name__ == "__main__":
    sys.exit(main())
