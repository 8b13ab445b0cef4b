"""A sale that SDK, webhook and database report counts once, at a rate that may come late."""

from __future__ import annotations

import itertools
from datetime import date, datetime, timedelta
from decimal import Decimal

import duckdb
import pytest

from tests.properties.warehouse import build, make_home, write_raw

START = datetime(2026, 4, 1, 12)
SOURCES = [
    {
        "name": name,
        "surface": surface,
        "trust": trust,
        "lawful_basis": "contract",
        "live": name != "archive",
    }
    for name, surface, trust in (
        ("web", "web", "public"),
        ("hook", "backend", "signed"),
        ("shop", "backend", "server"),
        ("archive", "backend", "server"),
    )
]


def rows() -> list[dict]:
    number = itertools.count()

    def amount(source: str, day: int, order: str, value: str, currency: str = "EUR") -> dict:
        at, key = START + timedelta(days=day), f"k{next(number)}"
        return {
            "source": source,
            "position": int(key[1:]),
            "dedupe_key": key,
            "event_id": key,
            "event_name": "order_completed",
            "surface": "web" if source == "web" else "backend",
            "is_interactive": source == "web",
            "user_id": "u1",
            "occurred_at": at,
            "received_at": at,
            "order_id": order,
            "revenue": Decimal(value),
            "currency": currency,
        }

    return [
        # the archive's last sale is the shop's first one as well
        amount("archive", 0, "old", "5"),
        amount("archive", 1, "cut", "7"),
        amount("shop", 2, "cut", "7"),
        amount("shop", 2, "old", "-5"),
        *(amount(source, 3, "one", "10") for source in ("web", "hook", "shop")),
        amount("shop", 3, "dollars", "100", "USD"),
        amount("hook", 3, "dollars", "99", "USD"),
        amount("web", 4, "web_only", "1000"),
    ]


def report(home) -> dict[str, tuple]:
    with duckdb.connect(str(home.warehouse), read_only=True) as con:
        return {
            name: con.sql(query).fetchall()
            for name, query in {
                "days": "select day(revenue_date), gross_reporting, refunds_reporting,"
                " refunds_by_order_date_reporting, orders, orders_rate_missing, orders_elsewhere"
                " from marts.rpt_revenue_daily order by all",
                "orders": "select order_id, source, gross_reporting, is_rate_missing,"
                " other_sources, differing_sources from marts.fct_orders order by all",
                "total": "select sum(revenue_reporting) from marts.rpt_metrics_daily",
                "sessions": "select sum(revenue_reporting) from marts.fct_sessions",
            }.items()
        }


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    root = tmp_path_factory.mktemp("revenue")
    home = make_home(root / "home")
    write_raw(home, rows())

    def run(revenue_sources: list[str]) -> dict[str, tuple]:
        build(
            home,
            {"tl_sources": SOURCES, "tl_revenue_sources": revenue_sources},
            *("build", "--exclude-resource-type", "unit_test"),
            *("--indirect-selection", "cautious", "-s"),
            *("+rpt_revenue_daily", "+rpt_metrics_daily", "rpt_revenue_matches"),
            target=root / "target",
        )
        return report(home)

    return home, run


def test_each_sale_counts_once_and_a_late_rate_repairs_the_number(built):
    home, run = built
    before = run(["archive", "shop"])
    assert before["orders"] == [
        # its amount is unknown, not zero
        ("cut", "archive", 7, False, "shop", None),
        ("dollars", "shop", None, True, "hook", "hook"),
        ("old", "archive", 5, False, None, None),
        ("one", "shop", 10, False, "hook,web", None),
    ]
    assert before["days"] == [
        (1, 5, 0, 5, 1, 0, 0),
        (2, 7, 0, 0, 1, 0, 0),
        (3, 0, 5, 0, 0, 0, 0),
        (4, 10, 0, 0, 2, 1, 0),
        (5, 0, 0, 0, 0, 0, 1),
    ]
    assert before["total"] == [(17,)]
    with duckdb.connect(str(home.warehouse)) as con:
        rate = [date(2026, 4, 4), "USD", Decimal("0.9")]
        con.execute("insert into raw.exchange_rates values (?, ?, ?, 'load-0000-9')", rate)
    after = run(["archive", "shop"])
    assert after["orders"][1] == ("dollars", "shop", 90, False, "hook", "hook")
    assert after["days"][3] == (4, 100, 0, 0, 2, 0, 0)
    assert after["total"] == [(107,)]


def test_several_sources_without_a_rule_stop_the_build(built):
    _, run = built
    with pytest.raises(AssertionError, match="assert_revenue_has_one_source"):
        run([])
