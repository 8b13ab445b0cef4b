"""Segments: the files of a source's folder, local or at any fsspec address.

Append-only files of JSON lines grow; dumps and the spool of databases are whole files, read once. A
zip archive is as many segments as it has members. What was read is known from committed rows of
``raw.segments``; ``planning`` and ``dumps`` compare those with the files.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, BinaryIO, Literal

from fsspec.core import url_to_fs

from governance.config import Source
from governance.errors import UserError
from governance.home import Home
from ingestion.compression import (
    BLOCK_BYTES,
    Compression,
    DamagedError,
    compression_of,
    decompressed,
    read_block,
    skip,
)
from ingestion.containers import archives
from ingestion.containers.rows import FileProblem
from ingestion.spool import folder_of

ContainerKind = Literal["lines", "text", "csv", "parquet"]

HEAD_BYTES = 4096
MEMBER = "!/"
"""Between the name of an archive and that of a member."""

_CONTAINERS: dict[str, ContainerKind] = {
    ".jsonl": "lines",
    ".ndjson": "lines",
    ".json": "lines",
    ".csv": "csv",
    ".tsv": "csv",
    ".parquet": "parquet",
    ".log": "text",
    ".txt": "text",
}
_APPENDED = ("landing", "webhook_logs")


@dataclass(frozen=True, slots=True)
class Segment:
    """A file of a source, or a member of an archive."""

    source: str
    name: str  # below the source's folder
    path: str  # for the file system
    size: int  # bytes of the file, compressed ones counted as they lie
    modified: float  # seconds since 1970
    compression: Compression
    container: ContainerKind = "lines"
    member: str | None = None


@dataclass(frozen=True, slots=True)
class Committed:
    """How far a segment was read in its current generation."""

    generation: int
    to_offset: int
    size: int
    head_digest: str


@dataclass(frozen=True, slots=True)
class Span:
    """What one load reads of a segment: whole lines, or rows, from ``start`` to ``end``."""

    segment: Segment
    generation: int
    start: int
    end: int
    head_digest: str
    identity: str | None = None
    """Of a dump: the digest of its content, so that the same file under another name is known."""
    rows: int | None = None
    """Of a dump that is no JSON: its rows, counted by another reader than that of its records."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A segment that cannot be read as it is; the others are loaded all the same."""

    source: str
    segment: str
    what: str
    fix: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """Bytes at the end of a segment that are not a whole line yet."""

    source: str
    segment: str
    bytes: int


