"""Expectations on the daily aggregates: a check that blocks publishing, and the Data Docs.

Row-level rules and the ledger are dbt tests; they become checks in ``assets_warehouse``.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg

from governance.home import Home
from orchestration import keys
from orchestration.inputs import withdraw
from orchestration.quality import (
    SUITE,
    Verdict,
    explain,
    read_metrics,
    render_data_docs,
    validate_once,
    verdicts_folder,
)
from orchestration.resources import HomeResource
from orchestration.steps import explained

if TYPE_CHECKING:
    import pandas as pd

METRICS = keys.mart("rpt_metrics_daily")


def metrics_check() -> dg.AssetChecksDefinition:
    """The suite as a blocking check: a chart of impossible numbers is worse than a late one."""

    @dg.asset_check(
        asset=METRICS,
        name=SUITE,
        blocking=True,
        pool=keys.WAREHOUSE_POOL,
        description="Great Expectations: the daily aggregates are unique, complete and possible.",
    )
    def daily_metrics(home: HomeResource) -> dg.AssetCheckResult:
        with explained():
            verdict = validate_once(_metrics(home), verdicts_folder(home.place))
        if not verdict.passed:
            withdraw(home.place, SUITE)
        return dg.AssetCheckResult(
            passed=verdict.passed,
            severity=dg.AssetCheckSeverity.ERROR,
            description=explain(verdict),
            metadata={
                "expectations": verdict.evaluated,
                "broken": dg.MetadataValue.md(_table(verdict)),
            },
        )

    return daily_metrics


def data_docs_asset() -> dg.AssetsDefinition:
    """Great Expectations' own report, a static site in the home."""

    @dg.asset(
        key=keys.DATA_DOCS,
        deps=[METRICS],
        group_name=keys.QUALITY,
        description="Great Expectations' Data Docs of the daily aggregates: a static site to open.",
        kinds={"greatexpectations", "html"},
        owners=["team:data_platform"],
        pool=keys.WAREHOUSE_POOL,
    )
    def data_docs(home: HomeResource) -> dg.MaterializeResult:
        with explained():
            first = render_data_docs(_metrics(home), data_docs_folder(home.place))
        size = sum(file.stat().st_size for file in first.parent.rglob("*") if file.is_file())
        return dg.MaterializeResult(
            metadata={
                "open": dg.MetadataValue.path(first),
                "link": dg.MetadataValue.url(first.as_uri()),
                "size_bytes": size,
                "preview": dg.MetadataValue.md(_preview(first.parent)),
            }
        )

    return data_docs


def data_docs_folder(home: Home) -> Path:
    """Where the site lies; served by nobody, opened as a file."""
    return home.dagster / "data_docs"


def _metrics(home: HomeResource) -> pd.DataFrame:
    return read_metrics(home.place, home.read_config(), home.read_keys())


def _table(verdict: Verdict) -> str:
    if verdict.passed:
        return "none"
    rows = [
        f"| {each.expectation} | {each.subject} | {each.rows:,} | {each.seen} |"
        for each in verdict.broken
    ]
    return "\n".join(["| expectation | on | rows | seen |", "|---|---|---:|---|", *rows])


def _preview(site: Path) -> str:
    pages = sorted(page.relative_to(site) for page in site.rglob("*.html"))
    return "\n".join(f"- `{page}`" for page in pages[:20])
