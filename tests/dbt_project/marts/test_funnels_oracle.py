"""fct_funnel_entries against a plain search over all assignments, written from the definition."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest

Event = dict[str, Any]
# what the company in conftest.py cuts its reports by
DIMENSIONS = {"tier": "properties.plan", "voucher": "properties.coupon"}


@dataclass(frozen=True, slots=True)
class Attempt:
    """The best that can be made of the starts at one moment."""

    entered_at: datetime
    times: tuple[datetime, ...]
    opening: Event


def scalar_text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value)


def field_text(event: Event, path: str) -> str | None:
    path = DIMENSIONS.get(path, path)
    if not path.startswith("properties."):
        return scalar_text(event[path])
    name = path.removeprefix("properties.")
    for column in ("properties", "properties_unreviewed"):
        found = json.loads(event[column] or "{}").get(name)
        if found is not None:
            return scalar_text(found)
    return None


def shown_text(event: Event, path: str) -> str | None:
    """What a breakdown may publish: of a property nobody has reviewed only that it is there."""
    reviewed = field_text({**event, "properties_unreviewed": None}, path)
    hidden = reviewed is None and field_text(event, path) is not None
    return "(unreviewed)" if hidden else reviewed


def equals(text: str | None, wanted: Any) -> bool:
    if text is None:
        return False
    if isinstance(wanted, bool | str):
        return text == (wanted if isinstance(wanted, str) else json.dumps(wanted))
    try:
        return float(text) == wanted
    except ValueError:
        return False


def matches(event: Event, part: dict[str, Any]) -> bool:
    return event["event_name"] == part["event"] and all(
        any(
            equals(field_text(event, path), one)
            for one in (wanted if isinstance(wanted, list) else [wanted])
        )
        for path, wanted in part["where"].items()
    )


def assignments(
    events: list[Event], funnel: dict[str, Any], opening: Event
) -> Iterator[tuple[Event, ...]]:
    """Every valid assignment of distinct events to the first steps that starts with this event."""
    closes_at = opening["occurred_at"] + timedelta(seconds=funnel["window_seconds"])
    clicks = {event["occurred_at"] for event in events if event["is_interactive"]}

    def extend(done: tuple[Event, ...]) -> Iterator[tuple[Event, ...]]:
        yield done
        if len(done) == len(funnel["steps"]):
            return
        now = done[-1]["occurred_at"]
        for event in events:
            then = event["occurred_at"]
            if not now <= then <= closes_at or not matches(event, funnel["steps"][len(done)]):
                continue
            if any(event is used for used in done):
                continue
            if funnel["mode"] == "strict" and any(now < click < then for click in clicks):
                continue
            yield from extend((*done, event))

    return extend((opening,))


def times(assignment: tuple[Event, ...]) -> tuple[datetime, ...]:
    return tuple(event["occurred_at"] for event in assignment)


def sequential(events: list[Event], funnel: dict[str, Any]) -> Iterator[Attempt]:
    """Modes ordered and strict."""
    openings = [event for event in events if matches(event, funnel["steps"][0])]
    for entered_at in {event["occurred_at"] for event in openings}:
        found = [
            assignment
            for opening in openings
            if opening["occurred_at"] == entered_at
            for assignment in assignments(events, funnel, opening)
        ]
        depth = max(len(assignment) for assignment in found)
        at_once = [
            assignment for assignment in found if assignment[-1]["occurred_at"] == entered_at
        ]
        longest = max(len(assignment) for assignment in at_once)
        yield Attempt(
            entered_at,
            min(times(assignment) for assignment in found if len(assignment) == depth),
            min(
                (assignment[0] for assignment in at_once if len(assignment) == longest),
                key=lambda event: event["event_key"],
            ),
        )


def most_matched(events: list[Event], funnel: dict[str, Any]) -> int:
    """Size of the largest assignment of distinct events to distinct steps, in any order."""
    taken: dict[int, int] = {}

    def place(step: int, tried: set[int]) -> bool:
        for number, event in enumerate(events):
            if number in tried or not matches(event, funnel["steps"][step]):
                continue
            tried.add(number)
            if number not in taken or place(taken[number], tried):
                taken[number] = step
                return True
        return False

    return sum(place(step, set()) for step in range(len(funnel["steps"])))


def unordered(events: list[Event], funnel: dict[str, Any]) -> Iterator[Attempt]:
    """Mode any."""
    useful = [event for event in events if any(matches(event, step) for step in funnel["steps"])]
    for entered_at in {event["occurred_at"] for event in useful}:
        closes_at = entered_at + timedelta(seconds=funnel["window_seconds"])
        within = [event for event in useful if entered_at <= event["occurred_at"] <= closes_at]
        done: list[datetime] = []
        for moment in sorted({event["occurred_at"] for event in within}):
            size = most_matched(
                [event for event in within if event["occurred_at"] <= moment], funnel
            )
            done += [moment] * (size - len(done))
        opening = min(
            (e for e in within if e["occurred_at"] == entered_at),
            key=lambda event: event["event_key"],
        )
        yield Attempt(entered_at, tuple(done), opening)


def is_void(attempt: Attempt, events: list[Event], funnel: dict[str, Any]) -> bool:
    return any(
        attempt.times[exclusion["after"] - 1]
        < event["occurred_at"]
        < attempt.times[exclusion["before"] - 1]
        for exclusion in funnel["exclusions"]
        if exclusion["before"] <= len(attempt.times)
        for event in events
        if matches(event, exclusion)
    )


def entry(
    attempt: Attempt, events: list[Event], funnel: dict[str, Any], data_until: datetime
) -> dict[str, Any]:
    depth = len(attempt.times)
    converted = depth == len(funnel["steps"])
    named = [shown_text(attempt.opening, path) or "(none)" for path in funnel["breakdowns"]]
    return {
        "version": funnel["version"],
        "entered_at": attempt.entered_at,
        "depth": depth,
        **{f"step_{n}_at": attempt.times[n - 1] if n <= depth else None for n in range(1, 11)},
        "converted": converted,
        "seconds_to_convert": (attempt.times[-1] - attempt.entered_at).total_seconds()
        if converted
        else None,
        "window_closed": data_until
        > attempt.entered_at + timedelta(seconds=funnel["window_seconds"]),
        "is_void": is_void(attempt, events, funnel),
        **{f"breakdown_{n + 1}": named[n] if n < len(named) else None for n in range(3)},
        "dimensions": {name: shown_text(attempt.opening, name) for name in DIMENSIONS},
    }


@pytest.fixture(scope="module")
def entries(world) -> dict[str, dict[tuple[Any, ...], dict[str, Any]]]:
    """The mart, by funnel and (person, day)."""
    found: dict[str, dict[tuple[Any, ...], dict[str, Any]]] = defaultdict(dict)
    for row in world.rows("select * from marts.fct_funnel_entries"):
        row["dimensions"] = json.loads(row["dimensions"])
        found[row.pop("funnel")][row.pop("person_id"), row.pop("entry_date")] = row
    return found


@pytest.fixture(scope="module")
def people(world) -> dict[str, list[Event]]:
    found: dict[str, list[Event]] = defaultdict(list)
    for event in world.events:
        if event["person_id"] and not event["is_bot"] and not event["is_internal"]:
            found[event["person_id"]].append(event)
    return found


MODES = ["ordered", "strict", "any"]
SHAPES = ["ab", "abc", "aa", "aba", "aab", "half", "narrow", "disjoint"]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("mode", MODES)
def test_every_entry_is_the_best_assignment_of_its_day(world, entries, people, mode, shape) -> None:
    funnel = next(
        each for each in world.variables["tl_funnels"] if each["name"] == f"{mode}_{shape}"
    )
    attempts = unordered if mode == "any" else sequential
    expected = {}
    for person, events in people.items():
        best: dict[Any, Attempt] = {}
        days = {event["occurred_at"]: event["occurred_date"] for event in events}
        for attempt in attempts(events, funnel):
            day = days[attempt.entered_at]
            held = best.get(day)
            if held is None or (len(held.times), held.entered_at) < (
                len(attempt.times),
                attempt.entered_at,
            ):
                best[day] = attempt
        for day, attempt in best.items():
            expected[person, day] = entry(attempt, events, funnel, world.data_until)
    assert len(expected) > 300
    assert entries[funnel["name"]].keys() == expected.keys()
    wrong = {
        key: (entries[funnel["name"]][key], row)
        for key, row in expected.items()
        if entries[funnel["name"]][key] != row
    }
    assert not wrong


def test_the_world_holds_the_cases_that_matter(entries) -> None:
    rows = [row for funnel in entries.values() for row in funnel.values()]
    assert {row["dimensions"]["voucher"] for row in rows} == {None, "(unreviewed)"}
    assert {row["dimensions"]["tier"] for row in rows} >= {"pro", "10", None}
    assert sum(row["is_void"] for row in rows) > 50
    assert sum(not row["window_closed"] for row in rows) > 50
    assert sum(row["depth"] > 1 and row["step_2_at"] == row["step_1_at"] for row in rows) > 200
    assert sum(row["converted"] and row["seconds_to_convert"] > 0 for row in rows) > 500
