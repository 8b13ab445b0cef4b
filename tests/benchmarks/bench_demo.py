"""The demo from an empty home, then an hourly run that finds nothing new.

Seconds depend on the machine and on who else works on it, so both stand beside a reference of the
same minutes: the time to import Dagster with its dbt and dlt integrations. Prints one line of JSON
each and fails above a budget.

    python -m tests.benchmarks.bench_demo
"""

from __future__ import annotations

import os
import statistics
import sys

from tests.benchmarks.commands import fresh_home, say, spent_by, throughline

DEMO_BUDGET_SECONDS = 120.0
HOURLY_BUDGET_SECONDS = 25.0
REFERENCE = [sys.executable, "-c", "import dagster, dagster_dbt, dagster_dlt"]


def main() -> int:
    spent_by(REFERENCE)  # reads the files from disk once, as installation does
    references = [spent_by(REFERENCE).seconds]
    with fresh_home() as home:
        demo = throughline(home, "demo")
        references.append(spent_by(REFERENCE).seconds)
        throughline(home, "run", "hourly")
        hourly = throughline(home, "run", "hourly")
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
        )
    ]
    return 0 if all(held) else 1


if __name__ == "__main__":
    sys.exit(main())
