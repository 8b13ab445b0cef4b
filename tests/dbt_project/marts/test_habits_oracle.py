"""Weeks, days of activity, features and conversions against plain recounting."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from datetime import date, timedelta
from statistics import median
from typing import Any

import pytest

from tests.dbt_project.marts.conftest import FEATURES, in_time_order

Row = dict[str, Any]
DAY, WEEK = timedelta(days=1), timedelta(days=7)
TIME_TO_ADOPT = timedelta(days=28)


@pytest.fixture(scope="module")
def people(world) -> list[Row]:
    """Events of persons, without bots and staff, in time order."""
    kept = [
        event
        for event in world.events
        if event["person_id"] and not event["is_bot"] and not event["is_internal"]
    ]
    return sorted(kept, key=in_time_order)


@pytest.fixture(scope="module")
def active_days(people) -> dict[str, set[date]]:
    days: dict[str, set[date]] = defaultdict(set)
    for event in people:
        if event["is_interactive"]:
            days[event["person_id"]].add(event["occurred_date"])
    return days


def monday(day: date) -> date:
    return day - timedelta(days=day.weekday())


def test_every_week_somebody_is_new_returning_resurrecting_or_dormant(world, active_days) -> None:
    weeks = {person: {monday(day) for day in days} for person, days in active_days.items()}
    first = min(map(min, weeks.values()))
    last = max(monday(world.last_day), *map(max, weeks.values()))
    expected = {}
    for number in range((last - first) // WEEK + 1):
        week = first + number * WEEK
        now = {person for person, own in weeks.items() if week in own}
        before = {person for person, own in weeks.items() if week - WEEK in own}
        new = {person for person in now if min(weeks[person]) == week}
        expected[(week,)] = {
            "active_persons": len(now),
            "new_persons": len(new),
            "returning_persons": len(now & before),
            "resurrecting_persons": len(now - before - new),
            "dormant_persons": len(before - now),
            "is_complete": world.has_ended(week + 6 * DAY),
        }
    assert world.keyed("rpt_lifecycle_weekly", ["week_start"]) == expected
    for name in next(iter(expected.values())):
        assert any(row[name] for row in expected.values()), name


def test_days_of_activity_are_counted_in_every_window(world, active_days) -> None:
    every = set().union(*active_days.values())
    first, last = min(every), max(world.last_day, *every)
    expected = {}
    for ahead in range((last - first).days + 1):
        day = first + ahead * DAY
        window = {day - back * DAY for back in range(28)}
        counts = Counter(len(days & window) for days in active_days.values())
        for number in range(1, 29):
            expected[day, number] = {
                "persons": counts[number],
                "is_complete": ahead >= 27 and world.has_ended(day),
            }
    assert world.keyed("rpt_stickiness", ["window_end", "days_active"]) == expected
    assert max(number for (_, number), row in expected.items() if row["persons"]) > 20
    monthly = world.rows(
        "select mau, persons from marts.rpt_active_daily inner join (select window_end as"
        " active_date, sum(persons) as persons from marts.rpt_stickiness group by all)"
        " using (active_date) where segment_set = 'all'"
    )
    assert len(monthly) == len(expected) // 28
    assert all(row["mau"] == row["persons"] for row in monthly)


def matches(event: Row, asked: Row) -> bool:
    """Whether an event is what a feature asks for; its filters are of one field or property."""
    for path, wanted in asked["where"].items():
        field = path.removeprefix("properties.")
        given = json.loads(event["properties"]) if field != path else event
        if given.get(field) != wanted:
            return False
    return event["event_name"] == asked["event"]


def test_adoption_recounts_every_person(world, people) -> None:
    cells: dict[tuple[Any, ...], list[list[float]]] = defaultdict(list)
    for feature in FEATURES:
        asked = feature["eligible"]
        begun: dict[str, Row] = {}
        for event in people:
            if matches(event, asked) if asked else event["is_interactive"]:
                begun.setdefault(event["person_id"], event)
        uses: dict[str, list[Row]] = defaultdict(list)
        for event in people:
            if matches(event, feature):
                uses[event["person_id"]].append(event)
        for person, opening in begun.items():
            lags = [use["occurred_at"] - opening["occurred_at"] for use in uses[person]]
            counted = [lag.total_seconds() for lag in lags if timedelta(0) <= lag <= TIME_TO_ADOPT]
            place = feature["name"], opening["occurred_date"]
            cells[*place, "all", "all"].append(counted)
            cells[*place, "platform", opening["platform"] or "(none)"].append(counted)
    expected = {}
    for key, persons in cells.items():
        adopters = [lags for lags in persons if lags]
        again = [lags for lags in persons if len(lags) > 1]
        is_complete = world.has_ended(key[1], TIME_TO_ADOPT)
        expected[key] = {
            "eligible": len(persons),
            "adopted": len(adopters),
            "used_again": len(again),
            "adoption_rate": len(adopters) / len(persons) if is_complete else None,
            "repeat_rate": len(again) / len(adopters) if is_complete and adopters else None,
            "p50_seconds_to_adopt": median(min(lags) for lags in adopters)
            if is_complete and adopters
            else None,
            "is_complete": is_complete,
        }
    found = world.keyed(
        "rpt_feature_adoption", ["feature", "eligible_date", "segment_set", "segment"]
    )
    assert found.keys() == expected.keys()
    for key, row in expected.items():
        assert found[key] == pytest.approx(row), key
    for feature in FEATURES:
        own = [row for (name, *_), row in expected.items() if name == feature["name"]]
        assert any(0 < row["used_again"] < row["adopted"] < row["eligible"] for row in own)
        assert {row["is_complete"] for row in own} == {True, False}
    assert any((row["p50_seconds_to_adopt"] or 0) > 86400 for row in expected.values())


def test_conversions_are_the_key_events_that_the_daily_report_counts(world) -> None:
    first_seen: dict[str | None, Any] = {}
    for event in sorted(world.events, key=in_time_order):
        first_seen.setdefault(event["person_id"], event["occurred_at"])
    expected = {}
    for event in world.events:
        if event["is_key_event"]:
            person = event["person_id"]
            since = event["occurred_at"] - first_seen[person]
            expected[(event["event_key"],)] = event | {
                "channel": event["channel"] if person else "(none)",
                "is_internal": event["is_internal"] if person else event["is_internal_traffic"],
                "seconds_since_first_seen": since.total_seconds() if person else None,
            }
    found = world.keyed("fct_conversions", ["event_key"])
    assert found.keys() == expected.keys()
    for key, row in found.items():
        assert {name: expected[key][name] for name in row} == row, key
    assert {row["person_id"] is None for row in found.values()} == {True, False}
    counted = Counter(
        row["occurred_date"]
        for row in found.values()
        if not row["is_bot"] and not row["is_internal"]
    )
    reported = world.rows(
        "select metric_date as day, sum(conversions) as conversions"
        " from marts.rpt_metrics_daily group by all having sum(conversions) > 0"
    )
    assert {row["day"]: row["conversions"] for row in reported} == counted
