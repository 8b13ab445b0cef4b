"""Orders, daily revenue, reconciliation and lifetime value against plain recounting."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, timedelta
from decimal import Decimal
from itertools import groupby
from typing import Any

import pytest

from tests.dbt_project.marts.money import cents, naming_events, order_key, order_persons

Row = dict[str, Any]


@pytest.fixture(scope="module")
def amounts(world) -> list[Row]:
    """Events with an amount in time order, with whose order each is."""
    persons = order_persons(world.events)
    found = [
        event | {"key": order_key(event), "buyer": persons.get(order_key(event))}
        for event in world.events
        if event["revenue"] is not None
    ]
    return sorted(found, key=lambda event: (event["occurred_at"], event["event_id"]))


@pytest.fixture(scope="module")
def believed(amounts) -> list[Row]:
    return [event for event in amounts if event["is_authoritative_revenue"]]


@pytest.fixture(scope="module")
def sales_elsewhere(amounts, believed) -> dict[tuple[str, str], tuple[date, str | None]]:
    """(order, source) -> day of the sale, and how it compares; None for an unknown order."""
    known = totals([event for event in believed if event["revenue"] > 0])
    others = [
        event
        for event in amounts
        if not event["is_authoritative_revenue"] and event["order_id"] and event["revenue"] > 0
    ]
    found = {}
    for event in others:
        place = event["order_id"], event["source"]
        told = totals([other for other in others if (other["order_id"], other["source"]) == place])
        verdict = None
        if place[0] in known:
            verdict = "equal" if told[place[0]] == known[place[0]] else "different"
        found.setdefault(place, (event["occurred_date"], verdict))
    return found


def totals(events: list[Row]) -> dict[str, tuple[Decimal, str] | object]:
    """Order -> amount and currency; several currencies equal nothing."""
    found: dict[str, Any] = {}
    for key, part in groupby(sorted(events, key=order_key), order_key):
        lines = list(part)
        currencies = {line["currency"] or "EUR" for line in lines}
        total = sum(line["revenue"] for line in lines)
        found[key] = (total, *currencies) if len(currencies) == 1 else object()
    return found


def money(lines: list[Row]) -> Decimal | None:
    """In the reporting currency; unknown when a rate is missing."""
    if any(line["is_rate_missing"] for line in lines):
        return None
    return cents(sum((abs(line["revenue_reporting"]) for line in lines), Decimal(0)))


def recount_orders(believed: list[Row]) -> dict[str, Row]:
    orders: dict[str, Row] = {}
    by_key: dict[str, list[Row]] = defaultdict(list)
    for event in believed:
        by_key[event["key"]].append(event)
    for key, lines in by_key.items():
        sales = [line for line in lines if line["revenue"] >= 0]
        paid = [line for line in sales if line["revenue"] > 0]
        refunds = [line for line in lines if line["revenue"] < 0]
        first = (paid or sales or [None])[0]
        gross, refunded = money(sales), money(refunds)
        orders[key] = {
            "person_id": lines[0]["buyer"],
            "ordered_at": first and first["occurred_at"],
            "ordered_date": first and first["occurred_date"],
            "first_refunded_at": refunds[0]["occurred_at"] if refunds else None,
            "lines": len(sales),
            "refunds": len(refunds),
            "is_paid": bool(paid),
            "gross_reporting": gross,
            "refunded_reporting": refunded,
            "net_reporting": None if None in (gross, refunded) else gross - refunded,
            "is_rate_missing": None in (gross, refunded),
            "order_number": None,
        }
    return orders


def test_orders_are_their_sales_and_refunds(world, believed, sales_elsewhere) -> None:
    expected = recount_orders(believed)
    paid = [(order["ordered_at"], key) for key, order in expected.items() if order["is_paid"]]
    numbers: dict[str, int] = defaultdict(int)
    for _, key in sorted(paid):
        if person := expected[key]["person_id"]:
            numbers[person] += 1
            expected[key]["order_number"] = numbers[person]
    for key, order in expected.items():
        number = order["order_number"]
        order["is_first_order"] = None if number is None else number == 1
        told = {source: how for (of, source), (_, how) in sales_elsewhere.items() if of == key}
        order["other_sources"] = ",".join(sorted(s for s, how in told.items() if how)) or None
        order["differing_sources"] = (
            ",".join(sorted(s for s, how in told.items() if how == "different")) or None
        )
    found = world.keyed("fct_orders", ["order_key"])
    assert {key for (key,) in found} == expected.keys()
    for key, order in expected.items():
        assert {name: found[(key,)][name] for name in order} == order, key
    assert {order["is_rate_missing"] for order in expected.values()} == {True, False}
    assert any(order["differing_sources"] for order in expected.values())
    assert any(order["ordered_at"] is None for order in expected.values())


def test_daily_revenue_keeps_refunds_on_both_dates(world, believed, sales_elsewhere) -> None:
    orders = recount_orders(believed)
    first_paid: dict[str, tuple[Any, str]] = {}
    for key, order in orders.items():
        if order["is_paid"] and (person := order["person_id"]):
            place = (order["ordered_at"], key)
            first_paid[person] = min(place, first_paid.get(person, place))
    active: dict[date, set[str]] = defaultdict(set)
    for event in world.events:
        kept = event["is_interactive"] and not event["is_bot"] and not event["is_internal"]
        if event["person_id"] and kept:
            active[event["occurred_date"]].add(event["person_id"])
    only = defaultdict(list)
    for (order, _), (day, verdict) in sales_elsewhere.items():
        if verdict is None:
            only[order].append(day)
    days = (
        {event["occurred_date"] for event in believed}
        | active.keys()
        | {min(seen) for seen in only.values()}
    )
    expected = {}
    for day in days:
        here = [event for event in believed if event["occurred_date"] == day]
        rated = [event for event in here if not event["is_rate_missing"]]
        undone = [
            event
            for event in believed
            if event["revenue"] < 0
            and not event["is_rate_missing"]
            and (orders[event["key"]]["ordered_date"] or event["occurred_date"]) == day
        ]
        sold = cents(sum((e["revenue_reporting"] for e in rated if e["revenue"] >= 0), Decimal(0)))
        back = -cents(sum((e["revenue_reporting"] for e in rated if e["revenue"] < 0), Decimal(0)))
        payers = len({e["buyer"] for e in here if e["revenue"] > 0} - {None})
        persons = len(active.get(day, ()))
        expected[(day,)] = {
            "gross_reporting": sold,
            "refunds_reporting": back,
            "net_reporting": sold - back,
            "refunds_by_order_date_reporting": -cents(
                sum((event["revenue_reporting"] for event in undone), Decimal(0))
            ),
            "orders": sum(o["is_paid"] and o["ordered_date"] == day for o in orders.values()),
            "refunded_orders": len({e["key"] for e in here if e["revenue"] < 0}),
            "payers": payers,
            "new_payers": sum(orders[key]["ordered_date"] == day for _, key in first_paid.values()),
            "active_persons": persons,
            "arpu_reporting": float(sold - back) / persons if persons else None,
            "arppu_reporting": float(sold - back) / payers if payers else None,
            "orders_rate_missing": len({e["key"] for e in here if e["is_rate_missing"]}),
            "orders_elsewhere": sum(min(seen) == day for seen in only.values()),
            "is_complete": world.has_ended(day),
        }
    found = world.keyed("rpt_revenue_daily", ["revenue_date"])
    assert found.keys() == expected.keys()
    for key, row in expected.items():
        assert found[key] == pytest.approx(row), key
    assert any(
        row["refunds_reporting"] != row["refunds_by_order_date_reporting"]
        for row in expected.values()
    )
    assert sum(row["orders_elsewhere"] for row in expected.values()) > 0
    assert sum(row["orders_rate_missing"] for row in expected.values()) > 0


def test_matches_reconcile_every_other_source(world, amounts, sales_elsewhere) -> None:
    empty = ("orders", "matched", "amount_equal", "amount_different", "unmatched")
    expected: dict[tuple[str, date], Row] = defaultdict(
        lambda: dict.fromkeys((*empty, "amounts_without_order"), 0)
    )
    for (_, source), (day, verdict) in sales_elsewhere.items():
        row = expected[source, day]
        row["orders"] += 1
        row["matched" if verdict else "unmatched"] += 1
        if verdict:
            row[f"amount_{verdict}"] += 1
    for event in amounts:
        if not (event["is_authoritative_revenue"] or event["order_id"]) and event["revenue"] > 0:
            expected[event["source"], event["occurred_date"]]["amounts_without_order"] += 1
    for (_, day), row in expected.items():
        row["is_complete"] = world.has_ended(day)
    assert world.keyed("rpt_revenue_matches", ["source", "revenue_date"]) == expected
    for name in (*empty, "amounts_without_order"):
        assert sum(row[name] for row in expected.values()) > 0, name


def test_lifetime_value_is_what_a_cohort_has_brought(world, believed) -> None:
    firsts: dict[str, date] = {}
    people = [
        (event["person_id"], event["occurred_date"])
        for event in world.events
        if event["is_interactive"] and not event["is_bot"] and not event["is_internal"]
    ]
    naming = naming_events(believed)
    paid = [
        event
        for event in believed
        if not event["is_bot"] and not naming[event["key"]]["is_internal"]
    ]
    for person, day in (*people, *((event["buyer"], event["occurred_date"]) for event in paid)):
        if person:
            firsts[person] = min(day, firsts.get(person, day))
    last = month_number(max(*firsts.values(), world.last_day))
    expected = {}
    for cohort in {month_number(day) for day in firsts.values()}:
        persons = {person for person, day in firsts.items() if month_number(day) == cohort}
        for n in range(last - cohort + 1):
            month = cohort + n
            here = [
                event
                for event in paid
                if event["buyer"] in persons and month_number(event["occurred_date"]) <= month
            ]
            net = cents(
                sum((event["revenue_reporting"] or Decimal(0) for event in here), Decimal(0))
            )
            expected[first_day(cohort), n] = {
                "cohort_size": len(persons),
                "cumulative_net_reporting": net,
                "ltv_reporting": float(net) / len(persons),
                "is_rate_missing": any(event["is_rate_missing"] for event in here),
                "is_complete": world.has_ended(first_day(month + 1) - timedelta(days=1)),
            }
    found = world.keyed("rpt_ltv", ["cohort_month", "n"])
    assert found.keys() == expected.keys()
    for key, row in expected.items():
        assert found[key] == pytest.approx(row), key
    assert {row["is_complete"] for row in expected.values()} == {True, False}


def month_number(day: date) -> int:
    return day.year * 12 + day.month - 1


def first_day(month: int) -> date:
    return date(month // 12, month % 12 + 1, 1)
