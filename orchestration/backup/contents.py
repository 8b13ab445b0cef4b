"""What belongs into a backup: everything in the home that is not secret or made anew."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from governance.config import load_config
from governance.errors import UserError
from governance.home import Home

DRAFT = ".restoring"  # in a home, while a restore works
# Of a home: secrets, which go apart, and what is made anew whenever it is needed.
_LEFT_OUT = {".env", ".warehouse.lock", ".dlt", DRAFT}
VANISHING = (".dagster", "logs")  # others write there without the lock
_OF_DATABASES = (".state", ".reading.lock")
_SQLITE_BESIDE = ("-wal", "-shm", "-journal")


def walk(root: Path) -> Iterator[Path]:
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


def is_file_elsewhere(path: Path, home: Home) -> bool:
    """Whether a symbolic link leads to a file outside, such as a configuration kept in git."""
    target = path.resolve()
    return target.is_file() and home.root.resolve() not in target.parents


def places_outside(home: Home) -> tuple[str, ...]:
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
