"""How dlt's resources and dbt's nodes become assets: one key per table, no broken edge.

By default dlt names an asset ``dlt_<source>_<resource>`` and dbt a source ``[source, table]``;
the two never meet and the graph falls apart silently. Here both are ``raw/<table>``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DagsterDbtTranslatorSettings, DbtProject
from dagster_dlt import DagsterDltTranslator
from dagster_dlt.translator import DltResourceTranslatorData

from orchestration import keys

_FILES_OF_THE_OWNER = ("exchange_rates", "identity_overrides")  # no source delivers them
_KINDS = {"table": "table", "view": "view", "incremental": "table"}


class RawTranslator(DagsterDltTranslator):
    """A resource of the landing source is the raw table of its name."""

    def __init__(self, sources: tuple[str, ...], tables: Mapping[str, Mapping[str, Any]]) -> None:
        """Remember the configured ``sources`` and dbt's description of each raw table, by name."""
        super().__init__()
        self._deps = [keys.landing(source) for source in sources]
        self._tables = tables

    def get_asset_spec(self, data: DltResourceTranslatorData) -> dg.AssetSpec:
        table = data.resource.name
        described = self._tables.get(table, {})
        return (
            super()
            .get_asset_spec(data)
            .replace_attributes(
                key=keys.raw(table),
                deps=[] if table in _FILES_OF_THE_OWNER else self._deps,
                group_name=keys.RAW,
                description=described.get("description") or f"Loader's table raw.{table}.",
                owners=[owner(described)],
                kinds={"dlt", "duckdb", "table"},
                metadata={
                    "dagster/table_name": f"raw.{table}",
                    "dagster/column_schema": column_schema(described),
                },
            )
        )


class WarehouseTranslator(DagsterDbtTranslator):
    """A model is ``<layer>/<name>``; its layer is the first folder below ``models/``."""

    def __init__(self) -> None:
        """Tests become checks; a model's page links to its file."""
        super().__init__(DagsterDbtTranslatorSettings(enable_asset_checks=True))

    def get_asset_spec(
        self, manifest: Mapping[str, Any], unique_id: str, project: DbtProject | None
    ) -> dg.AssetSpec:
        props = self.get_resource_props(manifest, unique_id)
        spec = super().get_asset_spec(manifest, unique_id, project)
        language = "python" if props.get("language") == "python" else "sql"
        materialized = _KINDS.get(props.get("config", {}).get("materialized", ""), "table")
        return spec.replace_attributes(kinds={"dbt", "duckdb", language} - {"sql"} | {materialized})

    def get_asset_key(self, dbt_resource_props: Mapping[str, Any]) -> dg.AssetKey:
        if dbt_resource_props["resource_type"] == "source":
            return dg.AssetKey([dbt_resource_props["source_name"], dbt_resource_props["name"]])
        return keys.model(layer(dbt_resource_props), dbt_resource_props["name"])

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str:
        return layer(dbt_resource_props)

    def get_owners(self, dbt_resource_props: Mapping[str, Any]) -> list[str]:
        return [owner(dbt_resource_props)]

    def get_description(self, dbt_resource_props: Mapping[str, Any]) -> str:
        return dbt_resource_props.get("description") or ""

    def get_metadata(self, dbt_resource_props: Mapping[str, Any]) -> dict[str, Any]:
        grain = _meta(dbt_resource_props).get("grain")
        schema, name = dbt_resource_props["schema"], dbt_resource_props["name"]
        return {
            "dagster/table_name": f"{schema}.{name}",
            "dagster/column_schema": column_schema(dbt_resource_props),
            **({"grain": ", ".join(grain)} if grain else {}),
        }


def layer(props: Mapping[str, Any]) -> str:
    """Staging | intermediate | marts; seeds stand beside staging."""
    return keys.STAGING if props["resource_type"] == "seed" else props["fqn"][1]


def column_schema(
    props: Mapping[str, Any], types: Mapping[str, str] | None = None
) -> dg.TableSchema:
    """The columns of a dbt node with description and class.

    Args:
        props: a node or source of dbt's manifest.
        types: column -> type as the warehouse has it; then all and only these columns are listed.
    """
    described: Mapping[str, Any] = props.get("columns", {})
    declared = {name: column.get("data_type") or "?" for name, column in described.items()}
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                name=name,
                type=kind,
                description=described.get(name, {}).get("description") or None,
                tags=_class_tag(described.get(name, {})),
            )
            for name, kind in (types or declared).items()
        ]
    )


def owner(props: Mapping[str, Any]) -> str:
    """``meta.owner`` as Dagster wants it: an address, or ``team:<name>``."""
    named = str(_meta(props).get("owner") or "data_platform")
    return named if "@" in named else "team:" + re.sub(r"\W+", "_", named.lower()).strip("_")


def _meta(props: Mapping[str, Any]) -> Mapping[str, Any]:
    return props.get("config", {}).get("meta") or props.get("meta") or {}


def _class_tag(column: Mapping[str, Any]) -> dict[str, str]:
    found = _meta(column).get("class")
    return {"class": str(found)} if found else {}
