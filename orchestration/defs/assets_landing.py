"""From the files of the producers to the raw tables: one external asset per source, one dlt load.

landing/<source> (external, observed at every load and by the sensor)
        |  strict parse -> envelope -> contract -> lawful basis -> tokens       ingestion.load
        v
raw/{events, rejects, segments, receipts, exchange_rates, identity_overrides}, raw/_dlt_loads
"""

# No postponed annotations here: Dagster compares the annotation of `context` with the class itself.

from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg
import dlt
from dagster_dlt import DagsterDltResource, build_dlt_asset_specs
from dlt.extract.source import DltSource

from governance.config import Config, Source
from governance.config.model import Kind
from governance.home import Home
from governance.warehouse import open_warehouse, warehouse_lock
from ingestion.load import loading, read_databases
from orchestration import keys
from orchestration.landing import observe
from orchestration.load_checks import load_check_specs, load_checks
from orchestration.measures import column_types, row_counts
from orchestration.resources import HomeResource
from orchestration.steps import explained, logged
from orchestration.translators import RawTranslator, column_schema, owner

_DESCRIPTIONS: Mapping[Kind, str] = {
    "landing": "Files of {}, appended to by its producer; only read here.",
    "webhook_logs": "Deliveries that {} received, appended to by the receiver; only read here.",
    "event_dumps": "Files of {}, delivered whole; each is read once.",
    "app_database": "Rows read from the database {}: each version once, kept as evidence.",
}
_KINDS: Mapping[Kind, set[str]] = {
    "landing": {"jsonl", "file"},
    "webhook_logs": {"jsonl", "webhook"},
    "event_dumps": {"file"},
    "app_database": {"sql", "parquet"},
}
_LOADS = "_dlt_loads"  # dlt's own list of committed loads; dbt reads it as a source


def landing_assets(config: Config) -> list[dg.AssetSpec]:
    """One external asset per configured source: what the project reads but does not make."""
    return [
        dg.AssetSpec(
            key=keys.landing(source.name),
            group_name=keys.LANDING,
            description=_DESCRIPTIONS[source.kind].format(source.name),
            kinds=_KINDS[source.kind],
            owners=["team:data_platform"],
            metadata=_declared(source),
            tags={"trust": source.trust, "lawful_basis": source.lawful_basis},
        )
        for source in config.sources
    ]


def raw_assets(home: Home, config: Config, manifest: Mapping[str, Any]) -> dg.AssetsDefinition:
    """The raw tables, loaded by one dlt pipeline.

    They cannot be chosen one by one: events without their receipts would not balance in the ledger.
    """
    described = {
        node["name"]: node
        for node in manifest["sources"].values()
        if node["source_name"] == keys.RAW
    }
    specs = build_dlt_asset_specs(
        dlt_source=_shape(),
        dlt_pipeline=_unopened_pipeline(home),
        dagster_dlt_translator=RawTranslator(
            tuple(source.name for source in config.sources), described
        ),
    )

    @dg.multi_asset(
        name="load",
        specs=[*specs, _loads_spec(config, described.get(_LOADS, {}))],
        check_specs=load_check_specs(),
        can_subset=False,
        pool=keys.WAREHOUSE_POOL,
    )
    def load(
        context: dg.AssetExecutionContext, dlt: DagsterDltResource, home: HomeResource
    ) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
        place, config = home.place, home.read_config()
        with explained():
            extracted = read_databases(place, config, progress=logged(context.log))
        with explained(), warehouse_lock(place, "load"):
            for source in config.sources:
                context.log_event(observe(place, source).observation())
            found = home.read_keys()
            with loading(
                place, config, found, extracted=extracted, progress=logged(context.log)
            ) as prepared:
                results = list(
                    dlt.run(
                        context=context,
                        dlt_source=prepared.source,
                        dlt_pipeline=prepared.pipeline,
                    )
                )
                report = prepared.report()
            with open_warehouse(place, keys=found, storage=config.storage) as connection:
                counts = row_counts(connection, [(keys.RAW, t) for t in (*keys.RAW_TABLES, _LOADS)])
                types = column_types(connection)
        loaded = {result.asset_key: result.metadata or {} for result in results}
        for key in sorted(context.selected_asset_keys):
            table = key.path[-1]
            yield dg.MaterializeResult(
                asset_key=key,
                metadata={
                    "dagster/row_count": counts.get((keys.RAW, table), 0),
                    "dagster/column_schema": column_schema(
                        described.get(table, {}), types.get((keys.RAW, table))
                    ),
                    "rows_loaded": loaded.get(key, {}).get("rows_loaded") or 0,
                },
            )
        yield from load_checks(config, report)

    return load


def _declared(source: Source) -> dict[str, Any]:
    return {
        "kind": source.kind,
        "path": dg.MetadataValue.path(source.folder),
        "format": source.shape,
        "surface": source.surface,
        "trust": source.trust,
        "lawful_basis": source.lawful_basis,
        "live": dg.MetadataValue.bool(source.is_live),
    }


def _loads_spec(config: Config, described: Mapping[str, Any]) -> dg.AssetSpec:
    return dg.AssetSpec(
        key=keys.raw(_LOADS),
        deps=[keys.landing(source.name) for source in config.sources],
        group_name=keys.RAW,
        description=described.get("description") or "One row per committed load of dlt.",
        kinds={"dlt", "duckdb", "table"},
        owners=[owner(described)],
        metadata={"dagster/table_name": f"{keys.RAW}.{_LOADS}"},
    )


def _shape() -> DltSource:
    """The resources' names alone: the real source is made at run time, when the lock is held."""

    @dlt.source(name="throughline")
    def shape() -> Iterator[Any]:
        for table in keys.RAW_TABLES:
            yield dlt.resource([], name=table)

    return shape()


def _unopened_pipeline(home: Home) -> dlt.Pipeline:
    """A pipeline for naming only, in a folder of its own: it never meets a running load."""
    return dlt.pipeline(
        "throughline_definitions",
        pipelines_dir=str(home.dagster / "dlt"),
        destination="duckdb",
        dataset_name=keys.RAW,
    )
