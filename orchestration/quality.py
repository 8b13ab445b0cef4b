"""Great Expectations on the daily aggregates, as a pandas batch, and its Data Docs.

Row-level rules are dbt tests; here are the shapes a chart depends on. The SQL data source over
DuckDB fails every expectation, and importing the library takes seconds, so it is imported where
it runs. Nothing is sent to its makers, and its context lives in memory: the suite below is the
only copy.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from governance.config import Config
from governance.home import Home
from governance.keys import Keys
from governance.warehouse import open_warehouse, warehouse_lock

if TYPE_CHECKING:
    import pandas as pd

SUITE = "daily_metrics"

_COUNTS = (
    "sessions",
    "new_persons",
    "conversions",
    "bounces",
    "engaged_sessions",
    "session_seconds",
)
_GRAIN = ("metric_date", "surface", "platform", "channel", "country")
_EXAMPLES = 5


@dataclass(frozen=True, slots=True)
class Broken:
    """An expectation that does not hold: its name, on what, how many rows, and what was seen."""

    expectation: str
    subject: str
    rows: int
    seen: str

    def __str__(self) -> str:
        found = f"{self.rows:,} rows, such as {self.seen}" if self.rows else self.seen
        return f"{self.expectation} on {self.subject}: {found or 'does not hold'}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a validation found; ``evaluated`` counts expectations."""

    evaluated: int
    broken: tuple[Broken, ...]

    @property
    def passed(self) -> bool:
        return not self.broken


def read_metrics(home: Home, config: Config, keys: Keys) -> pd.DataFrame:
    """rpt_metrics_daily, in a stable row order."""
    with (
        warehouse_lock(home, "quality"),
        open_warehouse(home, keys=keys, storage=config.storage) as connection,
    ):
        return connection.execute("from marts.rpt_metrics_daily order by all").df()


def validate(metrics: pd.DataFrame) -> Verdict:
    """Check ``metrics``: rpt_metrics_daily, one row per day and segment."""
    gx, context = _context()
    validation = _validation(gx, context)
    result = validation.run(batch_parameters={"dataframe": metrics}, result_format=_FORMAT)
    return _verdict(result.to_json_dict())


def validate_once(metrics: pd.DataFrame, cache: Path) -> Verdict:
    """Like ``validate``, but equal metrics are not judged twice: it saves seconds of imports.

    Args:
        metrics: rpt_metrics_daily, in a stable row order.
        cache: folder of the last verdict.
    """
    digest = _digest(metrics)
    kept = cache / f"{SUITE}.json"
    if kept.exists() and (last := json.loads(kept.read_bytes()))["digest"] == digest:
        return Verdict(last["evaluated"], tuple(Broken(**each) for each in last["broken"]))
    verdict = validate(metrics)
    cache.mkdir(parents=True, exist_ok=True)
    draft = kept.with_suffix(".draft")
    draft.write_text(json.dumps({"digest": digest, **asdict(verdict)}), encoding="utf-8")
    draft.replace(kept)
    return verdict


def verdicts_folder(home: Home) -> Path:
    """Where ``validate_once`` keeps its last verdict."""
    return home.dagster / "expectations"


def explain(verdict: Verdict) -> str:
    """The check's message: what is wrong and what to do."""
    if verdict.passed:
        return f"All {verdict.evaluated} expectations hold."
    return (
        "; ".join(str(each) for each in verdict.broken)
        + ". Nothing was published. Look at the rows in marts.rpt_metrics_daily, mend the model"
        " or the event that made them, then run: throughline run hourly"
    )


