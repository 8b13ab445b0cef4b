"""The files of a home copied once each, with their digests, as far as they were written by then."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from governance.home import Home
from governance.progress import Progress
from orchestration.backup.contents import VANISHING, is_file_elsewhere, walk
from orchestration.backup.disk import require_room
from orchestration.backup.manifest import CopiedFile

_CHUNK = 2**20
_SQLITE = b"SQLite format 3\0"


def copy_home(
    home: Home, target: Path, progress: Progress
) -> tuple[tuple[CopiedFile, ...], dict[str, str], dict[str, int]]:
    """Copy everything that belongs into a backup; returns files, symbolic links and folders."""
    found = list(walk(home.root))
    total = sum(path.is_file() and not path.is_symlink() for path in found)
    require_room(target.parent, sum(_size(path) for path in found))
    target.mkdir(mode=0o700)
    files: list[CopiedFile] = []
    links: dict[str, str] = {}
    folders: dict[str, int] = {}
    seen: dict[tuple[int, int], CopiedFile] = {}
    for path in found:
        name = path.relative_to(home.root).as_posix()
        try:
            status = path.lstat()
            if stat.S_ISLNK(status.st_mode) and not is_file_elsewhere(path, home):
                links[name] = str(path.readlink())
            elif path.is_dir():
                folders[name] = stat.S_IMODE(status.st_mode)
                (target / name).mkdir(parents=True, exist_ok=True)
            elif path.is_file():
                file = _copy_once(path, name, target, seen)
                files.append(file)
                progress("copying files", len(files), total)
        except FileNotFoundError:
            if not name.startswith(VANISHING):
                raise
            (target / name).unlink(missing_ok=True)
    return tuple(files), links, folders


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
        size, digest = copy_bytes(path, copied, status.st_size)
    os.utime(copied, ns=(status.st_atime_ns, status.st_mtime_ns))
    mode = stat.S_IMODE(status.st_mode)
    copied.chmod(mode | stat.S_IRUSR)
    file = CopiedFile(name, size, digest, mode, status.st_mtime_ns)
    if status.st_nlink > 1:
        seen[inode] = file
    return file


def copy_bytes(source: Path, target: Path, limit: int) -> tuple[int, str]:
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


def _size(path: Path) -> int:
    try:
        status = path.lstat()
    except FileNotFoundError:
        return 0
    return status.st_size // status.st_nlink if stat.S_ISREG(status.st_mode) else 0
