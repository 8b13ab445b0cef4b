"""How long work reports itself: a callable the command line draws and Dagster logs."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Called with a label, how much is done and the total when it is known, in the label's unit."""

    def __call__(self, label: str, done: int, total: int | None = None) -> None: ...


def silent(label: str, done: int, total: int | None = None) -> None:
    """Report nothing."""
