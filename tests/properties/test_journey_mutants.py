"""The journeys notice what is wrong with sessions and funnels: mutants of their models.

Those made by hand are the mistakes such models are known for. The mechanical ones (``make
test-long``) change one thing each in the SQL; those that survive are listed with the reason.
"""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from tests.properties.journeys import SESSION_MODELS
from tests.properties.mutants import Mutant, RunawayError, Tally, mutants_of
from tests.properties.test_journeys import RULES, Judged, judged_funnels, judged_sessions

CAUGHT = 0.9
SURVIVORS = Path(__file__).with_name("surviving_journey_mutants.json")
# One group of people each; every mutant is written and run over all of them.
SHAPES = ("ordered_abc", "ordered_half", "strict_aab", "strict_ab", "any_narrow", "any_abc")
EVENTS = "int_funnel_events"  # one query for each part of a funnel
FUNNELS = (
    "int_funnels",
    "int_funnel_exclusions",
    EVENTS,
    "int_funnel_ordered_attempts",
    "int_funnel_walked_attempts",
    "int_funnel_unordered_attempts",
    "fct_funnel_entries",
    "rpt_funnel_daily",
    "funnel_totals",
)


def caught_by(judged: Judged, mutant: Mutant) -> str | None:
    """What notices a mutant; None: nothing."""
    try:
        with judged.chain.mutated(mutant):
            try:
                return next(iter(judged.differences()), None)
            except duckdb.Error as error:  # it cannot even be compared
                return f"cannot be compared: {error}"
    except RunawayError as runaway:
        return f"what it costs: {runaway}"
    except duckdb.Error as error:
        return f"error: {error}"


@pytest.fixture(scope="module")
def sessions() -> Judged:
    return judged_sessions(600, 20260603, RULES["person, cut"])


@pytest.fixture(scope="module")
def funnels() -> Judged:
    return judged_funnels(900, 20260604, SHAPES)[0]


def test_without_a_change_nothing_is_caught(sessions: Judged, funnels: Judged) -> None:
    for judged, model in ((sessions, SESSION_MODELS[0]), (funnels, FUNNELS[2])):
        assert caught_by(judged, Mutant(model, "none", judged.chain.sql[model])) is None


def by_hand(judged: Judged, model: str, old: str, new: str) -> str | None:
    """What notices ``old`` written as ``new``; the text must be there."""
    sql = judged.chain.sql[model]
    assert old in sql, old
    found = caught_by(judged, Mutant(model, "by hand", sql.replace(old, new)))
    assert found is None or not found.startswith("error"), found
    return found


