"""The real shop: what its lines mean, and what is known of it."""

from __future__ import annotations

import duckdb
import pytest

SOURCE = {"surface": "backend", "trust": "server", "lawful_basis": "contract"}
LINE = {
    "event_name": {"value": "order_line"},
    "occurred_at": "InvoiceDate",
    "user_id": "CustomerID",
    "country": "Country",
    "amount": {"from": "UnitPrice", "times": "Quantity"},
    "currency": {"value": "GBP"},
    "order_id": "InvoiceNo",
    "properties": {
        "stock_code": {"from": "StockCode", "class": "internal"},
        "quantity": {"from": "Quantity", "class": "internal"},
    },
}


def published(home) -> duckdb.DuckDBPyConnection:
    file = home.published / "analyst" / "current" / "analytics.duckdb"
    return duckdb.connect(str(file), read_only=True)


def shop(name: str, source: dict) -> dict:
    return {
        "company": "shop",
        "currency": "GBP",
        "time_zone": "Europe/London",
        "sources": [{"name": name, **source, **SOURCE}],
        "revenue": {"source": name},
        "key_events": ["order_line"],
    }


def assert_equals_reference(home, reference) -> None:
    """The published marts say what is known of this shop."""
    with published(home) as con:
        found = con.execute(
            "select count(*), count(distinct order_id), count(distinct order_id) filter"
            " (order_id like 'C%'), round(sum(revenue_reporting), 2)::double,"
            " count(*) filter (person_id is null), count(distinct country) from marts.fct_events"
        ).fetchone()
        customers = con.execute(
            "select count(*) from marts.dim_persons where identity_method = 'user_id'"
        ).fetchone()
        net = [
            con.execute(f"select sum({column})::double from marts.{table}").fetchone()[0]
            for table, column in (
                ("rpt_metrics_daily", "revenue_reporting"),
                ("rpt_revenue_daily", "net_reporting"),
                ("fct_orders", "net_reporting"),
            )
        ]
        orders = con.execute("select count(*) from marts.fct_orders").fetchone()
        ledger = con.execute(
            "select sum(received), sum(accepted) from marts.rpt_pipeline"
        ).fetchone()
    assert found == (
        reference["rows"],
        reference["invoices"],
        reference["cancel_invoices"],
        pytest.approx(reference["net_revenue"], abs=0),
        reference["no_customer"],
        reference["countries"],
    )
    assert customers == (reference["customers"],)
    assert orders == (reference["invoices"],)
    # each row of a report is rounded to the penny
    assert net == [pytest.approx(reference["net_revenue"], abs=0.5)] * 3
    assert tuple(map(int, ledger)) == (reference["rows"], reference["rows"])
