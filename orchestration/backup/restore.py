"""Restoring a backup: every file verified in a draft, then moved up, the configuration last."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

from governance.errors import UserError
from governance.home import Home
from governance.progress import Progress, silent
from governance.warehouse import SCHEMA_VERSION
from orchestration.backup.contents import DRAFT
from orchestration.backup.copying import copy_bytes
from orchestration.backup.disk import require_room, room
from orchestration.backup.keys import copy_keys, fitting_keys
from orchestration.backup.manifest import HOME_FOLDER, Backup, read_backup
from orchestration.backup.report import BackupReport
from orchestration.publishing.relocation import relocate
from orchestration.publishing.store import sync_folder


def restore(
    home: Home, folder: Path, *, keys_from: Path | None = None, progress: Progress = silent
) -> BackupReport:
    """Make an empty home what it was when the backup in ``folder`` was taken.

    Every file is compared with its digest. The configuration comes last, so that a killed restore
    leaves no home; the next one starts over.

    Args:
        home: where to; an empty folder, or one that does not exist.
        folder: the backup.
        keys_from: where its keys were put; without them the home has none yet.
        progress: told the files restored.

    Raises:
        UserError: not a backup, a damaged one, of a newer program, or with other keys; the home is
            not empty; the disk is full.
    """
    folder = folder.expanduser().resolve()
    backup = read_backup(folder)
    if backup.schema_version is not None and backup.schema_version > SCHEMA_VERSION:
        raise UserError(
            f"The backup in {folder} was made by a newer Throughline ({backup.program}).",
            why=f"Its schema is {backup.schema_version}; this program has {SCHEMA_VERSION}.",
            fix="Update the program: git pull && make install",
        )
    keys = Home(keys_from.expanduser().resolve()) if keys_from else None
    if keys:
        fitting_keys(keys, backup.key_id)
    home.root.mkdir(parents=True, exist_ok=True)
    _refuse_home_in_use(home)
    draft = home.root / DRAFT
    with room(home.root):
        require_room(home.root, backup.bytes)
        draft.mkdir(mode=0o700)
        try:
            _copy_back(folder / HOME_FOLDER, draft, backup, progress)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise
        if keys:
            copy_keys(keys, draft)
        _move_up(home, draft, moved=str(home.root) != backup.home)
    return BackupReport(
        folder=home.root,
        files=len(backup.files),
        bytes=backup.bytes,
        keys=keys.root if keys else None,
        key_id=backup.key_id,
        outside=backup.outside,
        needs_upgrade=backup.schema_version is not None and backup.schema_version < SCHEMA_VERSION,
    )


def _copy_back(source: Path, draft: Path, backup: Backup, progress: Progress) -> None:
    for name in backup.folders:
        (draft / _safe(name)).mkdir(parents=True, exist_ok=True)
    for done, file in enumerate(backup.files, 1):
        target = draft / _safe(file.path)
        target.parent.mkdir(parents=True, exist_ok=True)
        if file.same_as is not None:
            target.hardlink_to(draft / _safe(file.same_as))
        else:
            try:
                size, digest = copy_bytes(source / file.path, target, file.bytes + 1)
            except FileNotFoundError:
                size, digest = -1, ""
            if (size, digest) != (file.bytes, file.sha256):
                raise UserError(
                    f"The backup is damaged: {file.path} is not what was backed up.",
                    why="Its size or its sha256 differs from backup.json.",
                    fix="Use another backup; nothing was restored.",
                )
            os.utime(target, ns=(file.modified_ns, file.modified_ns))
            target.chmod(file.mode)
        progress("restoring files", done, len(backup.files))
    for name, target in backup.links.items():
        (draft / _safe(name)).symlink_to(target)
    for name, mode in backup.folders.items():
        (draft / name).chmod(mode | stat.S_IRWXU)


def _safe(name: str) -> Path:
    """A path of the manifest, which must stay in the home."""
    path = Path(name)
    if path.is_absolute() or ".." in path.parts:
        raise UserError(f"backup.json names a path outside the home: {name}.")
    return path


def _refuse_home_in_use(home: Home) -> None:
    """Refuse a folder that holds anything but the rest of a restore that was killed."""
    found = sorted(path.name for path in home.root.iterdir())
    if DRAFT in found and home.config.name not in found:
        for path in home.root.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
        return
    if found:
        raise UserError(
            f"{home.root} is not empty: there is {found[0]}.",
            why="A restore never mixes with what is there, nor overwrites it.",
            fix=f"Restore into a new folder: throughline --home {home.root}-restored restore DIR",
        )


def _move_up(home: Home, draft: Path, *, moved: bool) -> None:
    """Put what was restored in its place, the configuration last: it makes the home one."""
    for path in sorted(draft.iterdir()):
        if path.name != home.config.name:
            path.replace(home.root / path.name)
    if moved:
        relocate(home)
    config = draft / home.config.name
    if config.exists():
        config.replace(home.config)
    draft.rmdir()
    sync_folder(home.root)
