"""``manifest.json``: what a published version holds, from which run, and how to verify it.

The file is read by people and other programs, so its shape is part of the interface; new keys may
come, none goes.
"""

from __future__ import annotations

import json
from calendar import monthrange
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from pathlib import Path

from orchestration.publishing.policy import Treatment

NAME = "manifest.json"
FORMAT = 1
_MONTH = len("YYYY-MM")


@dataclass(frozen=True, slots=True)
class Column:
    """A published column; ``treatment`` is keep or mask."""

    name: str
    type: str
    column_class: str
    treatment: Treatment
    description: str


@dataclass(frozen=True, slots=True)
class Withheld:
    """A column that stays in the warehouse, and the class that keeps it there."""

    name: str
    column_class: str


@dataclass(frozen=True, slots=True)
class File:
    """A file of the version: path below the version's folder, size in bytes, sha256."""

    path: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Partition:
    """A month of a partitioned table (``YYYY-MM``), or a day of a large one (``YYYY-MM-DD``).

    ``digest`` covers its rows and the published columns; a table without rows has one called none.
    """

    name: str
    rows: int
    digest: str
    path: str

    @property
    def span(self) -> tuple[date, date] | None:
        """Its first day and the day after its last; None when it has no rows."""
        if not self.rows:
            return None
        first = date.fromisoformat(self.name if len(self.name) > _MONTH else f"{self.name}-01")
        days = 1 if len(self.name) > _MONTH else monthrange(first.year, first.month)[1]
        return first, first + timedelta(days=days)


@dataclass(frozen=True, slots=True)
class Table:
    """A published table; ``digest`` is independent of row order."""

    name: str
    rows: int
    digest: str
    description: str
    columns: tuple[Column, ...]
    withheld: tuple[Withheld, ...]
    partitions: tuple[Partition, ...]


@dataclass(frozen=True, slots=True)
class Manifest:
    """Everything known of one version. Times are ISO 8601 in UTC."""

    version: str
    role: str
    created_at: str
    run_id: str
    content_digest: str
    schema_version: str
    semantics_version: str
    data_until: dict[str, str | None]
    tables: tuple[Table, ...]
    files: tuple[File, ...]

    def table(self, name: str) -> Table | None:
        """The table called ``name``, if this version has it."""
        return next((table for table in self.tables if table.name == name), None)

    @property
    def rows(self) -> int:
        return sum(table.rows for table in self.tables)


def write_manifest(manifest: Manifest, folder: Path) -> None:
    """Write ``manifest.json`` into ``folder``."""
    (folder / NAME).write_text(as_json(manifest), "utf-8")


def as_json(manifest: Manifest) -> str:
    """The text of ``manifest.json``."""
    content = {"format": FORMAT, **asdict(manifest)}
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def read_manifest(folder: Path) -> Manifest | None:
    """The manifest of a version's folder; None when it has none or an unreadable one."""
    try:
        content = json.loads((folder / NAME).read_text("utf-8"))
        return Manifest(
            version=content["version"],
            role=content["role"],
            created_at=content["created_at"],
            run_id=content["run_id"],
            content_digest=content["content_digest"],
            schema_version=content["schema_version"],
            semantics_version=content["semantics_version"],
            data_until=content["data_until"],
            tables=tuple(_table(table) for table in content["tables"]),
            files=tuple(File(**file) for file in content["files"]),
        )
    except (FileNotFoundError, NotADirectoryError, KeyError, TypeError, ValueError):
        return None


def _table(content: dict) -> Table:
    return Table(
        name=content["name"],
        rows=content["rows"],
        digest=content["digest"],
        description=content["description"],
        columns=tuple(Column(**column) for column in content["columns"]),
        withheld=tuple(Withheld(**column) for column in content["withheld"]),
        partitions=tuple(Partition(**partition) for partition in content["partitions"]),
    )
