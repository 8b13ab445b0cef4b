"""The answer about two: one person, one device, one in the other's hands, or apart and why."""

from __future__ import annotations

from dataclasses import dataclass

from governance.errors import UserError
from ingestion.named_identifiers import NamedIdentifier
from orchestration.explain.answers import Between, Cut, Evidence, Run, Statement, Step
from orchestration.explain.devices import SHOWN_RUNS, device_evidence, device_identifiers
from orchestration.explain.naming import Subject
from orchestration.explain.paths import shortest_path
from orchestration.explain.reading import Published
from orchestration.explain.reasons import Reasons
from orchestration.explain.statements import Statements, can_be_said, command
from orchestration.explain.surroundings import identifiers_of, path_between

_READ = 200_000


@dataclass(frozen=True, slots=True)
class _End:
    """One of the two: the identifier that speaks for it, and all that are one with it."""

    node: NamedIdentifier
    person_id: str | None
    members: frozenset[NamedIdentifier]


def explain_two(
    published: Published, reasons: Reasons, said: Statements, one: Subject, other: Subject
) -> Between:
    """Whether they are one, with the path that joins them or what keeps them apart.

    Raises:
        UserError: they are the same, or an event names nobody.
    """
    a, b = _end(published, one), _end(published, other)
    if a.node == b.node:
        raise UserError(
            f"Both are {a.node}.",
            why="They are compared as the warehouse stores them.",
            fix=f"throughline explain {a.node}",
        )
    statements = said.between(a.members, b.members)
    is_same = b.node in a.members
    runs = _runs(published, a, b)
    path = _joined(published, a, b) if is_same else path_between(published, a.node, b.node)
    steps = _steps(reasons, a.node, path)
    return Between(
        asked=(str(a.node), str(b.node)),
        version=published.version,
        verdict=_verdict(a, b, is_same, runs, steps, statements),
        is_same=is_same,
        path=steps,
        runs=runs,
        statements=statements,
        commands=_commands(a.node, b.node, is_same, path, statements),
    )


def _end(published: Published, subject: Subject) -> _End:
    identifiers = identifiers_of(published, subject)
    if not identifiers:
        raise UserError(
            "The event names neither a person nor a device.",
            fix="Explain it alone: throughline explain event:…",
        )
    node = identifiers[0]
    if node.is_device:
        return _End(node, None, frozenset(device_identifiers(published, node)))
    standing = published.standings([node]).get(node)
    person = standing.person_id if standing else None
    members = published.members([person], limit=_READ) if person else []
    return _End(node, person, frozenset({node, *(each.identifier for each in members)}))


def _joined(published: Published, a: _End, b: _End) -> tuple[Evidence, ...]:
    """The path of used evidence inside one person, or one device."""
    evidence = (
        device_evidence(published, a.node)
        if a.node.is_device
        else published.evidence(a.members, used=True, limit=_READ)
    )
    return shortest_path(evidence, a.node, b.node) or ()


def _runs(published: Published, a: _End, b: _End) -> Cut[Run]:
    """When a device of the two was in the hands of the other, or both in the same."""
    if (not a.node.is_device and not b.node.is_device) or b.node in a.members:
        return Cut((), 0)
    device, other = (a, b) if a.node.is_device else (b, a)
    if other.node.is_device:
        theirs = published.runs(other.node, limit=SHOWN_RUNS)
        persons = {run.person_id for run in theirs}
    else:
        persons = {other.person_id} if other.person_id else set()
    runs = published.runs(device.node, persons=persons, limit=_READ)
    return Cut.of(runs, SHOWN_RUNS)


def _verdict(
    a: _End,
    b: _End,
    is_same: bool,
    runs: Cut[Run],
    path: tuple[Step, ...],
    statements: tuple[Statement, ...],
) -> str:
    both = f"{a.node} and {b.node}"
    if is_same:
        what = "one device" if a.node.is_device else f"one person, {a.person_id}"
        return f"{both} are {what}."
    if a.node.is_device != b.node.is_device:
        device, person = (a, b) if a.node.is_device else (b, a)
        if runs.total:
            return f"{device.node} is a device, at times in the hands of {person.node}."
        return f"{device.node} is a device, and no event of it is {person.node}'s."
    if any(each.action == "unlink" for each in statements):
        return f"{both} are apart: somebody said that they are never one."
    if not path:
        return f"{both} are apart: nothing was ever seen that names both."
    if a.node.is_device and runs.total:
        return f"{both} are two devices, at times in the same hands."
    why = next((step.why for step in path if step.why), "")
    return f"{both} are apart. {b.node} is not joined: {why}."


def _steps(
    reasons: Reasons, start: NamedIdentifier, path: tuple[Evidence, ...]
) -> tuple[Step, ...]:
    why = {each.evidence: each.why for each in reasons.of([e for e in path if not e.is_used])}
    steps, here = [], start
    for piece in path:
        there = piece.other(here)
        steps.append(Step(here, there, piece, why.get(piece)))
        here = there
    return tuple(steps)


def _commands(
    a: NamedIdentifier,
    b: NamedIdentifier,
    is_same: bool,
    path: tuple[Evidence, ...],
    statements: tuple[Statement, ...],
) -> tuple[str, ...]:
    commands = [command("reset", *each.pair) for each in statements]
    spoken = {each.pair for each in statements}
    if is_same:  # the ends first: a path is only one of those that may join them
        pairs = [(a, b), *(piece.ends for piece in path)]
        action = "unlink"
    else:
        pairs, action = [(a, b)], "link"
    for x, y in pairs:
        x, y = sorted((x, y), key=lambda each: each.order)
        if can_be_said(x, y) and (x, y) not in spoken:
            commands.append(command(action, x, y))
    return tuple(dict.fromkeys(commands))[:4]
