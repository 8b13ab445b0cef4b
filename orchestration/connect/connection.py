"""What connecting came to: a source that was tried, and is written when its owner says so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from governance.config import Source
from ingestion.trial import Trial
from orchestration.connect.proposal import TableProposal


@dataclass(frozen=True, slots=True)
class Skipped:
    """A table that was not proposed, and why."""

    table: str
    why: str


@dataclass(slots=True)
class Connection:
    """A source that can be written.

    Attributes:
        source: as the configuration would read it.
        lines: its YAML.
        trial: what its first records would become.
        tables: of a database, each with its rows and what they were taken for.
        skipped: tables that were left out.
        notes: what its owner should know.
        replaces_example: whether the example source of ``init`` gives way.
    """

    source: Source
    lines: list[str]
    trial: Trial
    tables: tuple[TableProposal, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    notes: tuple[str, ...] = ()
    replaces_example: bool = False
    _commit: Callable[[], None] = field(default=lambda: None, repr=False)

    def write(self) -> None:
        """Put the source into ``throughline.yml``, and its secret into ``.env``.

        Raises:
            UserError: the file was changed in the meantime, or the disk refuses.
        """
        self._commit()
