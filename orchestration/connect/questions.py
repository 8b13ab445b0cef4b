"""What connecting a source asks, and who answers: options, or a person at a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import typer

from governance.config.mapping import RecordKind
from governance.errors import UsageError


@dataclass(frozen=True, slots=True)
class Given:
    """What was said on the command line; None, or empty, is asked or found out.

    Attributes:
        tables: (table, what its rows are); the latter None to find out.
        consent: purpose -> path in the record.
        mapped: (table or None, field of the event, column), over what is guessed.
    """

    name: str | None = None
    kind: str | None = None
    path: str | None = None
    url: str | None = None
    form: str | None = None
    tables: tuple[tuple[str, RecordKind | None], ...] = ()
    surface: str | None = None
    trust: str | None = None
    lawful_basis: str | None = None
    consent: tuple[tuple[str, str], ...] = ()
    mapped: tuple[tuple[str | None, str, str], ...] = ()
    delimiter: str | None = None
    encoding: str | None = None


class Dialogue(Protocol):
    """Answers questions; each knows the option that would have answered it."""

    def choose(
        self, option: str, question: str, choices: Sequence[str], default: str | None
    ) -> str:
        """One of ``choices``; ``default`` None must be answered by somebody."""
        ...

    def text(self, option: str, question: str, default: str | None) -> str:
        """A text."""
        ...

    def secret(self, option: str, question: str) -> str:
        """A text that is not shown."""
        ...


class Unattended:
    """Takes every default, and refuses where there is none."""

    def choose(
        self, option: str, question: str, choices: Sequence[str], default: str | None
    ) -> str:
        if default is None:
            raise UsageError(
                f"{question} That has to be said.", fix=f"Add {option} {'|'.join(choices)}"
            )
        return default

    def text(self, option: str, question: str, default: str | None) -> str:
        if default is None:
            raise UsageError(f"{question} That has to be said.", fix=f"Add {option} …")
        return default

    def secret(self, option: str, question: str) -> str:
        raise UsageError(f"{question} That has to be said.", fix=f"Add {option} …")


class Terminal:
    """Asks a person."""

    def choose(
        self,
        option: str,  # noqa: ARG002 - for those who cannot be asked
        question: str,
        choices: Sequence[str],
        default: str | None,
    ) -> str:
        while True:
            answer = typer.prompt(f"{question} ({' | '.join(choices)})", default=default, err=True)
            begun = [choice for choice in choices if choice.startswith(answer.strip().lower())]
            if answer in choices or len(begun) == 1:
                return answer if answer in choices else begun[0]
            typer.echo(f"One of {', '.join(choices)}.", err=True)

    def text(self, option: str, question: str, default: str | None) -> str:  # noqa: ARG002 - as above
        return typer.prompt(question, default=default, err=True).strip()

    def secret(self, option: str, question: str) -> str:  # noqa: ARG002 - as above
        return typer.prompt(question, hide_input=True, err=True).strip()
