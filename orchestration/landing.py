"""What lies in a source's landing folder: names and sizes are enough to see something new."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime

import dagster as dg
import fsspec

from governance.config import Source
from governance.home import Home
from orchestration import keys

_DATA_VERSION = "dagster/data_version"  # lets the UI mark raw tables older than their files


@dataclass(frozen=True, slots=True)
class Landed:
    """The files of a source at one moment; ``fingerprint`` changes with any name or size."""

    source: str
    files: int
    bytes: int
    newest: datetime | None
    fingerprint: str

    def observation(self) -> dg.AssetObservation:
        """The same as an event of the source's external asset."""
        newest = {"newest_file": dg.MetadataValue.timestamp(self.newest)} if self.newest else {}
        return dg.AssetObservation(
            keys.landing(self.source),
            metadata={"files": self.files, "size_bytes": self.bytes, **newest},
            tags={_DATA_VERSION: self.fingerprint},
        )


def observe(home: Home, source: Source) -> Landed:
    """List the source's folder, local or any fsspec address; a missing one counts as empty.

    The loader judges names and contents; here hidden files are left out and nothing is opened.
    """
    address = source.location(home)
    system, root = fsspec.core.url_to_fs(address)
    try:
        found = system.find(root, detail=True)
    except FileNotFoundError:
        found = {}
    seen = hashlib.sha256()
    total, newest, files = 0, 0.0, 0
    for name, info in sorted(found.items()):
        if any(part.startswith(".") for part in name[len(root) :].split("/")):
            continue
        files += 1
        total += int(info.get("size") or 0)
        newest = max(newest, _seconds(info.get("mtime") or info.get("LastModified")))
        seen.update(f"{name}\0{info.get('size')}\0".encode())
    return Landed(
        source.name,
        files,
        total,
        datetime.fromtimestamp(newest, UTC) if newest else None,
        seen.hexdigest()[:16],
    )


def _seconds(moment: object) -> float:
    """Stores answer with seconds or with a datetime."""
    if isinstance(moment, datetime):
        return moment.timestamp()
    return float(moment) if isinstance(moment, int | float) else 0.0
