"""The shop's database as it is read: on SQLite as on PostgreSQL, in the middle and at the end."""

from __future__ import annotations

import json
import shutil
from collections import defaultdict
from pathlib import Path

import pytest
import sqlalchemy as sa
import yaml

from governance.keys import load_keys
from ingestion.sample import DEFAULT_START, sample_shop
from ingestion.sample.clock import window_of
from ingestion.sample.company import COMPANY
from ingestion.sample.shop import Shop
from tests.ingestion.house import House

PERSONS, DAYS = 150, 20
HALF = window_of(DEFAULT_START, DAYS // 2).end
ROW = """
    select
        record_kind, event_name, occurred_at, version_at, is_deleted, user_id, external_ids,
        email_token, revenue, currency, order_id, consent_analytics, consent_marketing, country
    from raw.events order by all
"""


@pytest.fixture(scope="module")
def shop() -> Shop:
    return sample_shop(persons=PERSONS, days=DAYS)


def house_of(root: Path, url: str) -> House:
    """A home whose one source is the demo's database, at another address."""
    config = yaml.safe_load((COMPANY / "throughline.yml").read_text())
    (source,) = (source for source in config["sources"] if source["name"] == "shop")
    root.mkdir()
    house = House(root, json.dumps(source | {"url": "env:SHOP_DB_URL"}))
    house.home.env.write_text(f"SHOP_DB_URL={url}\n")
    house.home.env.chmod(0o600)
    return house


def loaded_twice(house: House, shop: Shop, engine: sa.Engine) -> House:
    """Loaded when half of the window was over, and again at its end."""
    for until in (HALF, None):
        shop.write(engine, until=until)
        house.load()
    return house


@pytest.fixture(scope="module")
def house(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> House:
    root = tmp_path_factory.mktemp("shop")
    url = f"sqlite:///{root / 'shop.sqlite'}"
    return loaded_twice(house_of(root / "home", url), shop, sa.create_engine(url))


def test_every_version_of_a_customer_is_evidence_of_the_same_person(house: House):
    tokens = defaultdict(list)
    for user_id, token in house.rows(
        "select user_id, email_token from raw.events where record_kind = 'person'"
        " order by version_at"
    ):
        tokens[user_id].append(token)
    moved = {user_id: found for user_id, found in tokens.items() if len(found) > 1}
    assert moved
    assert len(moved) < len(tokens) / 4
    assert all(len(found) == len(set(found)) == 2 for found in moved.values())


def test_a_refund_makes_a_new_version_of_its_order(house: House):
    versions = defaultdict(list)
    for order_id, item, deleted, revenue in house.rows(
        "select split_part(split_part(event_id, '[\"', 2), '\"', 1), item, is_deleted, revenue"
        " from raw.events where record_kind = 'order' order by version_at"
    ):
        versions[order_id, item].append((deleted, revenue))
    assert {len(found) for found in versions.values()} == {1, 2}
    for (order_id, item), found in versions.items():
        (sale,) = {revenue for _, revenue in versions[order_id, 0]}
        assert sale > 0
        if item == 1 and len(found) == 2:
            (gone, nothing), (there, back) = found
            assert (gone, nothing, there) == (True, None, False)
            assert -sale <= back < 0


def test_postgresql_gives_the_same_records(house: House, shop: Shop, postgres, tmp_path: Path):
    database = postgres.database()
    other = house_of(tmp_path / "home", database.url)
    shutil.copytree(house.home.keys, other.home.keys, dirs_exist_ok=True)
    other.keys = load_keys(other.home)
    loaded_twice(other, shop, database.engine)
    found = other.rows(ROW)
    assert len(found) > 300
    assert found == house.rows(ROW)
