"""What a model's page shows after a build: rows, columns, classes, lineage, a chart."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb

from governance.progress import Progress, silent
from orchestration import keys, plots
from orchestration.column_lineage import Model, trace
from orchestration.increments import read_increments
from orchestration.measures import Table, column_types, row_counts
from orchestration.translators import WarehouseTranslator, column_schema

Chart = Callable[[duckdb.DuckDBPyConnection], dg.MarkdownMetadataValue | None]


def model_metadata(
    connection: duckdb.DuckDBPyConnection,
    manifest: Mapping[str, Any],
    built: Iterable[str],
    *,
    compiled: Path,
    cache: Path,
    progress: Progress = silent,
) -> dict[str, dict[str, Any]]:
    """Metadata of each model in ``built``, by dbt's unique id.

    Args:
        connection: to the warehouse, after dbt let go of it.
        manifest: dbt's manifest.
        built: unique ids of what this run made.
        compiled: dbt's folder of compiled SQL.
        cache: folder of column lineage traced earlier.
        progress: told models and how many there are.
    """
    nodes = {unique_id: manifest["nodes"][unique_id] for unique_id in built}
    types = column_types(connection)
    counts = row_counts(connection, [_table(node) for node in nodes.values()])
    increments = read_increments(connection)
    described: dict[str, dict[str, Any]] = {}
    for done, (unique_id, node) in enumerate(nodes.items()):
        progress("describing models", done, len(nodes))
        table = _table(node)
        found: dict[str, Any] = {"dagster/column_schema": column_schema(node, types.get(table))}
        if table in counts:
            found["dagster/row_count"] = counts[table]
        if lineage := _lineage(node, manifest, types, compiled, cache):
            found["dagster/column_lineage"] = lineage
        if increment := increments.get(node["name"]):
            found |= increment.metadata()
        if (chart := CHARTS.get(node["name"])) and (drawn := chart(connection)):
            found["chart"] = drawn
        described[unique_id] = found
    progress("describing models", len(nodes), len(nodes))
    return described


def _table(node: Mapping[str, Any]) -> Table:
    return (node["schema"], node.get("alias") or node.get("identifier") or node["name"])


def _lineage(
    node: Mapping[str, Any],
    manifest: Mapping[str, Any],
    types: Mapping[Table, dict[str, str]],
    compiled: Path,
    cache: Path,
) -> dg.TableColumnLineage | None:
    sql = compiled / node["package_name"] / node["original_file_path"]
    if node.get("language") != "sql" or not sql.is_file():
        return None
    parents = {
        _table(parent): parent
        for unique_id in node["depends_on"]["nodes"]
        if (parent := manifest["nodes"].get(unique_id) or manifest["sources"].get(unique_id))
    }
    assets = {table: _TRANSLATOR.get_asset_key(parent) for table, parent in parents.items()}
    known = {table: types[table] for table in parents if table in types}
    traced = trace(Model(node["name"], sql.read_text(encoding="utf-8"), known), cache)
    return dg.TableColumnLineage(
        {
            column: [
                dg.TableColumnDep(assets[schema, name], source) for schema, name, source in deps
            ]
            for column, deps in traced.items()
            if deps
        }
    )


_TRANSLATOR = WarehouseTranslator()


def _sessions(connection: duckdb.DuckDBPyConnection) -> dg.MarkdownMetadataValue | None:
    rows = connection.execute(
        "select started_date, count(*), count(*) filter (is_engaged)"
        f" from {keys.MARTS}.fct_sessions where not is_bot"
        " group by started_date order by started_date"
    ).fetchall()
    days, sessions, engaged = _columns(rows, 3)
    return plots.lines(
        "Sessions per day", "sessions", days, [("sessions", sessions), ("engaged", engaged)]
    )


def _funnel(connection: duckdb.DuckDBPyConnection) -> dg.MarkdownMetadataValue | None:
    """Persons who came at least as far as each step of the first funnel, without void ones."""
    rows = connection.execute(
        f"""
        with entries as (
            select person_id, funnel, max(depth) as depth
            from {keys.MARTS}.fct_funnel_entries
            where not is_void and funnel = (select min(funnel) from {keys.MARTS}.fct_funnel_entries)
            group by person_id, funnel
        )
        select step, any_value(funnel), count(*)
        from (select unnest(range(1, depth + 1)) as step, funnel from entries)
        group by step order by step
        """
    ).fetchall()
    steps, funnels, persons = _columns(rows, 3)
    name = funnels[0] if funnels else ""
    return plots.bars(f"Funnel {name}", "persons", [f"step {step}" for step in steps], persons)


def _active(connection: duckdb.DuckDBPyConnection) -> dg.MarkdownMetadataValue | None:
    rows = connection.execute(
        f"select active_date, dau, wau, mau from {keys.MARTS}.rpt_active_daily"
        " where segment_set = 'all' order by active_date"
    ).fetchall()
    days, dau, wau, mau = _columns(rows, 4)
    return plots.lines(
        "Active persons", "persons", days, [("day", dau), ("7 days", wau), ("28 days", mau)]
    )


def _lifecycle(connection: duckdb.DuckDBPyConnection) -> dg.MarkdownMetadataValue | None:
    rows = connection.execute(
        "select week_start, new_persons, returning_persons, resurrecting_persons"
        f" from {keys.MARTS}.rpt_lifecycle_weekly order by week_start"
    ).fetchall()
    weeks, new, returning, resurrecting = _columns(rows, 4)
    series = [("new", new), ("returning", returning), ("resurrecting", resurrecting)]
    return plots.lines("Active persons by week", "persons", weeks, series)


def _pages(connection: duckdb.DuckDBPyConnection) -> dg.MarkdownMetadataValue | None:
    rows = connection.execute(
        "select page, cast(sum(views) as bigint) as views"
        f" from {keys.MARTS}.rpt_pages group by page order by views desc, page limit 8"
    ).fetchall()
    pages, views = _columns(rows, 2)
    return plots.bars("Pages and screens", "views", [page[:40] for page in pages], views)


def _columns(rows: list[tuple[Any, ...]], width: int) -> list[list[Any]]:
    return [[row[position] for row in rows] for position in range(width)]


CHARTS: Mapping[str, Chart] = {
    "fct_sessions": _sessions,
    "fct_funnel_entries": _funnel,
    "rpt_active_daily": _active,
    "rpt_lifecycle_weekly": _lifecycle,
    "rpt_pages": _pages,
}
