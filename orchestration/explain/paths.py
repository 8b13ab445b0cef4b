"""The shortest path of evidence between two identifiers.

Dijkstra (1959) with costs that compare as tuples: fewest pieces of set-aside evidence, of these
fewest that never link (a device in somebody's hands, values that name nobody), then fewest steps.
Of equal paths the one whose steps are earlier, then whose names are smaller, step by step from the
start: the answer is the same in every run.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterable

from ingestion.named_identifiers import NamedIdentifier
from orchestration.explain.answers import Evidence

Cost = tuple[int, int, int]
_WEAKEST = ("interval", "null_like")


def shortest_path(
    evidence: Iterable[Evidence], start: NamedIdentifier, goal: NamedIdentifier
) -> tuple[Evidence, ...] | None:
    """The evidence from ``start`` to ``goal`` in its order; None when nothing leads there.

    What somebody said is no evidence against itself: an ``unlink`` is no step.
    """
    steps = defaultdict[NamedIdentifier, list[Evidence]](list)
    for piece in evidence:
        if piece.evidence != "unlink":
            for end in piece.ends:
                steps[end].append(piece)
    costs = _costs(steps, goal, start)
    if start not in costs:
        return None
    path, here = [], start
    while here != goal:
        step = min(
            (each for each in steps[here] if _is_tight(costs, each, here)),
            key=lambda each: (each.order, each.other(here).order),
        )
        path.append(step)
        here = step.other(here)
    return tuple(path)


def reachable(evidence: Iterable[Evidence], start: NamedIdentifier) -> set[NamedIdentifier]:
    """All identifiers that any path leads to, ``start`` among them."""
    neighbours = defaultdict[NamedIdentifier, set[NamedIdentifier]](set)
    for piece in evidence:
        neighbours[piece.higher].add(piece.lower)
        neighbours[piece.lower].add(piece.higher)
    found, frontier = {start}, {start}
    while frontier:
        frontier = {other for node in frontier for other in neighbours[node]} - found
        found |= frontier
    return found


def _costs(
    steps: dict[NamedIdentifier, list[Evidence]], goal: NamedIdentifier, start: NamedIdentifier
) -> dict[NamedIdentifier, Cost]:
    """What it costs from each identifier to ``goal``, as far as ``start`` needs it."""
    settled: dict[NamedIdentifier, Cost] = {}
    queue: list[tuple[Cost, tuple[int, str, str], NamedIdentifier]] = [
        ((0, 0, 0), goal.order, goal)
    ]
    while queue and start not in settled:
        cost, _, node = heapq.heappop(queue)
        if node in settled:
            continue
        settled[node] = cost
        for step in steps[node]:
            other = step.other(node)
            if other not in settled:
                heapq.heappush(queue, (_add(cost, step), other.order, other))
    return settled


def _is_tight(costs: dict[NamedIdentifier, Cost], step: Evidence, here: NamedIdentifier) -> bool:
    beyond = costs.get(step.other(here))
    return beyond is not None and _add(beyond, step) == costs[here]


def _add(cost: Cost, step: Evidence) -> Cost:
    aside, weak, count = cost
    return (
        aside + (not step.is_used),
        weak + (step.set_aside_reason in _WEAKEST),
        count + 1,
    )
