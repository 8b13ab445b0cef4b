"""The warehouse file, rewritten at night without the space of deleted rows."""

from __future__ import annotations

import dagster as dg

from orchestration import keys
from orchestration.compaction import compact
from orchestration.resources import HomeResource
from orchestration.steps import explained


def compacted_asset() -> dg.AssetsDefinition:
    """After publishing, so that readers never wait for it."""

    @dg.asset(
        key=keys.COMPACTED_WAREHOUSE,
        deps=[keys.PUBLISHED_ANALYST, keys.DATA_DOCS],
        group_name=keys.PUBLISHED,
        description="warehouse.duckdb, rewritten into a new file when that gives space back.",
        kinds={"duckdb"},
        owners=["team:data_platform"],
        pool=keys.WAREHOUSE_POOL,
    )
    def compacted(home: HomeResource) -> dg.MaterializeResult:
        with explained():
            report = compact(home.place, home.read_keys(), home.read_config().storage)
        return dg.MaterializeResult(
            metadata={
                "outcome": "rewritten" if report.done else "not worth it: too little space is free",
                "bytes_before": report.before,
                "bytes_after": report.after,
            }
        )

    return compacted
