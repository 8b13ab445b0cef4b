"""Published versions at an fsspec address: object storage or a shared folder.

    <address>/<version>/parquet/…       the files of the version, as in published/
    <address>/<version>/manifest.json   written after them
    <address>/current.json              written last: {"version": …, "manifest": …}

Readers look into ``current.json`` and read that version's parquet files, so they never see half of
one. ``analytics.duckdb`` stays at home: its view names parquet files by their local paths.
Credentials come from the environment, as the storage's own programs find them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from governance.config import Publish
from governance.errors import UserError
from governance.progress import Progress
from orchestration.publishing.manifest import NAME, File, Manifest, as_json
from orchestration.publishing.sending import Sent
from orchestration.publishing.store import DATABASE, created_at, kept_names

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

CURRENT = "current.json"
FORMAT = 1


def send_to_address(
    address: str,
    folder: Path,
    manifest: Manifest,
    *,
    publisher: str,
    keep: Publish,
    now: datetime,
    progress: Progress,
) -> Sent:
    """Upload a version and make it the address's current one; old versions are pruned as at home.

    Args:
        address: such as ``s3://bucket/folder``.
        folder: the version's folder here.
        manifest: its manifest.
        publisher: names the home; an address another home publishes to is refused.
        keep: how many versions stay.
        now: the instant that decides which versions are old.
        progress: told the files uploaded.

    Raises:
        UserError: another home publishes there; a file arrived with another size.
        Exception: what the storage's library raises; nothing a reader looks at has changed.
    """
    storage, root = _open(address)
    current = _read_json(storage, f"{root}/{CURRENT}")
    if current and current.get("publisher") != publisher:
        raise UserError(
            f"Another home publishes to {address}.",
            why="Each would remove the other's versions.",
            fix="Give this home an address of its own under publish: to: in throughline.yml.",
        )
    files = tuple(file for file in manifest.files if file.path != DATABASE)
    present = _read_json(storage, f"{root}/{manifest.version}/{NAME}")
    sent, reused = 0, 0
    if not present:
        older = _older_files(storage, root, current)
        sent, reused = _upload(storage, root, folder, manifest.version, files, older, progress)
        remote = replace(manifest, files=files)
        _write(storage, f"{root}/{manifest.version}/{NAME}", as_json(remote))
    changed = not current or current["version"] != manifest.version
    if changed:
        _write(storage, f"{root}/{CURRENT}", _pointer(manifest, publisher, now))
    removed = _prune(storage, root, manifest.version, keep, now)
    return Sent(changed or not present, files=sent, reused=reused, removed=removed)


def _open(address: str) -> tuple[AbstractFileSystem, str]:
    import fsspec

    protocol = address.partition("://")[0]
    try:
        # not a cached one: credentials in the environment may have been renewed
        storage, root = fsspec.core.url_to_fs(address, skip_instance_cache=True)
    except ImportError as error:
        extra = " (pip install 'throughline[s3]')" if protocol in {"s3", "s3a"} else ""
        raise UserError(
            f"The package for {protocol}:// is not installed.",
            why=str(error),
            fix=f"Install it{extra}.",
        ) from error
    except ValueError as error:
        raise UserError(f"{address} is not an address fsspec knows.", why=str(error)) from error
    storage.invalidate_cache()
    return storage, str(root).rstrip("/")


def _upload(
    storage: AbstractFileSystem,
    root: str,
    folder: Path,
    version: str,
    files: Sequence[File],
    older: dict[tuple[str, int], str],
    progress: Progress,
) -> tuple[int, int]:
    """Bring the files there and compare their sizes; returns how many were sent and copied."""
    reused = 0
    for done, file in enumerate(files):
        progress("uploading", done, len(files))
        target = f"{root}/{version}/{file.path}"
        if _is_local(storage):
            storage.makedirs(target.rpartition("/")[0], exist_ok=True)
        before = older.get((file.sha256, file.bytes))
        if before is not None:
            storage.cp_file(before, target)  # inside the storage: no byte is sent again
            reused += 1
        else:
            storage.put_file(str(folder / file.path), target)
    progress("uploading", len(files), len(files))
    storage.invalidate_cache()
    sizes = _sizes(storage, f"{root}/{version}")
    for file in files:
        if sizes.get(file.path) != file.bytes:
            raise UserError(
                f"{file.path} arrived with {sizes.get(file.path)} bytes of {file.bytes}.",
                why="The upload was cut off.",
            )
    return len(files) - reused, reused


def _older_files(
    storage: AbstractFileSystem, root: str, current: dict[str, Any] | None
) -> dict[tuple[str, int], str]:
    """The files of the address's current version by digest and size."""
    if not current:
        return {}
    folder = f"{root}/{current['version']}"
    manifest = _read_json(storage, f"{folder}/{NAME}") or {"files": []}
    return {(f["sha256"], f["bytes"]): f"{folder}/{f['path']}" for f in manifest["files"]}


def _prune(
    storage: AbstractFileSystem, root: str, current: str, keep: Publish, now: datetime
) -> tuple[str, ...]:
    """Remove what is not kept, and folders a killed upload left; the manifest goes first."""
    storage.invalidate_cache()
    sizes: dict[str, int] = {}
    whole = set()
    for path, size in _sizes(storage, root).items():
        name, _, rest = path.partition("/")
        if created_at(name):
            sizes[name] = sizes.get(name, 0) + size
            if rest == NAME:
                whole.add(name)
    kept = kept_names(
        sorted(whole, reverse=True),
        current,
        now=now,
        keep_hourly=keep.keep_hourly,
        keep_daily=keep.keep_daily,
    )
    if keep.max_bytes is not None:
        while len(kept) > 1 and sum(sizes[name] for name in kept) > keep.max_bytes:
            kept.remove(next(name for name in reversed(kept) if name != current))
    removed = tuple(sorted(name for name in sizes if name not in kept))
    for name in removed:
        if name in whole:
            storage.rm_file(f"{root}/{name}/{NAME}")
        storage.rm(f"{root}/{name}", recursive=True)
    return removed


def _pointer(manifest: Manifest, publisher: str, now: datetime) -> str:
    content = {
        "format": FORMAT,
        "version": manifest.version,
        "manifest": f"{manifest.version}/{NAME}",
        "published_at": now.isoformat(timespec="seconds"),
        "publisher": publisher,
    }
    return json.dumps(content, indent=2) + "\n"


def _write(storage: AbstractFileSystem, path: str, text: str) -> None:
    """Write a small file at once: an object is replaced as a whole, a local file by a rename."""
    if not _is_local(storage):
        storage.pipe_file(path, text.encode())
        return
    storage.makedirs(path.rpartition("/")[0], exist_ok=True)
    draft = Path(f"{path}.{os.getpid()}")
    with draft.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def _read_json(storage: AbstractFileSystem, path: str) -> dict[str, Any] | None:
    try:
        return json.loads(storage.cat_file(path))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise UserError(
            f"{path} is not what a publish writes.",
            why=str(error),
            fix="Move it away if nothing else needs it.",
        ) from error


def _is_local(storage: AbstractFileSystem) -> bool:
    protocol = storage.protocol
    return "file" in ((protocol,) if isinstance(protocol, str) else protocol)


def _sizes(storage: AbstractFileSystem, root: str) -> dict[str, int]:
    """The size of every file below ``root``, by its path from there."""
    found: Any = storage.find(root, detail=True)
    start = len(root.lstrip("/")) + 1
    return {path.lstrip("/")[start:]: int(info["size"] or 0) for path, info in found.items()}
