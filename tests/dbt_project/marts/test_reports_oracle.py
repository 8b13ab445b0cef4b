"""The report marts against plain recounting with pandas, from the same events."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.dbt_project.marts.money import cents, order_key, order_persons

ONE_DAY = timedelta(days=1)
DIMENSIONS = ("surface", "platform", "channel", "country")
MEASURES = (
    "sessions",
    "new_persons",
    "events",
    "conversions",
    "orders",
    "refunds",
    "refunds_reporting",
    "rates_missing",
    "bounces",
    "engaged_sessions",
    "session_seconds",
)


@pytest.fixture(scope="module")
def active(world) -> pd.DataFrame:
    """Interactive events of people who are neither bots nor own staff."""
    events = pd.DataFrame(world.events)
    keep = events.is_interactive & ~events.is_bot & ~events.is_internal & events.person_id.notna()
    return events[keep].assign(platform=lambda frame: frame.platform.fillna("(none)"))


def segment_sets(frame: pd.DataFrame, *names: str) -> dict[tuple[str, str], pd.DataFrame]:
    found = {("all", "all"): frame}
    for name in names:
        found |= {(name, value): part for value, part in frame.groupby(name)}
    return found


def test_rolling_actives_count_distinct_persons_of_the_trailing_days(world, active) -> None:
    first = active.occurred_date.min()
    last = max(active.occurred_date.max(), world.last_day)
    expected = {}
    for (segment_set, segment), part in segment_sets(active, "surface", "platform").items():
        persons: dict[date, set[str]] = defaultdict(set)
        for person, day in zip(part.person_id, part.occurred_date, strict=True):
            persons[day].add(person)
        for ahead in range((last - first).days + 1):
            day = first + ahead * ONE_DAY
            dau, wau, mau = (
                len(set().union(*(persons[day - back * ONE_DAY] for back in range(days))))
                for days in (1, 7, 28)
            )
            expected[day, segment_set, segment] = {
                "dau": dau,
                "wau": wau,
                "mau": mau,
                "stickiness": dau / mau if mau else None,
                "is_complete": ahead >= 27 and world.has_ended(day),
            }
    assert world.keyed("rpt_active_daily", ["active_date", "segment_set", "segment"]) == expected
    assert any(row["is_complete"] for row in expected.values())


def test_retention_recounts_every_cohort(world, active) -> None:
    ordered = active.sort_values(["occurred_at", "event_id", "event_key"])
    firsts = ordered.groupby("person_id").first()
    days = active.groupby("person_id").occurred_date.agg(set)
    buyers = order_persons(world.events)
    payments = [
        event | {"person_id": buyers[order_key(event)]}
        for event in world.events
        if event["revenue_reporting"] is not None and buyers[order_key(event)] in days.index
    ]
    last = max(active.occurred_date.max(), world.last_day)
    expected: dict[tuple[Any, ...], dict[str, Any]] = {}
    for cohort_date, cohort in firsts.groupby("occurred_date"):
        for (segment_set, segment), part in segment_sets(cohort, "platform").items():
            persons, size = set(part.index), len(part)
            for n in range(29):
                day = cohort_date + n * ONE_DAY
                if day > last:
                    break
                on_day = sum(day in days[person] for person in persons)
                on_or_after = sum(max(days[person]) >= day for person in persons)
                every = sum(
                    {cohort_date + back * ONE_DAY for back in range(n + 1)} <= days[person]
                    for person in persons
                )
                revenue = sum(
                    (
                        event["revenue_reporting"]
                        for event in payments
                        if event["person_id"] in persons and event["occurred_date"] <= day
                    ),
                    Decimal(0),
                )
                name = "first_platform" if segment_set == "platform" else segment_set
                expected[cohort_date, n, name, segment] = {
                    "cohort_size": size,
                    "on_day": on_day,
                    "on_or_after": on_or_after,
                    "every_interval": every,
                    "on_day_rate": on_day / size,
                    "on_or_after_rate": on_or_after / size,
                    "every_interval_rate": every / size,
                    "cumulative_revenue_reporting": cents(revenue),
                    "is_complete": world.has_ended(day),
                }
    assert world.keyed("rpt_retention", ["cohort_date", "n", "segment_set", "segment"]) == expected
    assert all(row["on_day_rate"] == 1 for (_, n, *_), row in expected.items() if n == 0)


def test_daily_metrics_are_the_sums_of_what_happened(world, active) -> None:
    cells: dict[tuple[Any, ...], dict[str, Any]] = defaultdict(
        lambda: dict.fromkeys(MEASURES, 0) | {"revenue_reporting": Decimal(0)}
    )

    def cell(day: date, row: Any) -> dict[str, Any]:
        place = (row[name] for name in DIMENSIONS)
        return cells[day, *(value if isinstance(value, str) else "(none)" for value in place)]

    sessions = world.sessions[~world.sessions.is_bot & ~world.sessions.is_internal]
    for session in sessions.to_dict("records"):
        counts = cell(session["started_date"], session)
        counts["sessions"] += 1
        counts["bounces"] += session["is_bounce"]
        counts["engaged_sessions"] += session["is_engaged"]
        counts["session_seconds"] += session["duration_seconds"]
    ordered = active.sort_values(["occurred_at", "event_id", "event_key"])
    for event in ordered.drop_duplicates("person_id").to_dict("records"):
        cell(event["occurred_date"], event)["new_persons"] += 1
    seen, touched = set(), set()
    for event in sorted(world.events, key=lambda event: (event["occurred_at"], event["event_id"])):
        counts = cell(
            event["occurred_date"], event | ({} if event["person_id"] else {"channel": None})
        )
        # staff are persons: an event without one is nobody's own
        is_staff = event["is_internal"] and event["person_id"]
        if not event["is_bot"] and not is_staff:
            counts["events"] += 1
            counts["conversions"] += event["is_key_event"]
        amount = event["revenue"]
        if event["is_authoritative_revenue"]:
            reporting = event["revenue_reporting"] or Decimal(0)
            counts["revenue_reporting"] += reporting
            counts["refunds_reporting"] -= min(reporting, 0)
            counts["rates_missing"] += event["is_rate_missing"]
            order = (order_key(event), np.sign(amount))
            if order not in seen and amount:
                counts["orders" if amount > 0 else "refunds"] += 1
            seen.add(order)
            touched.add(id(counts))
    open_days = set(sessions[sessions.is_open].started_date)
    money = ("revenue_reporting", "refunds_reporting")
    expected = {
        key: counts
        | {name: cents(counts[name]) for name in money}
        | {"is_complete": world.has_ended(key[0]) and key[0] not in open_days}
        for key, counts in cells.items()
        if any(counts.values()) or id(counts) in touched
    }
    found = world.keyed("rpt_metrics_daily", ["metric_date", *DIMENSIONS])
    assert found == expected
    assert sum(row["orders"] for row in found.values()) == sum(
        row["orders"] for row in world.rows("select * from marts.rpt_revenue_daily")
    )


def test_funnel_report_recounts_the_entries(world) -> None:
    entries = pd.DataFrame(world.rows("select * from marts.fct_funnel_entries"))
    expected = {}
    for funnel in world.variables["tl_funnels"]:
        own = entries[entries.funnel == funnel["name"]].copy()
        own["all"] = "all"
        for number, path in enumerate(funnel["breakdowns"], start=1):
            own[path] = own[f"breakdown_{number}"]
            counts = own[~own.is_void & (own[path] != "(none)")].groupby(path).size()
            ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
            shown = {"(none)", *(value for value, _ in ranked[: funnel["top_breakdowns"]])}
            own.loc[~own[path].isin(shown), path] = "(other)"
        for path in ["all", *funnel["breakdowns"]]:
            for (day, value), part in own.groupby(["entry_date", path]):
                key = (funnel["name"], funnel["version"], day)
                for step, row in recount(
                    part, funnel, world.has_ended(day, timedelta(seconds=funnel["window_seconds"]))
                ):
                    expected[*key, step, path, value] = row
    found = world.keyed(
        "rpt_funnel_daily", ["funnel", "version", "entry_date", "step", "segment_set", "segment"]
    )
    assert found.keys() == expected.keys()
    for key, row in expected.items():
        assert found[key] == pytest.approx(row, nan_ok=True), key
    assert {segment for *_, segment in found} >= {"(none)", "(other)", "pro"}


def recount(part: pd.DataFrame, funnel: dict[str, Any], is_complete: bool) -> Any:
    counted = part[~part.is_void]
    closed = counted[counted.window_closed]
    before = len(closed)
    for step, definition in enumerate(funnel["steps"], start=1):
        reached = closed[closed.depth >= step]
        seconds = (reached[f"step_{step}_at"] - reached.entered_at).dt.total_seconds()
        open_short = counted[~counted.window_closed & (counted.depth < step)]
        rate = len(reached) / before if before else None
        yield (
            step,
            {
                "step_event": definition["event"],
                "entered": len(counted),
                "converted": int((counted.depth >= step).sum()),
                "closed_entered": len(closed),
                "closed_converted": len(reached),
                "step_rate": rate,
                "drop_off_rate": None if rate is None else 1 - rate,
                "total_rate": len(reached) / len(closed) if len(closed) else None,
                **{
                    f"p{percent}_seconds": float(seconds.quantile(percent / 100))
                    if len(seconds)
                    else None
                    for percent in (50, 90, 95)
                },
                "censored_share": len(open_short) / len(counted) if len(counted) else None,
                "void_entries": int(part.is_void.sum()),
                "is_complete": is_complete,
            },
        )
        before = len(reached)
