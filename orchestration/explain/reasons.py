"""Why a piece of evidence is not used, in a sentence."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ingestion.named_identifiers import NamedIdentifier, is_null_like
from orchestration.explain.answers import Aside, Evidence, Standing
from orchestration.explain.reading import Published

_NAMED = 3
_READ = 10_000
_SENT = "is what producers send when they have no id"
_LISTED = "is listed under identity.nobody"
_OVERRULED = (
    "each stands for a person by stronger evidence, and this kind of evidence merges no persons"
    " (overruled)"
)
_ALIKE = {
    "contested": "evidence leads from here to two identifiers somebody said are never one; which"
    " piece is wrong is not said, so all of it gives way (contested)",
    "interval": "a device is in somebody's hands for a time: it makes nobody one person (interval)",
}


class Reasons:
    """Finds the reasons in one published copy; what it has looked up it remembers."""

    def __init__(self, published: Published) -> None:
        self._published = published
        self._standings: dict[NamedIdentifier, Standing | None] = {}
        self._conflicts: dict[NamedIdentifier, str] = {}

    def of(self, evidence: Sequence[Evidence]) -> list[Aside]:
        """Each piece with why it is set aside."""
        self._look_up(end for piece in evidence for end in piece.ends)
        return [Aside(piece, self._why(piece)) for piece in evidence]

    def of_standing(self, standing: Standing) -> str:
        """Why an identifier is set aside."""
        identifier = standing.identifier
        if standing.rule == "conflict":
            return self._conflict(identifier)
        if standing.rule == "hub":
            return f"{identifier} is {self._hub(identifier)}"
        if standing.rule == "null_like":
            return _nobody(identifier)
        return (
            f"{identifier} was said never to be one with an identifier of the person it is"
            " evidenced with, so it is set aside (never_link)"
        )

    def _why(self, piece: Evidence) -> str:
        told = {
            "untrusted": self._untrusted,
            "null_like": self._null_like,
            "hub": self._hubs,
            "conflict": self._conflicting,
            "never_link": self._never,
        }.get(piece.set_aside_reason or "")
        return told(piece) if told else _ALIKE.get(piece.set_aside_reason or "", _OVERRULED)

    def _untrusted(self, piece: Evidence) -> str:
        return (
            f"only {piece.source} says so, and anybody can send what a public source says"
            " (untrusted)"
        )

    def _null_like(self, piece: Evidence) -> str:
        guilty = [end for end in piece.ends if self._rule(end) == "null_like"]
        return _nobody(guilty[0] if guilty else piece.lower)

    def _hubs(self, piece: Evidence) -> str:
        return "; ".join(
            f"{end} is {self._hub(end)}" for end in piece.ends if self._rule(end) == "hub"
        )

    def _hub(self, identifier: NamedIdentifier) -> str:
        count = self._published.counterparts(identifier)
        return (
            f"named together with {count:,} others, more than identity.hub_limit: it is many"
            " people's, so it links nobody (hub)"
        )

    def _conflicting(self, piece: Evidence) -> str:
        guilty = [end for end in piece.ends if self._rule(end) == "conflict"]
        return "; ".join(map(self._conflict, guilty))

    def _conflict(self, identifier: NamedIdentifier) -> str:
        if identifier not in self._conflicts:
            self._conflicts[identifier] = self._claimed(identifier)
        return self._conflicts[identifier]

    def _claimed(self, identifier: NamedIdentifier) -> str:
        """By whom: of each person that is evidenced with it the strongest identifier."""
        claims = [
            other
            for piece in self._published.evidence([identifier], used=False, limit=_READ)
            if piece.is_trusted
            and piece.set_aside_reason == "conflict"
            and (other := piece.other(identifier)).order < identifier.order
        ]
        self._look_up(claims)
        persons: dict[str, NamedIdentifier] = {}
        for claim in sorted(claims, key=lambda each: each.order):
            standing = self._standings.get(claim)
            if standing and standing.person_id:
                persons.setdefault(standing.person_id, claim)
        if len(persons) < 2:
            return (
                f"{identifier} is one of several identifiers that together are evidenced with more"
                " than one person, so it is set aside (conflict)"
            )
        count = "two" if len(persons) == 2 else f"{len(persons):,}"
        return (
            f"{identifier} is evidenced with {count} persons ({_listed(list(persons.values()))}),"
            " so it is set aside (conflict)"
        )

    def _never(self, piece: Evidence) -> str:
        if piece.evidence == "unlink":
            return f"{piece.source} said that these two are never one (never_link)"
        return (
            "somebody said that these, or identifiers they belong to, are never one: that is above"
            " any evidence (never_link)"
        )

    def _rule(self, identifier: NamedIdentifier) -> str | None:
        standing = self._standings.get(identifier)
        return standing.rule if standing else None

    def _look_up(self, identifiers: Iterable[NamedIdentifier]) -> None:
        unknown = set(identifiers) - set(self._standings)
        if unknown:
            found = self._published.standings(unknown)
            self._standings.update({each: found.get(each) for each in unknown})


def _listed(identifiers: Sequence[NamedIdentifier]) -> str:
    named = [str(each) for each in identifiers[:_NAMED]]
    if len(identifiers) > _NAMED:
        return ", ".join(named) + f" and {len(identifiers) - _NAMED:,} more"
    return " and ".join([", ".join(named[:-1]), named[-1]]) if len(named) > 1 else named[0]


def _nobody(identifier: NamedIdentifier) -> str:
    why = _SENT if is_null_like(identifier.value) else _LISTED
    return f"{identifier} {why}: it names nobody (null_like)"
