"""The evidence around identifiers, round by round, never more than can be looked at."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ingestion.named_identifiers import NamedIdentifier
from orchestration.explain.answers import Event, Evidence
from orchestration.explain.naming import Person, Subject
from orchestration.explain.paths import shortest_path
from orchestration.explain.reading import Published

_FRONTIER = 20_000
_READ = 200_000
_ROUNDS = 3
_PICTURED = 2_000


def identifiers_of(published: Published, subject: Subject) -> list[NamedIdentifier]:
    """The identifiers an answer about the subject is about, the strongest first."""
    if isinstance(subject, NamedIdentifier):
        return [subject]
    if isinstance(subject, Event):
        return sorted(subject.identifiers, key=lambda each: each.order)
    members = [each.identifier for each in published.members([subject.person_id], limit=_FRONTIER)]
    if members:
        return sorted(members, key=lambda each: each.order)
    return own_devices(published, subject.person_id)


def own_devices(published: Published, person_id: str) -> list[NamedIdentifier]:
    """The identifiers of the devices a person used, the strongest first."""
    used = published.devices_of(person_id, limit=_FRONTIER)
    return sorted((each.identifier for each in used), key=lambda each: each.order)


def surroundings(published: Published, subjects: Sequence[Subject]) -> list[Evidence]:
    """What a picture of the subjects is drawn from: the evidence of their persons."""
    asked = {each for subject in subjects for each in identifiers_of(published, subject)}
    persons = {each.person_id for each in subjects if isinstance(each, Person)}
    persons |= {each.person_id for each in subjects if isinstance(each, Event) and each.person_id}
    persons |= {s.person_id for s in published.standings(asked).values() if s.person_id}
    members = {each.identifier for each in published.members(persons, limit=_PICTURED)}
    nearest = published.evidence(asked, limit=_PICTURED)
    found = [*nearest, *published.evidence(members | asked, limit=_PICTURED)]
    # between whom a conflict is, is what makes it one
    torn = {end for each in found if each.set_aside_reason == "conflict" for end in each.ends}
    return list(dict.fromkeys([*found, *published.evidence(torn, limit=_PICTURED)]))


def path_between(
    published: Published, a: NamedIdentifier, b: NamedIdentifier, *, limit: int = _READ
) -> tuple[Evidence, ...]:
    """The cheapest path between two identifiers that are near enough; empty when none is found.

    Each round adds all evidence of what the last one met, with the other identifiers of the persons
    it met: what lies between them costs nothing, however long the chain. The cheapest path may lie
    one round further than the first that is found.
    """
    pieces: dict[Evidence, None] = {}
    seen: set[NamedIdentifier] = set()
    frontier = {a, b}
    found = None
    for _ in range(_ROUNDS):
        frontier = _with_members(published, frontier) - seen
        seen |= frontier
        new = published.evidence(_first(frontier), limit=limit)
        pieces.update(dict.fromkeys(new))
        better = shortest_path(pieces, a, b)
        if better is not None and better == found:
            break
        found = better
        frontier = {end for piece in new for end in piece.ends} - seen
        if not frontier or len(pieces) >= limit:
            break
    return found or ()


def _with_members(
    published: Published, identifiers: Iterable[NamedIdentifier]
) -> set[NamedIdentifier]:
    """These, and the other identifiers of the persons they stand for."""
    given = set(identifiers)
    persons = {
        standing.person_id
        for standing in published.standings(_first(given)).values()
        if standing.person_id
    }
    members = published.members(persons, limit=_FRONTIER)
    return given | {member.identifier for member in members}


def _first(identifiers: Iterable[NamedIdentifier]) -> list[NamedIdentifier]:
    return sorted(identifiers, key=lambda each: each.order)[:_FRONTIER]
