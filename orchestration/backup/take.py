"""Taking a backup: a draft beside the folder it becomes in one rename."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from governance.errors import UserError
from governance.home import Home
from governance.progress import Progress, silent
from governance.warehouse import settle, warehouse_lock
from orchestration.backup.contents import places_outside
from orchestration.backup.copying import copy_home
from orchestration.backup.disk import room
from orchestration.backup.keys import copy_keys, fitting_keys
from orchestration.backup.manifest import HOME_FOLDER, Backup, write_manifest
from orchestration.backup.report import BackupReport
from orchestration.publishing.store import store_lock, sync_folder


def back_up(
    home: Home, folder: Path, *, keys_to: Path | None = None, progress: Progress = silent
) -> BackupReport:
    """Copy the home into ``folder``, which must not exist or be empty.

    Args:
        home: what to copy.
        folder: the backup's folder; its parent must exist.
        keys_to: where keys and .env go, with mode 0600; nowhere when None.
        progress: told the files copied.

    Raises:
        UserError: a folder is in use or lies in the other, keys do not fit the warehouse, the disk
            is full. Nothing that looks like a backup is left.
    """
    folder = folder.expanduser().resolve()
    keys_to = keys_to.expanduser().resolve() if keys_to else None
    _refuse_folders(home, folder, keys_to)
    draft = folder.with_name(f".{folder.name}.unfinished")
    with warehouse_lock(home, "backup"), store_lock(home), room(folder.parent):
        marker = settle(home) if home.warehouse.exists() else None
        key_id = marker.key_id if marker else None
        if home.keys.exists():
            key_id = fitting_keys(home, key_id)
        if draft.exists():
            shutil.rmtree(draft)  # of a backup that was killed
        draft.mkdir(mode=0o700)
        try:
            files, links, folders = copy_home(home, draft / HOME_FOLDER, progress)
            backup = Backup(
                made_at=datetime.now(UTC).isoformat(timespec="seconds"),
                program=version("throughline"),
                home=str(home.root),
                key_id=key_id,
                schema_version=marker.schema_version if marker else None,
                semantics_version=marker.semantics_version if marker else None,
                files=files,
                links=links,
                folders=folders,
                outside=places_outside(home),
            )
            write_manifest(draft, backup)
            if keys_to:
                copy_keys(home, keys_to)
            sync_folder(draft)
            draft.replace(folder)  # replaces an empty folder too
            sync_folder(folder.parent)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise
    return BackupReport(folder, len(backup.files), backup.bytes, keys_to, key_id, backup.outside)


def _refuse_folders(home: Home, folder: Path, keys_to: Path | None) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(
            f"{folder} is not empty.",
            why="A backup is a folder of its own; none is overwritten.",
            fix=f"Name another: throughline backup {folder}-{datetime.now(UTC):%Y%m%d}",
        )
    if not folder.parent.is_dir():
        raise UserError(
            f"There is no folder {folder.parent}.", fix=f"Make it with: mkdir -p {folder.parent}"
        )
    for inner, what in ((folder, "The backup"), (keys_to, "The folder of the keys")):
        if inner and (inner == home.root or home.root in inner.parents):
            raise UserError(
                f"{what} must not lie in the home ({home.root}).",
                why="It would be lost together with it.",
                fix="Name a folder on another disk or machine.",
            )
    if keys_to and (keys_to == folder or folder in keys_to.parents or keys_to in folder.parents):
        raise UserError(
            "Keys and data must not lie in one another's folders.",
            why="Whoever gets the backup could undo its pseudonyms and read the vault.",
            fix="Name a folder that is kept elsewhere, such as a password store's.",
        )
