"""The real shop as an app database: the same numbers as from its dump (test_real_sources)."""

from __future__ import annotations

import json

import duckdb
import pytest

from tests.end_to_end.real_shop import LINE, assert_equals_reference, shop

pytestmark = pytest.mark.material


@pytest.fixture(scope="module")
def reference(material) -> dict:
    return json.loads((material / "online_retail" / "reference_numbers.json").read_text())


@pytest.mark.long
def test_a_real_shop_as_a_database_equals_its_reference_numbers(
    make_home, throughline, material, reference
):
    """The lines have no id of their own, so the table they lie in gives them one."""
    table = {"table": "order_lines", "as": "events", "key": ["line"], "mapping": LINE}
    database = {
        "kind": "app_database",
        "url": "sqlite:///shop.sqlite",
        "tables": [table],
    }
    home = make_home(shop("shop", database))
    _write_database(material / "online_retail" / "online_retail.parquet", home.root)

    throughline(home, "run", "hourly")

    assert_equals_reference(home, reference)


def _write_database(parquet, root) -> None:
    import sqlite3

    with duckdb.connect() as con, sqlite3.connect(root / "shop.sqlite") as shop:
        shop.execute(
            "create table order_lines (line integer primary key, InvoiceNo text, StockCode text,"
            " Description text, Quantity integer, InvoiceDate text, UnitPrice numeric,"
            " CustomerID integer, Country text)"
        )
        lines = con.execute(
            "select row_number() over (), InvoiceNo, StockCode, Description, Quantity,"
            " InvoiceDate::varchar, UnitPrice, CustomerID, Country from read_parquet(?)",
            [str(parquet)],
        )
        while batch := lines.fetchmany(50_000):
            shop.executemany("insert into order_lines values (?,?,?,?,?,?,?,?,?)", batch)
