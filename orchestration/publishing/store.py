"""The folder of published versions: which exist, which is current, which may go.

``current`` is a symlink, replaced in one rename; every other step happens beside it. A folder
without ``manifest.json``, the last file written, is unfinished: nothing lists it. ``history.json``
lists the switches, which tells a version withdrawn by a rollback from one that a crash left behind
unseen.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from governance.classes import Role
from governance.errors import UserError
from governance.home import Home
from orchestration.publishing.manifest import Manifest, read_manifest

ROLE: Role = "analyst"
CURRENT = "current"
DATABASE = "analytics.duckdb"

_REMOVED = ".removed-"

_HISTORY = "history.json"
_HISTORY_KEPT = 1000
_LOCK = ".lock"
_VERSION = re.compile(r"^(\d{8}T\d{6}Z)-[0-9a-f]{8}$")
_STAMP = "%Y%m%dT%H%M%SZ"
# A reader who opened a version keeps using its parquet files; within this time none is taken away.
_GRACE = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Switch:
    """One change of ``current``: when, why, to which version and from which."""

    at: str
    action: Literal["publish", "rollback"]
    version: str
    previous: str | None


@dataclass(frozen=True, slots=True)
class Version:
    """A kept version; ``bytes`` counts files it shares with others too."""

    name: str
    created_at: datetime
    is_current: bool
    is_withdrawn: bool
    bytes: int
    manifest: Manifest


def role_folder(home: Home) -> Path:
    """The folder of the role's versions."""
    return home.published / ROLE


def current_file(home: Home) -> Path:
    """The address to give to readers; the same for every version."""
    return role_folder(home) / CURRENT / DATABASE


def version_name(now: datetime, content_digest: str) -> str:
    """UTC to the second and the beginning of the content's digest."""
    return f"{now.astimezone(UTC).strftime(_STAMP)}-{content_digest[:8]}"


def created_at(name: str) -> datetime | None:
    """The instant in a version's name; None for a name that is not a version's."""
    match = _VERSION.match(name)
    return datetime.strptime(match[1], _STAMP).replace(tzinfo=UTC) if match else None


def current_version(home: Home) -> str | None:
    """The version readers see, if there is one."""
    link = role_folder(home) / CURRENT
    return link.readlink().name if link.is_symlink() and link.exists() else None


def current_manifest(home: Home) -> Manifest | None:
    """The manifest of the current version."""
    name = current_version(home)
    return read_manifest(role_folder(home) / name) if name else None


def versions(home: Home) -> tuple[Version, ...]:
    """All kept versions, newest first."""
    current = current_version(home)
    withdrawn = withdrawn_versions(home)
    found = []
    for folder in _version_folders(home):
        manifest = read_manifest(folder)
        stamp = created_at(folder.name)
        if manifest is None or stamp is None:
            continue
        found.append(
            Version(
                name=folder.name,
                created_at=stamp,
                is_current=folder.name == current,
                is_withdrawn=folder.name in withdrawn,
                bytes=_bytes([folder]),
                manifest=manifest,
            )
        )
    return tuple(sorted(found, key=lambda version: version.name, reverse=True))


@contextmanager
def store_lock(home: Home, *, wait_seconds: float = 600) -> Iterator[None]:
    """Hold the role's folder alone; a rollback need not wait for the warehouse, only for a publish.

    Raises:
        UserError: when another process still publishes after ``wait_seconds``.
    """
    folder = role_folder(home)
    folder.mkdir(parents=True, exist_ok=True)
    with file_lock(folder / _LOCK, wait_seconds=wait_seconds):
        yield


@contextmanager
def file_lock(path: Path, *, wait_seconds: float = 600) -> Iterator[None]:
    """Hold ``path`` alone; the kernel ends the lock with its holder.

    Raises:
        UserError: when another process still holds it after ``wait_seconds``.
    """
    deadline = time.monotonic() + wait_seconds
    with path.open("a") as handle:
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if time.monotonic() >= deadline:
                    raise UserError(
                        "Another process is publishing.",
                        why=f"It holds {path}.",
                        fix="Wait for it to end and run the same command again.",
                    ) from error
                time.sleep(0.1)
        yield


def switch(home: Home, name: str, *, action: Literal["publish", "rollback"], now: datetime) -> None:
    """Make ``name`` the current version; the store lock must be held."""
    folder = role_folder(home)
    previous = current_version(home)
    aside = folder / f".{CURRENT}-{os.getpid()}"
    aside.unlink(missing_ok=True)
    aside.symlink_to(name)
    aside.replace(folder / CURRENT)
    sync_folder(folder)
    entry = Switch(now.astimezone(UTC).isoformat(timespec="seconds"), action, name, previous)
    _write_history(home, (*history(home), entry))


def rollback(home: Home, name: str, *, now: datetime) -> str | None:
    """Make a kept version current again; returns the version that was current.

    What it replaces is withdrawn: the same content is not published again until somebody rolls
    forward to it. New content is.

    Raises:
        UserError: when there is no such version.
    """
    with store_lock(home):
        kept = versions(home)
        if name not in {version.name for version in kept}:
            raise UserError(
                f"There is no published version {name}.",
                why="Kept are: " + (", ".join(version.name for version in kept) or "none"),
                fix="List them with: throughline publish --list",
            )
        previous = current_version(home)
        if previous != name:
            switch(home, name, action="rollback", now=now)
        return previous


