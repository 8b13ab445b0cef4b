"""The asset graph: complete, connected, described, and pinned name by name.

A module of definitions can lose an asset without any error, so the whole list is compared with
``graph.txt``. After a change that is meant: UPDATE_SNAPSHOTS=1 pytest tests/orchestration/dagster
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import dagster as dg
import pytest

from governance.errors import UserError
from governance.home import HOME_VARIABLE, Home
from orchestration import keys
from orchestration.dbt import target_folder
from orchestration.definitions import definitions as entry
from orchestration.resources import HomeResource
from tests.conftest import ROOT

SNAPSHOT = Path(__file__).with_name("graph.txt")
SOURCES = ("web", "mobile", "backend", "payments", "shop", "history")
LAYERS = (keys.LANDING, keys.RAW, keys.STAGING, keys.INTERMEDIATE, keys.MARTS)


@pytest.fixture(scope="module")
def graph(definitions: dg.Definitions) -> dg.AssetGraph:
    return definitions.resolve_asset_graph()


@pytest.fixture(scope="module")
def manifest(graph_home: Home, definitions: dg.Definitions) -> dict:
    return json.loads(next(target_folder(graph_home).glob("manifest-*.json")).read_bytes())


def test_every_asset_and_check_is_the_one_we_know(graph: dg.AssetGraph) -> None:
    lines = [f"asset {key.to_user_string()}" for key in graph.get_all_asset_keys()]
    lines += [f"check {key.to_user_string()}" for key in graph.asset_check_keys]
    found = "\n".join(sorted(lines)) + "\n"
    if os.environ.get("UPDATE_SNAPSHOTS"):
        SNAPSHOT.write_text(found)
    assert found == SNAPSHOT.read_text()


def test_every_dbt_source_is_made_by_a_step(graph: dg.AssetGraph, manifest: dict) -> None:
    sources = [dg.AssetKey([s["source_name"], s["name"]]) for s in manifest["sources"].values()]
    assert sources
    assert [key for key in sources if not graph.has(key) or not graph.get(key).is_executable] == []


def test_every_blocking_dbt_test_is_a_check(graph: dg.AssetGraph, manifest: dict) -> None:
    checks = {key.name for key in graph.asset_check_keys}
    nodes = manifest["nodes"].values()
    # dbt lists the tests of a model that is switched off, as switched off
    tests = {n["name"] for n in nodes if n["resource_type"] == "test" and n["config"]["enabled"]}
    assert "assert_every_received_record_has_one_disposition" in checks
    assert tests - checks == set()


@pytest.mark.parametrize("source", SOURCES)
def test_a_way_leads_from_each_source_to_the_published_copy(
    graph: dg.AssetGraph, source: str
) -> None:
    reached, frontier = set(), {keys.landing(source)}
    while frontier:
        reached |= frontier
        frontier = {child for key in frontier for child in graph.get(key).child_keys} - reached
    assert keys.PUBLISHED_ANALYST in reached


def test_no_asset_hangs_in_the_air(graph: dg.AssetGraph) -> None:
    roots = {key for key in graph.get_all_asset_keys() if not graph.get(key).parent_keys}
    configured = {keys.landing(name) for name in SOURCES}
    # rates and overrides come from files of the home, rules from the project; these models are made
    # of the configuration alone
    alone = {key for key in roots - configured if key.path[0] != keys.INTERMEDIATE}
    rules = {keys.model(keys.STAGING, name) for name in ("channel_rules", "traffic_rules")}
    given = {keys.raw("exchange_rates"), keys.raw("identity_overrides")}
    assert alone == given | rules


def test_every_asset_says_what_it_is_and_whose(graph: dg.AssetGraph) -> None:
    nodes = [graph.get(key) for key in graph.get_all_asset_keys()]
    assert [n.key for n in nodes if not n.description] == []
    assert [n.key for n in nodes if not n.owners] == []
    assert [n.key for n in nodes if not n.kinds] == []
    assert {n.group_name for n in nodes} == {*LAYERS, keys.QUALITY, keys.PUBLISHED}


def test_every_step_that_opens_the_warehouse_waits_in_the_pool(definitions: dg.Definitions) -> None:
    job = definitions.resolve_job_def(keys.NIGHTLY)
    assert {node.name: node.pools for node in job.graph.node_defs} == {
        node.name: {keys.WAREHOUSE_POOL} for node in job.graph.node_defs
    }


def test_columns_of_marts_carry_their_class(graph: dg.AssetGraph) -> None:
    marts = [key for key in graph.get_all_asset_keys() if key.path[0] == keys.MARTS]
    assert marts
    for key in marts:
        columns = graph.get(key).metadata["dagster/column_schema"].columns
        assert [c.name for c in columns if not c.tags.get("class") or not c.description] == []


def test_the_published_copy_depends_on_every_mart(graph: dg.AssetGraph) -> None:
    marts = {key for key in graph.get_all_asset_keys() if key.path[0] == keys.MARTS}
    assert marts == set(graph.get(keys.PUBLISHED_ANALYST).parent_keys)
    assert graph.get(keys.PUBLISHED_ANALYST).freshness_policy is not None


def test_without_a_home_the_error_names_the_fix(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path / "nowhere"))
    with pytest.raises(UserError, match="throughline init"):
        entry()


def test_the_resource_names_a_home_and_reads_it_late(graph_home: Home) -> None:
    resource = HomeResource(root=str(graph_home.root))
    assert resource.place == graph_home
    assert resource.read_config().company == "larkfield"


def test_the_entry_is_where_dagster_looks_for_it() -> None:
    settings = (ROOT / "pyproject.toml").read_text()
    assert 'module_name = "orchestration.definitions"' in settings