LOOK_BACK = "where persons.is_interactive and occurred_at > timestamp '2026-03-28 12:00' and"
OF_SESSIONS: dict[str, tuple[str, str, str]] = {
    "what came before the look-back window is not seen": (
        "int_session_events",
        "where persons.is_interactive and",
        LOOK_BACK,
    ),
    "numbers of sessions restart every day": (
        "fct_sessions",
        "partition by person_id order",
        "partition by person_id, cast(started_at as date) order",
    ),
    "a session never ends": ("fct_sessions", ">= (", "is not null or null = ("),
    "days begin at midnight in UTC": (
        "fct_sessions",
        "timezone('Europe/Berlin', timezone('UTC', engaged.started_at))",
        "engaged.started_at",
    ),
    "the time-out itself ends a session": (
        "int_session_events",
        "occurred_at - previous_at > interval",
        "occurred_at - previous_at >= interval",
    ),
    "a server's event stretches the session": (
        "int_session_events",
        "where persons.is_interactive and",
        "where",
    ),
    "a burst is never cut": ("int_session_events", "as piece", "* 0 as piece"),
}
OF_FUNNELS: dict[str, tuple[str, str, str]] = {
    "what came before the look-back window is not seen": (
        "int_funnel_events",
        "not is_bot",
        "not is_bot and occurred_at > timestamp '2026-03-28 12:00'",
    ),
    "the first start of a day is the only one": (
        "int_funnel_ordered_attempts",
        "depth * (cast(1 as bigint) << 40) +",
        "0 -",
    ),
    "the first start of a day is the only one that is walked": (
        "int_funnel_walked_attempts",
        "max_by(step_times, len(step_times) *",
        "min_by(step_times, 0 *",
    ),
    "the window is forgotten": (
        "int_funnel_ordered_attempts",
        "cast(funnels.window_seconds as bigint) * 1000000",
        "(cast(1 as bigint) << 60)",
    ),
    "the window is forgotten by a walk": (
        "int_funnel_walked_attempts",
        "least(attempts.closes_at, attempts.next_interactive_at)",
        "coalesce(attempts.next_interactive_at, moments.occurred_at)",
    ),
    "somebody else's steps are within reach": (
        "int_funnel_ordered_attempts",
        "journey * (cast(1 as hugeint) << 62)",
        "journey * cast(86400000000 as hugeint)",
    ),
    "windows are closed from the beginning": (
        "fct_funnel_entries",
        ", false) as window_closed",
        ", true) or true as window_closed",
    ),
    "an event serves two steps": (
        "int_funnel_walked_attempts",
        "then contested_ends.tied_until",
        "then present.steps",
    ),
    "days of the report are not those of the entries": (
        "int_funnel_ordered_attempts",
        "((mark >> 4) & 3) - 1 as days_off",
        "0 as days_off",
    ),
    "days of the report are not those of the walks": (
        "int_funnel_walked_attempts",
        "any_value(occurred_date)",
        "cast(any_value(occurred_at) as date)",
    ),
    "void entries count": ("rpt_funnel_daily", "not is_void as counts", "true as counts"),
    "open windows count in rates": (
        "rpt_funnel_daily",
        "not is_void and window_closed",
        "not is_void",
    ),
}


@pytest.mark.parametrize("mistake", OF_SESSIONS)
def test_a_known_mistake_with_sessions_is_caught(sessions: Judged, mistake: str) -> None:
    assert by_hand(sessions, *OF_SESSIONS[mistake])


@pytest.mark.parametrize("mistake", OF_FUNNELS)
def test_a_known_mistake_with_funnels_is_caught(funnels: Judged, mistake: str) -> None:
    assert by_hand(funnels, *OF_FUNNELS[mistake])


def run(tally: Tally, judged: Judged, models: tuple[str, ...]) -> None:
    for model in models:
        for mutant in mutants_of(model, judged.chain.sql[model]):
            tally.add(mutant, caught_by(judged, mutant))


@pytest.mark.long
def test_nine_of_ten_mechanical_mutants_of_sessions_are_caught(sessions: Judged) -> None:
    """Of those that are not equivalent. What differs by scope is mutated in every scope."""
    tally = Tally()
    run(tally, sessions, SESSION_MODELS)
    for seed, named in enumerate(("device", "client, cut"), 20260605):
        other = judged_sessions(600, seed, RULES[named])
        run(tally, other, ("int_session_events", "int_attached_events", "fct_sessions"))
    tally.has_caught(CAUGHT, SURVIVORS)


@pytest.mark.long
def test_nine_of_ten_mechanical_mutants_of_funnels_are_caught() -> None:
    """Over funnels that share people, so that one can be taken for another; over many people, so
    that what is rare happens; and over so few that breakdown values are equally frequent."""
    strict = [f"strict_{shape}" for shape in ("ab", "abc", "aa", "aba", "half", "disjoint")]
    walks = ("int_funnel_walked_attempts",)
    tally = Tally()
    run(tally, judged_funnels(2500, 20260604)[0], tuple(m for m in FUNNELS if m != EVENTS))
    run(tally, judged_funnels(6000, 20260604, SHAPES)[0], (EVENTS,))
    run(tally, judged_funnels(8000, 20260604, strict)[0], walks)
    for seed in range(4):
        run(tally, judged_funnels(60, 20260605 + seed)[0], ("rpt_funnel_daily", "funnel_totals"))
    tally.has_caught(CAUGHT, SURVIVORS)
