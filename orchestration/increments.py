"""How the last build brought each model up to date, as dbt's materializations wrote it down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import duckdb

_WRITTEN = (
    "select 1 from duckdb_tables() where schema_name = 'increments' and table_name = 'models'"
)
_MODELS = """
    select model, strategy, reason, touched_keys, computed_rows, changed_rows
    from increments.models
    order by model
"""
FULL = "full"


@dataclass(frozen=True, slots=True)
class Increment:
    """``strategy``: by key, kept, recomputed or full; counts are NULL where nothing was counted."""

    model: str
    strategy: str
    reason: str
    touched_keys: int | None
    computed_rows: int | None
    changed_rows: int | None

    def metadata(self) -> dict[str, Any]:
        """What the page of the model's asset shows."""
        counts = {
            "keys touched": self.touched_keys,
            "rows computed": self.computed_rows,
            "rows changed": self.changed_rows,
        }
        shown = {name: count for name, count in counts.items() if count is not None}
        return {"built": f"{self.strategy}: {self.reason}", **shown}


def read_increments(connection: duckdb.DuckDBPyConnection) -> dict[str, Increment]:
    """By the model's name; empty before the first build."""
    if not connection.execute(_WRITTEN).fetchall():
        return {}
    rows = connection.execute(_MODELS).fetchall()
    return {row[0]: Increment(*row) for row in rows}


def rebuilt(increments: Mapping[str, Increment]) -> dict[str, list[str]]:
    """What was built from nothing: the models by reason."""
    found: dict[str, list[str]] = {}
    for increment in increments.values():
        if increment.strategy == FULL:
            found.setdefault(increment.reason, []).append(increment.model)
    return found
