"""The answer about one identifier, person or event."""

from __future__ import annotations

from collections.abc import Sequence

from ingestion.named_identifiers import NamedIdentifier
from orchestration.explain.answers import (
    About,
    Cut,
    Event,
    Evidence,
    Standing,
    Statement,
)
from orchestration.explain.devices import read_device
from orchestration.explain.naming import Person, Subject
from orchestration.explain.reading import Published
from orchestration.explain.reasons import Reasons
from orchestration.explain.rules import is_set_aside, of_event, of_identifier
from orchestration.explain.statements import Statements, can_be_said, command
from orchestration.explain.surroundings import identifiers_of

_READ = 20_000
_SHOWN = 30
_COMMANDS = 3


def explain_one(
    published: Published, reasons: Reasons, said: Statements, subject: Subject
) -> About:
    """Whose it is, by which rule and evidence, what was set aside, and how to change it."""
    asked = identifiers_of(published, subject)
    device = next((each for each in asked if each.is_device), None)
    standing = _standing(published, subject)
    person = _person(subject, standing)
    members = published.members([person], limit=_READ) if person else []
    ends = {*asked, *(member.identifier for member in members)}
    known = _first(ends)
    used, aside = (
        _near(published.evidence(known, used=used, intervals=False, limit=_READ), set(asked))
        for used in (True, False)
    )
    statements = said.about(ends)
    ordered = sorted(
        members, key=lambda each: (each.identifier not in asked, each.identifier.order)
    )
    is_a_device = isinstance(subject, NamedIdentifier) and subject.is_device
    return About(
        asked=str(subject.event_key if isinstance(subject, Event) else subject),
        version=published.version,
        verdict=_verdict(subject, standing, reasons, device=device is not None),
        event=subject if isinstance(subject, Event) else None,
        standing=standing,
        person_id=person,
        identifiers=Cut(tuple(ordered[:_SHOWN]), published.count_members(person) if person else 0),
        used=Cut(tuple(used[:_SHOWN]), published.count_evidence(known, used=True)),
        set_aside=Cut(
            tuple(reasons.of(aside[:_SHOWN])), published.count_evidence(known, used=False)
        ),
        devices=Cut.of(published.devices_of(person, limit=_READ) if person else [], _SHOWN),
        device=read_device(published, device)
        if device and (is_a_device or isinstance(subject, Event) or not members)
        else None,
        statements=statements,
        commands=_commands(asked, used, aside, statements),
    )


def _standing(published: Published, subject: Subject) -> Standing | None:
    if not isinstance(subject, NamedIdentifier):
        return None
    return published.standings([subject]).get(subject)


def _person(subject: Subject, standing: Standing | None) -> str | None:
    if isinstance(subject, Person | Event):
        return subject.person_id
    return standing.person_id if standing else None


def _verdict(subject: Subject, standing: Standing | None, reasons: Reasons, *, device: bool) -> str:
    if isinstance(subject, Event):
        return f"{subject.person_id or 'Nobody'}: {of_event(subject.rule)}."
    if isinstance(subject, Person):
        if device:
            return f"{subject.person_id} is a device: nobody named himself in these events."
        return f"{subject.person_id} is a person."
    if standing is None:
        return f"{subject} names a device: whose it is its time line says."
    if is_set_aside(standing.rule) or standing.person_id is None:
        return f"{reasons.of_standing(standing)}; it stands for nobody."
    return f"{subject} stands for {standing.person_id}: {of_identifier(standing.rule)}."


def _near(evidence: Sequence[Evidence], asked: set[NamedIdentifier]) -> list[Evidence]:
    """That of the asked ones first."""
    return sorted(evidence, key=lambda each: (not asked & set(each.ends), each.order))


def _commands(
    asked: Sequence[NamedIdentifier],
    used: Sequence[Evidence],
    aside: Sequence[Evidence],
    statements: Sequence[Statement],
) -> tuple[str, ...]:
    """What would change it: take back what was said, part what is joined, join what is not."""
    commands = [command("reset", *each.pair) for each in statements]
    spoken = {each.pair for each in statements}
    for action, evidence in (("unlink", used), ("link", aside)):
        commands += [
            command(action, *piece.ends)
            for piece in evidence
            if set(asked) & set(piece.ends)
            and piece.ends not in spoken
            and piece.set_aside_reason != "null_like"
            and can_be_said(*piece.ends)
        ][:_COMMANDS]
    return tuple(dict.fromkeys(commands))[: 2 * _COMMANDS]


def _first(identifiers: set[NamedIdentifier]) -> list[NamedIdentifier]:
    return sorted(identifiers, key=lambda each: each.order)[:_READ]
