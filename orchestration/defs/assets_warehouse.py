"""raw -> staging -> intermediate -> marts: all of dbt's project in one step, its tests as asset checks.

dbt runs as a child process that inherits the warehouse lock. When it is done, one connection of ours counts
rows, reads column types and draws the charts; only then are the assets reported, complete. A test of
severity ``error`` that fails makes the step fail, so nothing downstream of it is published.
"""

# No postponed annotations here: Dagster compares the annotation of `context` with the class itself.

import subprocess
import sys
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DbtCliInvocation, dbt_assets
from dagster_dbt.asset_utils import get_updated_cli_invocation_params_for_context
from packaging.version import Version

from governance.config import Config
from governance.home import Home
from governance.warehouse import lock_descriptor, open_warehouse, warehouse_lock
from orchestration import keys
from orchestration.dbt import PROJECT, dbt_arguments, dbt_environment, target_folder
from orchestration.model_metadata import model_metadata
from orchestration.resources import HomeResource
from orchestration.steps import explained
from orchestration.translators import WarehouseTranslator

_BUILT = dg.Output | dg.AssetMaterialization | dg.AssetObservation | dg.AssetCheckResult


def warehouse_assets(manifest: Mapping[str, Any]) -> dg.AssetsDefinition:
    """Every model of dbt's project as an asset, every test as a check on the model it tests."""

    @dbt_assets(
        manifest=manifest,
        name="build",
        dagster_dbt_translator=WarehouseTranslator(),
        pool=keys.WAREHOUSE_POOL,
    )
    def build(context: dg.AssetExecutionContext, home: HomeResource) -> Iterator[Any]:
        place, config = home.place, home.read_config()
        with explained(), warehouse_lock(place, "build"):
            events, failure = _collect(_invoke(context, place, config, manifest))
            with open_warehouse(place, keys=home.read_keys(), storage=config.storage) as connection:
                described = model_metadata(
                    connection,
                    manifest,
                    [_unique_id(event) for event in events if isinstance(event, dg.Output)],
                    compiled=target_folder(place) / "compiled",
                    cache=place.dagster / "column_lineage",
                )
        for event in events:
            if isinstance(event, dg.Output):
                event = event.with_metadata(
                    {**event.metadata, **described.get(_unique_id(event), {})}
                )
            yield event
        if failure is not None:
            raise failure

    return build


def _invoke(
    context: dg.AssetExecutionContext, home: Home, config: Config, manifest: Mapping[str, Any]
) -> DbtCliInvocation:
    """Start ``dbt build`` for what the run selected.

    The child is started here and not by dagster-dbt's resource, which passes no descriptors on (the lock)
    and imports dbt's adapter into this process for metadata we do not take from it.
    """
    chosen = get_updated_cli_invocation_params_for_context(
        context, manifest, DagsterDbtTranslator()
    )
    environment = {**dbt_environment(home, config), "DBT_LOG_FORMAT": "json"}
    if chosen.indirect_selection:
        environment["DBT_INDIRECT_SELECTION"] = chosen.indirect_selection
    arguments = [*dbt_arguments("build", home, config), *chosen.selection_args]
    lock = lock_descriptor(home)
    process = subprocess.Popen(  # noqa: S603 - our own command line, no shell
        [sys.executable, "-m", "orchestration.dbt_child", *arguments],
        env=environment,
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        pass_fds=() if lock is None else (lock,),
    )
    return DbtCliInvocation(
        process=process,
        manifest=manifest,
        dagster_dbt_translator=chosen.dagster_dbt_translator,
        project_dir=PROJECT,
        target_path=target_folder(home),
        raise_on_error=True,
        cli_version=Version(version("dbt-core")),
        context=context,
    )


def _collect(invocation: DbtCliInvocation) -> tuple[list[Any], Exception | None]:
    """All of dbt's events, and the error it ended with; its log lines appear while it works."""
    events: list[Any] = []
    try:
        for event in invocation.stream():
            events.append(event)  # noqa: PERF402 - the events before a failure count
    except dg.Failure as failure:
        return events, failure
    return events, None


def _unique_id(event: dg.Output) -> str:
    return str(event.metadata["unique_id"].value)
