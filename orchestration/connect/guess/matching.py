"""Fields and columns brought together: each column is given to one field at most."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from governance.config.mapping import RecordKind
from orchestration.connect.columns import Column

Test = Callable[[Column], bool]


@dataclass(slots=True)
class Guess:
    """What a table seems to be.

    Attributes:
        as_: what a row stands for; None when nothing fits.
        mapping: as YAML holds it, in the order of writing.
        notes: key of the mapping -> what its owner should know, one line.
        key: columns that identify a row, where the database does not say.
        cursor: the column that grows when a row is written.
        missing: fields this kind of row needs and no column seems to hold.
    """

    as_: RecordKind | None
    mapping: dict[str, Any] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    key: tuple[str, ...] = ()
    cursor: str | None = None
    missing: tuple[str, ...] = ()


class Matcher:
    """A guess in the making.

    Attributes:
        columns: all there are.
        used: names of those that were given to a field.
        guess: what was found so far.
    """

    def __init__(self, kind: RecordKind, columns: Sequence[Column]) -> None:
        self.columns = columns
        self.used: set[str] = set()
        self.guess = Guess(kind)

    def take(self, target: str, *tests: Test, note: str = "") -> Column | None:
        """Map the first free column that passes the first test that any passes."""
        column = self.find(*tests)
        if column is not None:
            self.used.add(column.name)
            self.guess.mapping[target] = column.name
            if note:
                self.guess.notes[target] = note
        return column

    def find(self, *tests: Test) -> Column | None:
        """The first free column that passes the first test that any passes."""
        free = [column for column in self.columns if column.name not in self.used]
        for test in tests:
            for column in free:
                if test(column):
                    return column
        return None