def render_data_docs(metrics: pd.DataFrame, folder: Path) -> Path:
    """Validate ``metrics`` and write the Data Docs, about 4 MB; returns their first page.

    The site is written beside and then renamed, so a reader never meets half of it.
    """
    gx, context = _context()
    draft = folder.with_name(f".{folder.name}.draft")
    shutil.rmtree(draft, ignore_errors=True)
    for site in context.get_docs_sites_urls():
        context.delete_data_docs_site(site["site_name"])
    context.add_data_docs_site(site_name="home", site_config=_site(draft))
    checkpoint = context.checkpoints.add(
        gx.Checkpoint(
            name=SUITE,
            validation_definitions=[_validation(gx, context)],
            actions=[gx.checkpoint.UpdateDataDocsAction(name="render")],
            result_format=_FORMAT,
        )
    )
    checkpoint.run(batch_parameters={"dataframe": metrics})
    old = folder.with_name(f".{folder.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    draft.rename(folder)
    shutil.rmtree(old, ignore_errors=True)
    return folder / "index.html"


_FORMAT = {"result_format": "SUMMARY", "partial_unexpected_count": _EXAMPLES}


def great_expectations() -> Any:
    """The library, without its telemetry; importing it takes seconds, so only who needs it does."""
    os.environ["GX_ANALYTICS_ENABLED"] = "false"  # read once, at import
    return import_module("great_expectations")


def _context() -> tuple[Any, Any]:
    gx = great_expectations()
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    return gx, context


def _validation(gx: Any, context: Any) -> Any:
    batch = (
        context.data_sources.add_pandas("warehouse")
        .add_dataframe_asset("rpt_metrics_daily")
        .add_batch_definition_whole_dataframe("all days")
    )
    suite = context.suites.add(gx.ExpectationSuite(name=SUITE, expectations=_expectations(gx)))
    return context.validation_definitions.add(
        gx.ValidationDefinition(name=SUITE, data=batch, suite=suite)
    )


def _site(folder: Path) -> dict[str, Any]:
    return {
        "class_name": "SiteBuilder",
        "show_how_to_buttons": False,
        "store_backend": {
            "class_name": "TupleFilesystemStoreBackend",
            "base_directory": str(folder),
        },
        "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
    }


def _digest(metrics: pd.DataFrame) -> str:
    """Of the rows, the suite's own text and the library's version."""
    seen = hashlib.sha256(Path(__file__).read_bytes())
    seen.update(version("great-expectations").encode())
    seen.update(metrics.to_csv(index=False).encode())
    return seen.hexdigest()


def _expectations(gx: Any) -> list[Any]:
    expect = gx.expectations
    return [
        expect.ExpectCompoundColumnsToBeUnique(column_list=list(_GRAIN)),
        *(expect.ExpectColumnValuesToNotBeNull(column=column) for column in _GRAIN),
        *(expect.ExpectColumnValuesToBeBetween(column=column, min_value=0) for column in _COUNTS),
        *(
            expect.ExpectColumnPairValuesAToBeGreaterThanB(
                column_A="sessions", column_B=part, or_equal=True
            )
            for part in ("bounces", "engaged_sessions")
        ),
    ]


def _verdict(result: Mapping[str, Any]) -> Verdict:
    results = result["results"]
    return Verdict(len(results), tuple(_broken(each) for each in results if not each["success"]))


def _broken(result: Mapping[str, Any]) -> Broken:
    settings = result["expectation_config"]["kwargs"]
    columns = settings.get("column_list") or [
        settings[name] for name in ("column", "column_A", "column_B") if name in settings
    ]
    found = result.get("result") or {}
    examples = [str(each) for each in (found.get("partial_unexpected_list") or [])[:_EXAMPLES]]
    return Broken(
        expectation=result["expectation_config"]["type"],
        subject=", ".join(columns),
        rows=int(found.get("unexpected_count") or 0),
        seen=", ".join(examples) or _reason(result.get("exception_info") or {}),
    )


def _reason(raised: Mapping[str, Any]) -> str:
    """Why an expectation could not be evaluated, such as a missing column; empty when it could."""
    for detail in raised.values():
        if isinstance(detail, Mapping) and detail.get("exception_message"):
            return str(detail["exception_message"]).strip().splitlines()[-1]
    return str(raised.get("exception_message") or "")
