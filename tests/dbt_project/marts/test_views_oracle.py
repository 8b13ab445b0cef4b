"""Page views, their report and the paths against plain walking through every session."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

import pytest

from tests.dbt_project.marts.conftest import in_time_order

Row = dict[str, Any]
MINUTE = timedelta(minutes=1)
# as rpt_paths is bounded
STEPS, TOP = 10, 20


def is_view(event: Row) -> bool:
    return event["event_type"] in ("page", "screen")


def name_of(view: Row) -> str:
    return view["page_path" if view["event_type"] == "page" else "screen"] or "(none)"


def scrolled(events: list[Row]) -> float | None:
    told = [event["scroll_percent"] for event in events if event["scroll_percent"] is not None]
    return max((float(value) for value in told if 0 <= value <= 100), default=None)


def monday(day: date) -> date:
    return day - timedelta(days=day.weekday())


@pytest.fixture(scope="module")
def sessions(world) -> dict[str, list[Row]]:
    """Interactive events of each session in time order."""
    found: dict[str, list[Row]] = defaultdict(list)
    for event in sorted(world.events, key=in_time_order):
        if event["person_id"] and event["is_interactive"]:
            found[event["session_id"]].append(event)
    return found


@pytest.fixture(scope="module")
def views(world, sessions) -> dict[str, Row]:
    """event_key -> the view, as a person would count it."""
    found: dict[str, Row] = {}
    for events in sessions.values():
        firsts = [place for place, event in enumerate(events) if is_view(event)]
        if not firsts:
            continue
        starts = [0, *firsts[1:], len(events)]
        for number, (place, (begin, end)) in enumerate(
            zip(firsts, pairwise(starts), strict=True), start=1
        ):
            gaps = [
                min(later["occurred_at"] - event["occurred_at"], MINUTE)
                for event, later in pairwise(events[begin : end + 1])
            ]
            found[events[place]["event_key"]] = events[place] | {
                "view_number": number,
                "engaged_seconds": sum(gaps, timedelta()).total_seconds(),
                "scroll_percent": scrolled(events[begin:end]),
                "is_entry": number == 1,
                "is_exit": number == len(firsts),
            }
    for event in world.events:
        if event["person_id"] and not event["is_interactive"] and is_view(event):
            found[event["event_key"]] = event | {
                "view_number": None,
                "engaged_seconds": 0,
                "scroll_percent": scrolled([event]),
                "is_entry": False,
                "is_exit": False,
            }
    for view in found.values():
        view |= {"view_type": view["event_type"], "page": name_of(view)}
    return found


@pytest.fixture(scope="module")
def open_sessions(world) -> set[str]:
    return set(world.sessions[world.sessions.is_open].session_id)


def test_views_share_out_the_engaged_time_of_their_sessions(world, sessions, views) -> None:
    found = world.keyed("fct_page_views", ["event_key"])
    assert {key for (key,) in found} == views.keys()
    for key, view in views.items():
        row = found[(key,)]
        assert {name: view[name] for name in row} == row, key
    shared: Counter[str] = Counter()
    for row in found.values():
        if row["session_id"]:
            shared[row["session_id"]] += round(row["engaged_seconds"] * 10**6)
    for session, events in sessions.items():
        gaps = (later["occurred_at"] - e["occurred_at"] for e, later in pairwise(events))
        total = sum((min(gap, MINUTE) for gap in gaps), timedelta())
        if any(map(is_view, events)):
            assert shared[session] == total / timedelta(microseconds=1), session
    assert any(view["view_number"] is None for view in views.values())
    assert len({view["scroll_percent"] for view in views.values()}) == 5


def test_pages_are_the_sums_of_their_views(world, views, open_sessions) -> None:
    counted = [view for view in views.values() if not view["is_bot"] and not view["is_internal"]]
    waiting = {
        view["occurred_date"] for view in views.values() if view["session_id"] in open_sessions
    }
    cells: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for view in counted:
        cells[view["occurred_date"], view["view_type"], view["page"]].append(view)
    expected = {
        key: {
            "views": len(part),
            "persons": len({view["person_id"] for view in part}),
            "entrances": sum(view["is_entry"] for view in part),
            "exits": sum(view["is_exit"] for view in part),
            "engaged_seconds": pytest.approx(sum(view["engaged_seconds"] for view in part)),
            "is_complete": world.has_ended(key[0]) and key[0] not in waiting,
        }
        for key, part in cells.items()
    }
    assert world.keyed("rpt_pages", ["view_date", "view_type", "page"]) == expected
    assert any(world.has_ended(day) for day in waiting)
    assert any(row["is_complete"] for row in expected.values())


def test_paths_recount_every_session(world, views, open_sessions) -> None:
    kept = world.sessions[~world.sessions.is_bot & ~world.sessions.is_internal]
    weeks = {row.session_id: monday(row.started_date) for row in kept.itertuples()}
    waiting = {week for session, week in weeks.items() if session in open_sessions}
    ways: dict[str, list[Row]] = defaultdict(list)
    for view in sorted(views.values(), key=in_time_order):
        if view["view_number"] and view["session_id"] in weeks:
            way = ways[view["session_id"]]
            if not way or way[-1]["page"] != view["page"]:
                way.append(view)
    visits: dict[date, Counter[str]] = defaultdict(Counter)
    for session, way in ways.items():
        visits[weeks[session]].update(view["page"] for view in way)
    top = {
        week: set(sorted(counts, key=lambda page: (-counts[page], page))[:TOP])
        for week, counts in visits.items()
    }
    walked: dict[tuple[Any, ...], list[str]] = defaultdict(list)
    for session, way in ways.items():
        week = weeks[session]
        names = [view["page"] if view["page"] in top[week] else "(other)" for view in way]
        for step, (origin, target) in enumerate(pairwise([*names, "(exit)"]), start=1):
            if step <= STEPS:
                walked[week, step, origin, target].append(way[0]["person_id"])
    expected = {
        key: {
            "sessions": len(persons),
            "persons": len(set(persons)),
            "is_complete": world.has_ended(key[0] + timedelta(days=6)) and key[0] not in waiting,
        }
        for key, persons in walked.items()
    }
    found = world.keyed("rpt_paths", ["week_start", "step_number", "from_page", "to_page"])
    assert found == expected
    assert any(row["sessions"] > row["persons"] for row in found.values())
    assert max(map(len, ways.values())) > STEPS
    assert {target for *_, target in found} >= {"(other)", "(exit)", "(none)"}
    assert {row["is_complete"] for row in found.values()} == {True, False}
    # whoever came to a page leaves it one step later
    arrived, left = Counter(), Counter()
    for (week, step, origin, target), row in found.items():
        arrived[week, step + 1, target] += row["sessions"]
        left[week, step, origin] += row["sessions"]
    for (week, step, page), sessions in left.items():
        assert step == 1 or arrived[week, step, page] == sessions
