"""marts -> published/analyst: the only asset that people and BI tools read.

It depends on every mart. Checks of severity ``error`` on the marts block it: a published number
passed them.
"""

# No postponed annotations here: Dagster compares the annotation of `context` with the class itself.

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import dagster as dg

from orchestration import keys
from orchestration.dbt import target_folder
from orchestration.inputs import remember_published, require_proven
from orchestration.publishing import publish
from orchestration.resources import HomeResource
from orchestration.steps import explained, logged

_LATE = dg.FreshnessPolicy.time_window(
    warn_window=timedelta(hours=2), fail_window=timedelta(hours=26)
)


def published_asset(manifest: Mapping[str, Any]) -> dg.AssetsDefinition:
    """The analyst's published version, a new one only when something changed."""
    marts = [
        keys.mart(node["name"])
        for node in manifest["nodes"].values()
        if node["resource_type"] == "model" and node["fqn"][1] == keys.MARTS
    ]

    @dg.asset(
        key=keys.PUBLISHED_ANALYST,
        deps=sorted(marts),
        group_name=keys.PUBLISHED,
        description=(
            "published/analyst/current: analytics.duckdb, parquet and manifest.json of the marts,"
            " without the columns an analyst may not see. Switched atomically; a run that changes"
            " nothing publishes nothing."
        ),
        kinds={"duckdb", "parquet"},
        owners=["team:data_platform"],
        pool=keys.WAREHOUSE_POOL,
        freshness_policy=_LATE,
    )
    def analyst(context: dg.AssetExecutionContext, home: HomeResource) -> dg.MaterializeResult:
        with explained():
            require_proven(home.place)
            report = publish(
                home.place,
                home.read_config(),
                home.read_keys(),
                dbt_manifest=target_folder(home.place) / "manifest.json",
                run_id=context.run_id,
                progress=logged(context.log),
            )
            remember_published(home.place, report.version)
        context.log.info(f"{report.outcome}: version {report.version}")
        return dg.MaterializeResult(
            metadata={
                "outcome": report.outcome,
                "version": report.version,
                "open": dg.MetadataValue.path(report.path),
                "tables": dg.MetadataValue.md(_table_of(report.rows)),
                "dagster/row_count": sum(report.rows.values()),
                "partitions_written": report.partitions_written,
                "partitions_linked": report.partitions_linked,
                "versions_removed": len(report.removed),
            },
            data_version=dg.DataVersion(report.version),
        )

    return analyst


def _table_of(rows: Mapping[str, int]) -> str:
    lines = [f"| {name} | {count:,} |" for name, count in sorted(rows.items())]
    return "\n".join(["| table | rows |", "|---|---:|", *lines])