def history(home: Home) -> tuple[Switch, ...]:
    """The switches of ``current``, oldest first."""
    try:
        content = json.loads((role_folder(home) / _HISTORY).read_text("utf-8"))
    except FileNotFoundError:
        return ()
    return tuple(Switch(**entry) for entry in content)


def withdrawn_versions(home: Home) -> frozenset[str]:
    """Versions a rollback took back and nobody has made current since."""
    withdrawn: set[str] = set()
    for entry in history(home):
        if entry.action == "rollback" and entry.previous and entry.previous > entry.version:
            withdrawn.add(entry.previous)
        withdrawn.discard(entry.version)
    return frozenset(withdrawn)


def clean_leftovers(home: Home, *, now: datetime) -> tuple[str, ...]:
    """Remove what a killed publish left, under the store lock; returns the names removed."""
    folder = role_folder(home)
    current = current_version(home)
    seen = {entry.version for entry in history(home)}
    if current and current not in seen:
        # killed after the switch and before the entry: the version is good and visible
        stamp = now.astimezone(UTC).isoformat(timespec="seconds")
        _write_history(home, (*history(home), Switch(stamp, "publish", current, None)))
        seen.add(current)
    removed = []
    for path in sorted(folder.iterdir()):
        if path.name.startswith(_REMOVED) or (created_at(path.name) and path.name not in seen):
            remove_folder(path)
            removed.append(path.name)
        elif path.name.startswith((f".{CURRENT}-", f".{_HISTORY}-")):
            path.unlink()
            removed.append(path.name)
    return tuple(removed)


def prune(
    home: Home, *, now: datetime, keep_hourly: int, keep_daily: int, max_bytes: int | None
) -> tuple[str, ...]:
    """Remove versions nobody needs; the store lock must be held. Returns the names removed.

    Kept are the current version, its newest neighbour (to roll back to), versions younger than an
    hour, the newest version of each of the last hours and days that have one; of these the oldest
    go until their files take no more than ``max_bytes``. The current version never goes.
    """
    folder = role_folder(home)
    current = current_version(home)
    names = sorted((path.name for path in _version_folders(home)), reverse=True)
    keep = kept_names(names, current, now=now, keep_hourly=keep_hourly, keep_daily=keep_daily)
    if max_bytes is not None:
        while len(keep) > 1 and _bytes([folder / name for name in keep]) > max_bytes:
            keep.remove(next(name for name in reversed(keep) if name != current))
    removed = tuple(name for name in names if name not in keep)
    for name in removed:
        remove_folder(folder / name)
    return removed


def remove_folder(folder: Path) -> None:
    """Delete a version's folder; renamed first, so that nobody meets half of it under its name."""
    aside = folder
    if not folder.name.startswith(_REMOVED):
        aside = folder.with_name(_REMOVED + folder.name)
        folder.replace(aside)
    shutil.rmtree(aside)


def sync_folder(folder: Path) -> None:
    """Make renames inside ``folder`` survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def kept_names(
    names: list[str], current: str | None, *, now: datetime, keep_hourly: int, keep_daily: int
) -> list[str]:
    """The names to keep, newest first, of ``names`` sorted newest first."""
    keep = {name for name in names if (stamp := created_at(name)) and now - stamp < _GRACE}
    if current:
        keep.add(current)
    keep.update([name for name in names if name != current][:1])
    # a version's name begins YYYYMMDDTHH
    for prefix, count in ((11, keep_hourly), (8, keep_daily)):
        newest: dict[str, str] = {}
        for name in names:
            newest.setdefault(name[:prefix], name)
        keep.update(list(newest.values())[:count])
    return sorted(keep, reverse=True)


def _version_folders(home: Home) -> list[Path]:
    folder = role_folder(home)
    if not folder.is_dir():
        return []
    return [path for path in folder.iterdir() if created_at(path.name) and path.is_dir()]


def _bytes(folders: list[Path]) -> int:
    """What the folders take on disk, a file shared by hard links counted once."""
    sizes = {}
    for folder in folders:
        for path in folder.rglob("*"):
            status = path.lstat()
            if path.is_file():
                sizes[status.st_dev, status.st_ino] = status.st_size
    return sum(sizes.values())


def _write_history(home: Home, entries: tuple[Switch, ...]) -> None:
    folder = role_folder(home)
    aside = folder / f".{_HISTORY}-{os.getpid()}"
    # an entry of a version that still exists is never dropped: without it the version is a leftover
    old = tuple(entry for entry in entries[:-_HISTORY_KEPT] if (folder / entry.version).exists())
    with aside.open("w", encoding="utf-8") as file:
        json.dump([asdict(entry) for entry in old + entries[-_HISTORY_KEPT:]], file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(folder / _HISTORY)
    sync_folder(folder)
