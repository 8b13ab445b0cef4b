"""raw -> staging -> intermediate -> marts: dbt's project in one step, its tests as checks.

dbt runs as a child process that inherits the warehouse lock. When it is done, one connection of
ours counts rows, reads column types and draws the charts; only then are the assets reported,
complete. A test of severity ``error`` that fails makes the step fail, so nothing downstream of it
is published.
"""

# No postponed annotations here: Dagster compares the annotation of `context` with the class itself.

import subprocess
import sys
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from typing import Any, NoReturn

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DbtCliInvocation, dbt_assets
from dagster_dbt.asset_utils import get_updated_cli_invocation_params_for_context
from packaging.version import Version

from governance.config import Config
from governance.home import Home
from governance.progress import Progress
from governance.warehouse import explain, lock_descriptor, open_warehouse, warehouse_lock
from orchestration import keys
from orchestration.dbt import (
    PROJECT,
    dbt_arguments,
    dbt_environment,
    prepare_build,
    raise_failures,
    read_report,
    target_folder,
)
from orchestration.inputs import begin_build, finish_build, inputs_digest, is_published
from orchestration.model_metadata import model_metadata
from orchestration.publishing import target_states
from orchestration.resources import HomeResource
from orchestration.steps import explained, logged
from orchestration.translators import WarehouseTranslator


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
        with explained():
            with warehouse_lock(place, "build"):
                with open_warehouse(place, keys=home.read_keys(), storage=config.storage) as opened:
                    inputs = inputs_digest(place, config, opened)
                caught_up = not any(state.is_behind for state in target_states(place, config))
                if (
                    context.run.job_name == keys.HOURLY
                    and is_published(place, inputs)
                    and caught_up
                ):
                    context.log.info("Nothing new since the current version: nothing to build.")
                    return
                begin_build(place)
                dbt, progress = _start(context, place, config, manifest), logged(context.log)
                events, failure = _collect(dbt, progress)
                with open_warehouse(place, keys=home.read_keys(), storage=config.storage) as opened:
                    described = model_metadata(
                        opened,
                        manifest,
                        [_unique_id(event) for event in events if isinstance(event, dg.Output)],
                        compiled=target_folder(place) / "compiled",
                        cache=place.dagster / "column_lineage",
                        progress=progress,
                    )
            for done, event in enumerate(events, start=1):
                progress("recording models and checks", done, len(events))
                if isinstance(event, dg.Output):
                    yield event.with_metadata({**event.metadata, **described[_unique_id(event)]})
                else:
                    yield event
            whole = set(context.selected_asset_keys) == set(context.assets_def.keys)
            if failure is not None:
                finish_build(place, inputs if whole else None, _failed(place))
                _raise(failure, place)
            finish_build(place, inputs if whole else None)

    return build


def _start(
    context: dg.AssetExecutionContext, home: Home, config: Config, manifest: Mapping[str, Any]
) -> DbtCliInvocation:
    """Start ``dbt build`` for what the run selected.

    The child is started here and not by dagster-dbt's resource, which passes no descriptors on
    (the lock) and imports dbt's adapter into this process for metadata we do not take from it.
    """
    chosen = get_updated_cli_invocation_params_for_context(
        context, manifest, DagsterDbtTranslator()
    )
    environment = {**dbt_environment(home, config), "DBT_LOG_FORMAT": "json"}
    if chosen.indirect_selection:
        environment["DBT_INDIRECT_SELECTION"] = chosen.indirect_selection
    arguments = [
        *dbt_arguments("build", home, config),
        *chosen.selection_args,
    ]
    prepare_build(home)
    lock = lock_descriptor(home)
    process = subprocess.Popen(  # noqa: S603 - our own command line, no shell
        [sys.executable, "-m", "orchestration.dbt_child", *arguments],
        env=environment,
        cwd=PROJECT.parent,
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


def _collect(dbt: DbtCliInvocation, progress: Progress) -> tuple[list[Any], Exception | None]:
    """All of dbt's events, and the error it ended with."""
    events: list[Any] = []
    progress("reading the dbt project", 0)
    try:
        for message in dbt.stream_raw_events():
            data = message.raw_event["data"]
            if message.is_result_event and data.get("total"):
                progress("building and testing", int(data["index"]), int(data["total"]))
            events.extend(
                message.to_default_asset_events(
                    manifest=dbt.manifest,
                    dagster_dbt_translator=dbt.dagster_dbt_translator,
                    context=dbt.context,
                    target_path=dbt.target_path,
                )
            )
    except dg.Failure as failure:
        return events, failure
    return events, None


def _raise(failure: Exception, home: Home) -> NoReturn:
    """Say in our words why dbt failed: a busy file, a full disk, tests or models; else in dbt's.

    Raises: WarehouseBusyError, UserError, BlockedError, ThroughlineError,
    DagsterDbtCliRuntimeError: see above.
    """
    if ours := explain(str(failure), home):
        raise ours from failure
    if (target_folder(home) / "run_results.json").exists():
        raise_failures(read_report(home, seconds=0), home)
    raise failure


def _failed(home: Home) -> list[str]:
    """Names of what failed; the build itself when dbt left no verdict."""
    if not (target_folder(home) / "run_results.json").exists():
        return ["build"]
    return [failure.name for failure in read_report(home, seconds=0).failures] or ["build"]


def _unique_id(event: dg.Output) -> str:
    return str(event.metadata["unique_id"].value)
