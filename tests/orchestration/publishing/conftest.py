"""A small home: a warehouse with three marts, and the dbt manifest that describes them."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from governance.config import load_config
from governance.home import Home
from governance.keys import load_keys
from governance.starter import init_home
from governance.warehouse import open_warehouse, warehouse_lock
from orchestration.publishing import PublishReport, publish

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)

TABLES = """
create schema marts; create schema intermediate;
create table intermediate.int_data_until as
  select 'web' as source, true as is_live, timestamp '2026-04-30 10:00:00' as data_until
  union all select 'app', true, null;
create table marts.fct_events as select
    'e' || i as event_id, 'p' || i % 7 as person_id,
    timestamp '2026-02-01' + to_hours(i) as occurred_at,
    (i * 1.25)::decimal(18, 6) as revenue_reporting,
    json_object('plan', 'pro') as properties,
    json_object('note', 'secret' || i, 'deep', json_object('n', json_array(1, 'secret')))
      as properties_unreviewed,
    'blue' || i as nickname, '{"hat": "red' || i || '"}' as extras, 'free ' || i as comment_text
  from range(2000) t(i);
create table marts.dim_persons as
  select 'p' || i as person_id, 'mail' || i as email from range(7) t(i);
create table marts.rpt_daily as
  select date '2026-02-01' + i::integer as day, i * 2 as persons from range(5) t(i);
"""
CLASSES = {
    "fct_events": {
        "event_id": "internal",
        "person_id": "pseudonym",
        "occurred_at": "internal",
        "revenue_reporting": "internal",
        "properties": "internal",
        "properties_unreviewed": "unreviewed",
        "nickname": "unreviewed",
        "extras": "unreviewed",
        "comment_text": "free_text",
    },
    "dim_persons": {"person_id": "pseudonym", "email": "direct_identifier"},
    "rpt_daily": {"day": "public", "persons": "public"},
}
GRAIN = {"fct_events": ["event_id"], "dim_persons": ["person_id"], "rpt_daily": ["day"]}


def dbt_manifest(classes: dict[str, dict[str, str | None]]) -> dict[str, Any]:
    nodes = {
        f"model.throughline.{name}": {
            "resource_type": "model",
            "name": name,
            "alias": name,
            "schema": "marts",
            "path": f"marts/{name}.sql",
            "original_file_path": f"models/marts/{name}.sql",
            "patch_path": f"throughline://models/marts/{name}.yml",
            "description": f"One row per {name}.",
            "config": {"materialized": "table", "meta": {"grain": GRAIN[name], "owner": "growth"}},
            "columns": {
                column: {
                    "name": column,
                    "description": f"What {column} means: the user's word.",
                    "config": {"meta": {"class": column_class} if column_class else {}},
                }
                for column, column_class in columns.items()
            },
        }
        for name, columns in classes.items()
    }
    nodes["test.throughline.unique"] = {"resource_type": "test", "path": "unique.sql"}
    nodes["model.throughline.int_events"] = {
        "resource_type": "model",
        "path": "intermediate/int_events.sql",
        "config": {"materialized": "table"},
    }
    return {"nodes": nodes}


class Shop:
    """The home and what the tests do to it."""

    classes = CLASSES

    def __init__(self, root: Path) -> None:
        self.home: Home = init_home(root)
        self.keys = load_keys(self.home)
        self.config = load_config(self.home)
        self.manifest = self.home.root / "manifest.json"
        self.describe(CLASSES)
        self.execute(TABLES)
        self.now = NOON

    def describe(self, classes: dict) -> None:
        self.manifest.write_text(json.dumps(dbt_manifest(classes)))

    def execute(self, sql: str) -> None:
        with warehouse_lock(self.home, "test"):
            connection = open_warehouse(self.home, keys=self.keys)
            connection.execute(sql)
            connection.close()

    def publish(self, **changes: Any) -> PublishReport:
        """Publish one hour after the last time."""
        self.now += timedelta(hours=1)
        values = {"dbt_manifest": self.manifest, "run_id": "run-1", "now": self.now, **changes}
        return publish(self.home, values.pop("config", self.config), self.keys, **values)

    @property
    def folder(self) -> Path:
        return self.home.published / "analyst"

    def names(self) -> set[str]:
        """What lies in the role's folder, besides its bookkeeping."""
        return {path.name for path in self.folder.iterdir()} - {"current", ".lock", "history.json"}


@pytest.fixture
def make_shop() -> type[Shop]:
    return Shop


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path / "shop's home")


@pytest.fixture
def read(shop: Shop) -> Callable[[str], list[tuple]]:
    """Query the published copy as any reader does."""
    import duckdb

    def query(sql: str) -> list[tuple]:
        path = shop.folder / "current" / "analytics.duckdb"
        with duckdb.connect(str(path), read_only=True) as connection:
            return connection.execute(sql).fetchall()

    return query
