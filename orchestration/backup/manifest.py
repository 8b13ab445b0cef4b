"""``backup.json``: what a backup holds, made by which program, and how to verify it.

Written last, so a folder without it is no backup.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from governance.errors import UserError

MANIFEST = "backup.json"
FORMAT = 1
HOME_FOLDER = "home"
"""The folder of the home's files in a backup."""


@dataclass(frozen=True, slots=True)
class CopiedFile:
    """A file of a backup; ``same_as`` names the path it is a hard link to."""

    path: str
    bytes: int
    sha256: str
    mode: int
    modified_ns: int
    same_as: str | None = None


@dataclass(frozen=True, slots=True)
class Backup:
    """``backup.json``. ``outside`` lists what belongs to the home and lies elsewhere."""

    made_at: str
    program: str
    home: str
    key_id: str | None
    schema_version: int | None
    semantics_version: int | None
    files: tuple[CopiedFile, ...]
    links: dict[str, str]
    folders: dict[str, int]  # path -> mode
    outside: tuple[str, ...]

    @property
    def bytes(self) -> int:
        return sum(file.bytes for file in self.files if file.same_as is None)


def read_backup(folder: Path) -> Backup:
    """The manifest of a backup.

    Raises:
        UserError: the folder is not a whole backup.
    """
    try:
        content = json.loads((folder / MANIFEST).read_text("utf-8"))
        known = content.pop("format")
        if known != FORMAT:
            raise UserError(
                f"The backup in {folder} has the format {known}; this program reads {FORMAT}.",
                fix="Use the program that made it, or a newer one.",
            )
        return Backup(
            **{
                **content,
                "files": tuple(CopiedFile(**file) for file in content["files"]),
                "outside": tuple(content["outside"]),
            }
        )
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(
            f"There is no backup in {folder}.",
            why=f"{MANIFEST}, written last, is missing: a backup that was killed is none.",
            fix="Make one with: throughline backup DIR",
        ) from None
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{folder / MANIFEST} is damaged.", why=str(error)) from error


def write_manifest(folder: Path, backup: Backup) -> None:
    """Write the manifest into ``folder``, to disk."""
    with (folder / MANIFEST).open("x", encoding="utf-8") as file:
        json.dump({"format": FORMAT, **asdict(backup)}, file, indent=1, ensure_ascii=False)
        file.flush()
        os.fsync(file.fileno())
