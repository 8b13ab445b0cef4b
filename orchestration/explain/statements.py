"""What somebody said about identifiers, and the commands that say something else."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterable

from ingestion.identity_overrides import Override
from ingestion.named_identifiers import NamedIdentifier
from orchestration.explain.answers import Statement
from orchestration.explain.reading import Published

_READ = 10_000


class Statements:
    """The statements of the home's file that count, and whether the published copy has them."""

    def __init__(self, published: Published, counting: Iterable[Override]) -> None:
        self._published = published
        self._counting = sorted(counting, key=lambda each: each.position)

    def about(self, identifiers: Collection[NamedIdentifier]) -> tuple[Statement, ...]:
        """Those that name any of these, in the order of the file."""
        asked = set(identifiers)
        return self._stated([each for each in self._counting if asked & set(each.pair)])

    def between(
        self, some: Collection[NamedIdentifier], others: Collection[NamedIdentifier]
    ) -> tuple[Statement, ...]:
        """Those with one end among the first and one among the second."""
        ones, twos = set(some), set(others)
        return self._stated(
            [
                each
                for each in self._counting
                if (each.pair[0] in ones and each.pair[1] in twos)
                or (each.pair[1] in ones and each.pair[0] in twos)
            ]
        )

    def _stated(self, overrides: list[Override]) -> tuple[Statement, ...]:
        if not overrides:
            return ()
        ends = {end for each in overrides for end in each.pair}
        known = {
            (piece.evidence, piece.ends) for piece in self._published.evidence(ends, limit=_READ)
        }
        return tuple(
            Statement(
                each.action,
                each.pair,
                each.author,
                each.reason,
                each.at.replace(tzinfo=None),
                each.position,
                (each.action, each.pair) in known,
            )
            for each in overrides
        )


def command(action: str, a: NamedIdentifier, b: NamedIdentifier) -> str:
    """The command that says so of two identifiers, to copy."""
    return f'throughline identity {action} {_quoted(a)} {_quoted(b)} --reason "…"'


def can_be_said(a: NamedIdentifier, b: NamedIdentifier) -> bool:
    """Whether a statement can be about these two: a device is nobody's for good."""
    return a != b and a.is_device == b.is_device


def _quoted(identifier: NamedIdentifier) -> str:
    return shlex.quote(str(identifier))
