"""Load after load in one process: ``python -m tests.properties.stepwise FOLDER``.

The home is built after each load, in one process, because starting dbt and reading its project
costs more than building. The folder holds ``plan.pickle`` (a ``Plan``); ``strategies.json`` tells
afterwards how each model was built at each step.
"""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from governance.config import dbt_vars, load_config
from governance.home import Home
from governance.keys import load_keys
from orchestration.publishing import plan, publish
from tests.properties.warehouse import MODELS, PROJECT, add_raw, write_raw


@dataclass
class Step:
    """What one load brings: rows of ``raw.events``, and the owner's files as they are by then."""

    events: list[dict]
    overrides: list[dict] = field(default_factory=list)
    rates: list[dict] = field(default_factory=list)
    variables: dict | None = None  # the configuration from this step on
    config: str | None = None  # or as throughline.yml, for what reads the home
    publishes: bool = False
    models: list[str] = field(default_factory=list)  # what is built; everything unless said


@dataclass
class Plan:
    home: Path
    variables: dict
    steps: list[Step]
    project: Path = PROJECT
    large_month: int = plan.LARGE_MONTH  # rows from which on events are published by days


STRATEGIES = """
    select model, strategy, reason, touched_keys, computed_rows, changed_rows
    from increments.models order by model
"""


def run(folder: Path, todo: Plan) -> list[dict[str, dict]]:
    """Build step by step; returns per step what was done for each model."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "plan.pickle").write_bytes(pickle.dumps(todo))
    done = subprocess.run(
        [sys.executable, "-m", "tests.properties.stepwise", str(folder)],
        env=os.environ
        | {
            "THROUGHLINE_HOME": str(todo.home),
            "THROUGHLINE_WAREHOUSE": str(Home(todo.home).warehouse),
            "PYTHONPATH": str(PROJECT.parent),
            "DO_NOT_TRACK": "1",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return json.loads((folder / "strategies.json").read_bytes())


def main(folder: Path) -> None:
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager
    from dbt.cli.main import dbtRunner

    todo: Plan = pickle.loads((folder / "plan.pickle").read_bytes())
    home, told, manifest, variables = Home(todo.home), [], None, todo.variables
    plan.LARGE_MONTH = todo.large_month
    options = [
        *("--project-dir", str(todo.project), "--profiles-dir", str(todo.project)),
        *("--target-path", str(folder / "target"), "--log-path", str(folder / "logs")),
        *("--log-level-file", "none", "--quiet", "--vars"),
    ]
    for number, step in enumerate(todo.steps, start=1):
        if step.config:
            home.config.write_text(step.config, encoding="utf-8")
            step.variables = dbt_vars(load_config(home))
        if step.variables or manifest is None:
            variables = step.variables or variables
            manifest = dbtRunner().invoke(["parse", *options, json.dumps(variables)]).result
        (add_raw if home.warehouse.exists() else write_raw)(
            home, step.events, overrides=step.overrides, rates=step.rates
        )
        selected = ["--select", *step.models] if step.models else []
        result = dbtRunner(manifest=manifest).invoke(
            [*MODELS, *selected, *options, json.dumps(variables)]
        )
        # dbt keeps the file open for its next invocation
        DuckDBConnectionManager.env().close()
        DuckDBConnectionManager.close_all_connections()
        if not result.success:
            sys.exit(f"step {number}: {result.exception or result.result}")
        with duckdb.connect(str(home.warehouse), read_only=True) as con:
            found = con.execute(STRATEGIES)
            names = [column[0] for column in found.description]
            rows = [dict(zip(names, row, strict=True)) for row in found.fetchall()]
        told.append({row.pop("model"): row for row in rows})
        if step.publishes:
            publish(
                home,
                load_config(home),
                load_keys(home),
                dbt_manifest=folder / "target" / "manifest.json",
                run_id=str(number),
                now=datetime(2026, 7, 1, number, tzinfo=UTC),
            )
    (folder / "strategies.json").write_text(json.dumps(told))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
