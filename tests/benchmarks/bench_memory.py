"""Peak memory of load, build and publish at a million events, in gigabytes of 1000^3 bytes.

Each step is a command of its own, its process tree watched from outside; the greatest peak counts.
Writing the sample is not measured. Prints one line of JSON and fails above the budget.

    python -m tests.benchmarks.bench_memory [--persons 17200]
"""

from __future__ import annotations

import argparse
import json
import sys

from tests.benchmarks.commands import fresh_home, say, throughline

BUDGET_GB = 2.0
PERSONS = 17_200  # of the sample company, about a million events
STEPS = ("load", "build", "publish")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--persons", type=int, default=PERSONS)
    given = parser.parse_args()
    with fresh_home() as home:
        throughline(home, "synth", "--persons", str(given.persons))
        spent = {step: throughline(home, step) for step in STEPS}
        manifest = json.loads((home.published / "analyst/current/manifest.json").read_bytes())
    peak = max(each.peak_bytes for each in spent.values())
    ok = say(
        "peak_memory_gb",
        peak / 1e9,
        BUDGET_GB,
        events=next(t["rows"] for t in manifest["tables"] if t["name"] == "fct_events"),
        peak_gb={step: round(each.peak_bytes / 1e9, 2) for step, each in spent.items()},
        seconds={step: round(each.seconds, 1) for step, each in spent.items()},
    )
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
