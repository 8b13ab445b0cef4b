"""Every name that ties the graph together: asset keys, groups, the pool and the jobs."""

from __future__ import annotations

import dagster as dg

from ingestion.raw_schema import TABLES

WAREHOUSE_POOL = "warehouse"  # limit 1: see dagster.yaml

HOURLY = "hourly"
NIGHTLY = "nightly"
AUDIT = "audit"
EXPLAIN_IDENTITY = "explain_identity"

# Groups, in the order of the data's way.
LANDING = "landing"
RAW = "raw"
STAGING = "staging"
INTERMEDIATE = "intermediate"
MARTS = "marts"
QUALITY = "quality"
PUBLISHED = "published"

RAW_TABLES = tuple(TABLES)
DATA_DOCS = dg.AssetKey([QUALITY, "data_docs"])
PUBLISHED_ANALYST = dg.AssetKey([PUBLISHED, "analyst"])
PUBLISHED_TARGETS = dg.AssetKey([PUBLISHED, "targets"])
# The check of the night stands on the table of whom it audits.
AUDIT_CHECK = dg.AssetCheckKey(dg.AssetKey([MARTS, "dim_persons"]), AUDIT)
COMPACTED_WAREHOUSE = dg.AssetKey(["warehouse", "compacted"])


def landing(source: str) -> dg.AssetKey:
    """The files a source's producer appends to."""
    return dg.AssetKey([LANDING, source])


def raw(table: str) -> dg.AssetKey:
    """A table of the loader; the same key for dlt's resource and for dbt's source."""
    return dg.AssetKey([RAW, table])


def model(layer: str, name: str) -> dg.AssetKey:
    """A dbt model: the folder below ``models/`` and its name."""
    return dg.AssetKey([layer, name])


def mart(name: str) -> dg.AssetKey:
    """A dbt model of the reporting layer."""
    return model(MARTS, name)
