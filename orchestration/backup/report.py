"""What a backup or a restore tells its caller."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class BackupReport:
    """What a backup or a restore did."""

    folder: Path
    files: int
    bytes: int
    keys: Path | None
    key_id: str | None
    outside: tuple[str, ...]
    needs_upgrade: bool = False
