"""Dagster's entry: everything of one home, assembled from ``defs/``.

    dagster dev                       the demo home ./data
    THROUGHLINE_HOME=DIR dagster dev  any other

Which home is meant, its sources and dbt's project decide the graph, so nothing is built at import.
"""

from __future__ import annotations

import dagster as dg

from governance.config import load_config
from governance.home import Home, find_home
from orchestration import keys
from orchestration.defs.alerts import alert_sensors
from orchestration.defs.assets_compacted import compacted_asset
from orchestration.defs.assets_landing import landing_assets, raw_assets
from orchestration.defs.assets_published import published_asset
from orchestration.defs.assets_targets import targets_assets
from orchestration.defs.assets_warehouse import warehouse_assets
from orchestration.defs.audit import audit_check
from orchestration.defs.explain import explain_job
from orchestration.defs.jobs import asset_jobs, schedules
from orchestration.defs.quality import data_docs_asset, metrics_check
from orchestration.defs.sensors import landing_sensor
from orchestration.manifest import load_manifest
from orchestration.resources import resources


def build_definitions(home: Home) -> dg.Definitions:
    """The graph, jobs, schedules and sensors of ``home``.

    Raises:
        UserError: the configuration or dbt's project has a mistake; the message names the fix.
    """
    config = load_config(home)
    manifest = load_manifest(home, config)
    ends = [keys.PUBLISHED_ANALYST, *([keys.PUBLISHED_TARGETS] if config.publish.to else [])]
    jobs = asset_jobs(dg.AssetSelection.assets(*ends).upstream().materializable())
    return dg.Definitions(
        assets=[
            *landing_assets(config),
            raw_assets(home, config, manifest),
            warehouse_assets(manifest),
            published_asset(manifest),
            *targets_assets(config),
            data_docs_asset(),
            compacted_asset(),
        ],
        asset_checks=[metrics_check(), audit_check()],
        jobs=[*jobs, explain_job()],
        schedules=schedules(config),
        sensors=[landing_sensor(home, config), *alert_sensors(home, config, jobs)],
        resources=resources(home),
        executor=dg.in_process_executor,  # every process more costs seconds of imports
    )


@dg.definitions
def definitions() -> dg.Definitions:
    """The home named by THROUGHLINE_HOME, else the demo's."""
    return build_definitions(find_home())
