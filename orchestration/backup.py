"""``throughline backup`` and ``restore``: a home as a folder of plain files, its keys apart.

    DIR/backup.json   written last: versions, key id, size and sha256 of every file
    DIR/home/…        the home as it is, without .keys/, .env, the lock and the loader's workplace

Taken under the lock of the warehouse and of publishing, so that all of it belongs together. It is
made in ``.DIR.unfinished`` and renamed at the end: a killed backup never looks like one. Landing
files may grow meanwhile; their first bytes are copied, and the rest is loaded after a restore from
where the producers keep it. Databases of Dagster are copied by SQLite itself.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from governance.config import load_config
from governance.errors import UserError
from governance.home import Home
from governance.keys import FILES, load_keys, write_private
from governance.progress import Progress, silent
from governance.warehouse import SCHEMA_VERSION, disk_full, settle, warehouse_lock
from orchestration.publishing.relocation import relocate
from orchestration.publishing.store import store_lock, sync_folder

MANIFEST = "backup.json"
FORMAT = 1
_HOME = "home"
_DRAFT = ".restoring"  # in a home, while a restore works
_CHUNK = 2**20
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
# Of a home: secrets, which go apart, and what is made anew whenever it is needed.
_LEFT_OUT = {".env", ".warehouse.lock", ".dlt", _DRAFT}
_VANISHING = (".dagster", "logs")  # others write there without the lock
_OF_DATABASES = (".state", ".reading.lock")
_SQLITE = b"SQLite format 3\0"
_SQLITE_BESIDE = ("-wal", "-shm", "-journal")


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
    with warehouse_lock(home, "backup"), store_lock(home), _room(folder.parent):
        marker = settle(home) if home.warehouse.exists() else None
        key_id = marker.key_id if marker else None
        if home.keys.exists():
            key_id = _fitting_keys(home, key_id)
        if draft.exists():
            shutil.rmtree(draft)  # of a backup that was killed
        draft.mkdir(mode=0o700)
        try:
            files, links, folders = _copy_home(home, draft / _HOME, progress)
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
                outside=_outside(home),
            )
            _write(draft / MANIFEST, {"format": FORMAT, **asdict(backup)})
            if keys_to:
                _copy_keys(home, keys_to)
            sync_folder(draft)
            draft.replace(folder)  # replaces an empty folder too
            sync_folder(folder.parent)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise
    return BackupReport(folder, len(backup.files), backup.bytes, keys_to, key_id, backup.outside)


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
        _fitting_keys(keys, backup.key_id)
    home.root.mkdir(parents=True, exist_ok=True)
    _refuse_home_in_use(home)
    draft = home.root / _DRAFT
    with _room(home.root):
        _require_room(home.root, backup.bytes)
        draft.mkdir(mode=0o700)
        try:
            _copy_back(folder / _HOME, draft, backup, progress)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise
        if keys:
            _copy_keys(keys, draft)
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


def _fitting_keys(home: Home, key_id: str | None) -> str:
    """The id of the keys in ``home``.

    Raises:
        UserError: they are damaged, or not those the warehouse was made with.
    """
    found = load_keys(home).key_id
    if key_id is not None and found != key_id:
        raise UserError(
            f"The keys in {home.keys} do not belong to this warehouse ({found}, not {key_id}).",
            why="What is stored can only be used with the keys it was made with.",
            fix="Name the folder with the keys of that home.",
        )
    return found


def _copy_home(
    home: Home, target: Path, progress: Progress
) -> tuple[tuple[CopiedFile, ...], dict[str, str], dict[str, int]]:
    """Copy everything that belongs into a backup; returns files, symbolic links and folders."""
    found = list(_walk(home.root))
    total = sum(path.is_file() and not path.is_symlink() for path in found)
    _require_room(target.parent, sum(_size(path) for path in found))
    target.mkdir(mode=0o700)
    files: list[CopiedFile] = []
    links: dict[str, str] = {}
    folders: dict[str, int] = {}
    seen: dict[tuple[int, int], CopiedFile] = {}
    for path in found:
        name = path.relative_to(home.root).as_posix()
        try:
            status = path.lstat()
            if stat.S_ISLNK(status.st_mode) and not _is_file_elsewhere(path, home):
                links[name] = str(path.readlink())
            elif path.is_dir():
                folders[name] = stat.S_IMODE(status.st_mode)
                (target / name).mkdir(parents=True, exist_ok=True)
            elif path.is_file():
                file = _copy_once(path, name, target, seen)
                files.append(file)
                progress("copying files", len(files), total)
        except FileNotFoundError:
            if not name.startswith(_VANISHING):
                raise
            (target / name).unlink(missing_ok=True)
    return tuple(files), links, folders


def _walk(root: Path) -> Iterator[Path]:
    """What lies below ``root`` and belongs into a backup, folders before what is in them."""
    for path in sorted(root.iterdir()):
        left_out = path.name in _LEFT_OUT or path.name.startswith((".keys", "before-schema-"))
        if left_out or (path.name.startswith(".") and path.name.endswith(".compacting")):
            continue
        yield path
        if path.is_dir() and not path.is_symlink():
            yield from _below(path)


def _below(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if (
            path.name.endswith(_SQLITE_BESIDE)
            and path.with_name(path.name.rpartition("-")[0]).exists()
        ):
            continue  # SQLite copies what is in them
        if path.name in _OF_DATABASES:
            continue  # follows from the files beside it; a read may be writing it now
        yield path
        if path.is_dir() and not path.is_symlink():
            yield from _below(path)


def _is_file_elsewhere(path: Path, home: Home) -> bool:
    """Whether a symbolic link leads to a file outside, such as a configuration kept in git."""
    target = path.resolve()
    return target.is_file() and home.root.resolve() not in target.parents


def _copy_once(
    path: Path, name: str, target: Path, seen: dict[tuple[int, int], CopiedFile]
) -> CopiedFile:
    """Copy a file, or link it to the copy of its other name."""
    status = path.stat()
    inode = (status.st_dev, status.st_ino)
    first = seen.get(inode)
    if first is not None:
        (target / name).hardlink_to(target / first.path)
        return CopiedFile(
            name, first.bytes, first.sha256, first.mode, first.modified_ns, same_as=first.path
        )
    copied = target / name
    if _is_sqlite(path):
        _copy_sqlite(path, copied)
        size, digest = _digest(copied)
    else:
        size, digest = _copy_bytes(path, copied, status.st_size)
    os.utime(copied, ns=(status.st_atime_ns, status.st_mtime_ns))
    mode = stat.S_IMODE(status.st_mode)
    copied.chmod(mode | stat.S_IRUSR)
    file = CopiedFile(name, size, digest, mode, status.st_mtime_ns)
    if status.st_nlink > 1:
        seen[inode] = file
    return file


def _copy_bytes(source: Path, target: Path, limit: int) -> tuple[int, str]:
    """Copy the first ``limit`` bytes, to disk; returns how many there were and their digest."""
    digest, copied = hashlib.sha256(), 0
    with source.open("rb") as reader, target.open("xb") as writer:
        while copied < limit and (chunk := reader.read(min(_CHUNK, limit - copied))):
            writer.write(chunk)
            digest.update(chunk)
            copied += len(chunk)
        writer.flush()
        os.fsync(writer.fileno())
    return copied, digest.hexdigest()


def _is_sqlite(path: Path) -> bool:
    if path.suffix != ".db":
        return False
    with path.open("rb") as file:
        return file.read(len(_SQLITE)) == _SQLITE


def _copy_sqlite(source: Path, target: Path) -> None:
    with (
        _sqlite(f"file:{source}?mode=ro") as reader,
        _sqlite(f"file:{target}?mode=rwc") as writer,
    ):
        reader.backup(writer)


@contextmanager
def _sqlite(address: str) -> Iterator[sqlite3.Connection]:
    """A SQLite connection that is closed, not only committed, at the end."""
    connection = sqlite3.connect(address, uri=True)
    try:
        yield connection
    finally:
        connection.close()


def _digest(path: Path) -> tuple[int, str]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return path.stat().st_size, digest


def _copy_keys(home: Home, target: Path) -> None:
    """Keys and .env, readable by their owner alone. The same keys may be there already.

    Raises:
        UserError: other keys are there.
    """
    target.mkdir(mode=0o700, parents=True, exist_ok=True)
    place = Home(target)
    if home.keys.exists():
        place.keys.mkdir(mode=0o700, exist_ok=True)
        for name in FILES:
            text = (home.keys / name).read_text("ascii")
            try:
                write_private(place.keys / name, text)
            except FileExistsError:
                if (place.keys / name).read_text("ascii").strip() != text.strip():
                    raise UserError(
                        f"{place.keys} holds the keys of another home.",
                        why="Keys are never overwritten.",
                        fix="Name another folder with --keys-to.",
                    ) from None
    if home.env.exists():
        draft = place.root / f".env.{os.getpid()}"
        draft.unlink(missing_ok=True)
        write_private(draft, home.env.read_text("utf-8"))
        draft.replace(place.env)
    sync_folder(target)


def _outside(home: Home) -> tuple[str, ...]:
    """Places the configuration names that lie outside the home: they are not in the backup."""
    try:
        config = load_config(home)
    except UserError:
        return ()  # a home that is broken is worth a backup all the same
    found = []
    for source in config.sources:
        location = source.location(home)
        if "://" in location or home.root not in (
            Path(location).resolve(),
            *Path(location).resolve().parents,
        ):
            found.append(f"source {source.name}: {location}")
    return tuple(found)


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
                size, digest = _copy_bytes(source / file.path, target, file.bytes + 1)
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
    if _DRAFT in found and home.config.name not in found:
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


def _write(path: Path, content: dict[str, Any]) -> None:
    with path.open("x", encoding="utf-8") as file:
        json.dump(content, file, indent=1, ensure_ascii=False)
        file.flush()
        os.fsync(file.fileno())


def _size(path: Path) -> int:
    try:
        status = path.lstat()
    except FileNotFoundError:
        return 0
    return status.st_size // status.st_nlink if stat.S_ISREG(status.st_mode) else 0


def _require_room(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise UserError(
            f"The disk of {folder} has too little room: {needed:,} bytes needed, {free:,} free.",
            why="Nothing was written.",
            fix="Free some space, or name a folder on another disk.",
        )


@contextmanager
def _room(folder: Path) -> Iterator[None]:
    """Say whose disk is full: it need not be the home's."""
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise disk_full(folder) from error