@dataclass(slots=True)
class Landing:
    """The folder of one source.

    ``segments`` fills ``problems`` and ``ignored``, the files whose ending nobody knows.
    """

    source: Source
    where: str
    problems: list[Problem] = field(default_factory=list)
    ignored: list[Problem] = field(default_factory=list)
    _fs: Any = None
    _root: str = ""

    @classmethod
    def of(cls, home: Home, source: Source) -> Landing:
        """The folder of ``source`` in ``home``."""
        where = source.location(home)
        system, root = url_to_fs(where)
        return cls(source, where, _fs=system, _root=root)

    def segments(self) -> list[Segment]:
        """All segments in the order of their names.

        Raises:
            UserError: the folder does not exist or cannot be listed.
        """
        self.problems, self.ignored = [], []
        segments: list[Segment] = []
        for path, entry in sorted(self._listed().items()):
            name = path[len(self._root) :].lstrip("/")
            if any(part.startswith(".") for part in name.split("/")):
                continue
            found = Segment(
                self.source.name, name, path, entry["size"] or 0, _modified(entry), None
            )
            segments += self._known(found)
        return segments

    def head(self, segment: Segment, length: int) -> bytes:
        """The first bytes of the file, as they lie."""
        with self._fs.open(segment.path, "rb") as file:
            return file.read(length)

    def blocks(self, segment: Segment, start: int, end: int | None) -> Iterator[bytes]:
        """Uncompressed bytes from ``start`` to ``end`` in blocks.

        Raises:
            DamagedError: a compressed file is truncated or damaged.
        """
        left = None if end is None else end - start
        with self.opened(segment) as file:
            skip(file, start)
            while left is None or left > 0:
                block = read_block(file, BLOCK_BYTES if left is None else min(BLOCK_BYTES, left))
                if not block:
                    return
                if left is not None:
                    left -= len(block)
                yield block

    @contextmanager
    def opened(self, segment: Segment) -> Iterator[BinaryIO]:
        """The uncompressed bytes of a segment as a file."""
        with self._fs.open(segment.path, "rb") as raw:
            if segment.member is None:
                with decompressed(raw, segment.compression) as file:
                    yield file
                return
            with (
                archives.member(raw, segment.member) as inner,
                decompressed(inner, segment.compression) as file,
            ):
                yield file

    def _listed(self) -> dict[str, dict[str, Any]]:
        try:
            if not self._fs.exists(self._root):
                if self.source.kind == "app_database":
                    return {}  # nothing was read from it yet
                raise self._missing()
            self._fs.invalidate_cache()
            return self._fs.find(self._root, detail=True)
        except PermissionError as error:
            raise UserError(
                f"The folder of source {self.source.name!r} cannot be listed: {self.where}",
                why=str(error),
                fix="Let this user read it.",
            ) from None

    def _known(self, file: Segment) -> list[Segment]:
        """The segments a file is: none when nobody knows its ending, or its table."""
        if self.source.kind == "app_database":
            tables = {folder_of(table.table) for table in self.source.tables}
            if file.name.rpartition("/")[0] not in tables:
                return []  # of a table that is configured no more
        if file.name.lower().endswith(".zip") and self.source.kind not in _APPENDED:
            return self._members(file)
        stem, compression = compression_of(file.name)
        container = self._container(stem)
        if container is None:
            self.ignored.append(_unknown(file, self.source))
            return []
        return [replace(file, compression=compression, container=container)]

    def _members(self, archive: Segment) -> list[Segment]:
        found: list[Segment] = []
        try:
            with self._fs.open(archive.path, "rb") as raw:
                members = archives.members(raw)
        except (FileProblem, OSError) as error:
            fix = error.fix if isinstance(error, FileProblem) else "Let this user read it."
            self.problems.append(Problem(archive.source, archive.name, str(error), fix))
            return []
        for member in members:
            name = f"{archive.name}{MEMBER}{member.name}"
            stem, compression = compression_of(member.name)
            container = self._container(stem)
            part = replace(
                archive, name=name, size=member.size, member=member.name, compression=compression
            )
            if container is None:
                self.ignored.append(_unknown(part, self.source))
            else:
                found.append(replace(part, container=container))
        return found

    def _container(self, stem: str) -> ContainerKind | None:
        ending = "." + stem.lower().rpartition(".")[2]
        found = _CONTAINERS.get(ending)
        if self.source.kind in _APPENDED:
            return found if found == "lines" else None
        if self.source.shape == "combined_log":
            return "text"  # nobody agrees how access logs are called
        return None if found == "text" else found  # no other format is made of lines of text

    def _missing(self) -> UserError:
        return UserError(
            f"The folder of source {self.source.name!r} does not exist: {self.where}",
            why="Its path in throughline.yml is where its files are expected.",
            fix=f"mkdir -p {self.where}   (or mend sources.path in throughline.yml)",
        )


def damaged(segment: Segment, error: DamagedError) -> Problem:
    """A compressed file that is not whole."""
    return Problem(
        segment.source,
        segment.name,
        f"is not a whole {segment.compression} file: {error}",
        "It is loaded once it is complete; if nobody writes it any more, replace it.",
    )


def unreadable(segment: Segment, error: OSError) -> Problem:
    """A file the system does not let us read."""
    return Problem(
        segment.source, segment.name, f"cannot be read: {error}", "Let this user read it."
    )


def _unknown(file: Segment, source: Source) -> Problem:
    lines = [suffix for suffix, kind in _CONTAINERS.items() if kind == "lines"]
    known = lines if source.kind in _APPENDED else [*_CONTAINERS, ".zip"]
    return Problem(
        file.source,
        file.name,
        "has an ending nobody knows, so it is not read",
        f"Known are {', '.join(known)}, and those with .gz or .zst. Rename it, or move it away.",
    )


def _modified(entry: dict[str, Any]) -> float:
    stamp = entry.get("mtime") or entry.get("LastModified") or entry.get("created") or 0.0
    return stamp.timestamp() if isinstance(stamp, datetime) else float(stamp)
