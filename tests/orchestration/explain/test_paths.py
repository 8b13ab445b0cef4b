"""The path between two identifiers: the cheapest, and of equal ones always the same."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import permutations

from ingestion.named_identifiers import NamedIdentifier
from orchestration.explain.answers import Evidence
from orchestration.explain.paths import shortest_path

NOON = datetime(2026, 4, 13, 12)


def node(name: str) -> NamedIdentifier:
    return NamedIdentifier("user_id", name)


def piece(a: str, b: str, reason: str | None = None, hour: int = 0) -> Evidence:
    seen = NOON + timedelta(hours=hour)
    return Evidence(
        *(node(a), node(b), "event", "backend", True, seen, seen, 1, "k", reason is None, reason)
    )


def way(evidence: list[Evidence], a: str, b: str) -> list[str] | None:
    path = shortest_path(evidence, node(a), node(b))
    if path is None:
        return None
    names, here = [a], node(a)
    for step in path:
        here = step.other(here)
        names.append(here.value)
    return names


def test_the_fewest_steps_are_taken() -> None:
    evidence = [piece("a", "b"), piece("b", "c"), piece("c", "d"), piece("b", "d")]
    assert way(evidence, "a", "d") == ["a", "b", "d"]


def test_used_evidence_however_long_comes_before_one_piece_set_aside() -> None:
    evidence = [piece("a", "b"), piece("b", "c"), piece("c", "d"), piece("a", "d", "conflict")]
    assert way(evidence, "a", "d") == ["a", "b", "c", "d"]


def test_a_device_in_hands_is_weaker_than_a_conflict() -> None:
    evidence = [piece("a", "x", "interval"), piece("x", "b", "interval")]
    evidence += [piece("a", "y", "conflict", 5), piece("y", "b", "conflict", 5)]
    assert way(evidence, "a", "b") == ["a", "y", "b"]


def test_of_equal_paths_the_earliest_then_the_smallest_in_any_order_of_the_evidence() -> None:
    late = [piece("a", "b", hour=2), piece("b", "z")]
    early = [piece("a", "c", hour=1), piece("c", "z", hour=9)]
    also_early = [piece("a", "d", hour=1), piece("d", "z")]
    for order in permutations([*late, *early, *also_early]):
        assert way(list(order), "a", "z") == ["a", "c", "z"]


def test_nothing_leads_there() -> None:
    assert way([piece("a", "b")], "a", "z") is None
    assert way([], "a", "z") is None
