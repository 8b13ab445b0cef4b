"""Segments: the append-only files of a source's landing folder, and which bytes of them are new.

Works on local folders and on any fsspec address. Offsets count uncompressed bytes. What was read is
known from committed rows of ``raw.segments``; this module only compares those with the files.
"""

from __future__ import annotations

import gzip
import io
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, BinaryIO, Literal, cast

import zstandard
from fsspec.core import url_to_fs

from governance.config import Source, is_address
from governance.errors import UserError
from governance.home import Home

Compression = Literal["gzip", "zstd"] | None

BLOCK_BYTES = 1 << 22
HEAD_BYTES = 4096
TAIL_PATIENCE_SECONDS = 3600
"""An unfinished last line that has not grown for so long is read as it is."""

_SUFFIXES = (".jsonl", ".ndjson", ".json")
_COMPRESSIONS: dict[str, Compression] = {".gz": "gzip", ".zst": "zstd"}

IsRecord = Callable[[bytes], bool]


@dataclass(frozen=True, slots=True)
class Segment:
    """A file of a source."""

    source: str
    name: str  # below the source's folder
    path: str  # for the file system
    size: int  # bytes of the file, compressed ones counted as they lie
    modified: float  # seconds since 1970
    compression: Compression


@dataclass(frozen=True, slots=True)
class Committed:
    """How far a segment was read in its current generation."""

    generation: int
    to_offset: int
    size: int
    head_digest: str


@dataclass(frozen=True, slots=True)
class Span:
    """The bytes of a segment one load reads: whole lines from ``start`` to ``end``."""

    segment: Segment
    generation: int
    start: int
    end: int
    head_digest: str


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


class Landing:
    """The landing folder of one source."""

    def __init__(self, home: Home, source: Source) -> None:
        self.source = source
        self.where = source.location(home)
        self._fs, self._root = url_to_fs(self.where)

    def segments(self) -> list[Segment]:
        """All segments in the order of their names.

        Raises:
            UserError: the folder does not exist or cannot be listed.
        """
        try:
            if not self._fs.exists(self._root):
                raise self._missing()
            self._fs.invalidate_cache()
            found: dict[str, dict[str, Any]] = self._fs.find(self._root, detail=True)
        except PermissionError as error:
            raise UserError(
                f"The landing folder of source {self.source.name!r} cannot be listed: {self.where}",
                why=str(error),
                fix="Let this user read it.",
            ) from None
        segments = []
        for path, entry in sorted(found.items()):
            name = path[len(self._root) :].lstrip("/")
            stem, compression = _compression(name)
            if stem.endswith(_SUFFIXES) and not name.rpartition("/")[2].startswith("."):
                segments.append(
                    Segment(
                        self.source.name,
                        name,
                        path,
                        entry["size"] or 0,
                        _modified(entry),
                        compression,
                    )
                )
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
        with self._open(segment) as file:
            _skip(file, start)
            while left is None or left > 0:
                block = _read(file, BLOCK_BYTES if left is None else min(BLOCK_BYTES, left))
                if not block:
                    return
                if left is not None:
                    left -= len(block)
                yield block

    @contextmanager
    def _open(self, segment: Segment) -> Iterator[BinaryIO]:
        with self._fs.open(segment.path, "rb") as raw:
            if segment.compression == "gzip":
                with gzip.GzipFile(fileobj=raw) as file:
                    yield cast("BinaryIO", file)
            elif segment.compression == "zstd":
                with io.BufferedReader(_ZstdFile(raw)) as file:
                    yield cast("BinaryIO", file)
            else:
                yield raw

    def _missing(self) -> UserError:
        return UserError(
            f"The landing folder of source {self.source.name!r} does not exist: {self.where}",
            why="Its path in throughline.yml is where its segments are expected.",
            fix=f"mkdir -p {self.where}   (or mend sources.path in throughline.yml)",
        )


class DamagedError(Exception):
    """A compressed file that ends too soon or cannot be decompressed."""


class _ZstdFile(io.RawIOBase):
    """Decompressed zstd frames; the library's reader ends a truncated file as if it were whole."""

    _STEP = 2048  # of input: what a hostile file can blow up at once stays below 100 MB

    def __init__(self, raw: BinaryIO) -> None:
        self._raw = raw
        self._frame = zstandard.ZstdDecompressor().decompressobj()
        self._inside = False
        self._ready = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._ready:
            data = self._raw.read(self._STEP)
            if not data:
                if self._inside:
                    raise EOFError("it ends inside a frame")
                return 0
            self._feed(data)
        taken = min(len(buffer), len(self._ready))
        buffer[:taken] = self._ready[:taken]
        self._ready = self._ready[taken:]
        return taken

    def _feed(self, data: bytes) -> None:
        pieces = []
        while data:
            self._inside = True
            pieces.append(self._frame.decompress(data))
            data = self._frame.unused_data
            if self._frame.eof:
                self._inside = False
                self._frame = zstandard.ZstdDecompressor().decompressobj()
            else:
                break
        self._ready = b"".join(pieces)


def plan(
    landing: Landing,
    segment: Segment,
    committed: Committed | None,
    *,
    again: bool,
    digest: Callable[[bytes], str],
    is_record: IsRecord,
    line_bytes: int,
    now: float | None = None,
) -> Span | Problem | Waiting | None:
    """What to read of a segment.

    Returns:
        the span to read; a problem; what is waited for; None when there is nothing new.
    """
    start = 0 if committed is None or again else committed.to_offset
    generation = 1 if committed is None else committed.generation + again
    try:
        if committed and not again:
            changed = _changed(landing, segment, committed, digest)
            if changed:
                return changed
            if segment.size == committed.size and (segment.compression or segment.size == start):
                return None
        end = (
            _whole_length(landing, segment)
            if segment.compression
            else _last_line_end(landing, segment, start, is_record, line_bytes, now or time.time())
        )
        if end <= start:
            left = 0 if segment.compression else segment.size - start
            return Waiting(segment.source, segment.name, left) if left > 0 else None
        head = landing.head(segment, min(HEAD_BYTES, segment.size))
    except DamagedError as error:
        return Problem(
            segment.source,
            segment.name,
            f"is not a whole {segment.compression} file: {error}",
            "It is loaded once it is complete; if nobody writes it any more, replace it.",
        )
    except OSError as error:
        return Problem(
            segment.source, segment.name, f"cannot be read: {error}", "Let this user read it."
        )
    return Span(segment, generation, start, end, f"{len(head)}:{digest(head)}")


def _changed(
    landing: Landing, segment: Segment, committed: Committed, digest: Callable[[bytes], str]
) -> Problem | None:
    again = f"throughline load {segment.source} --again   (reads the whole source from its start)"
    if segment.size < (committed.size if segment.compression else committed.to_offset):
        return Problem(
            segment.source,
            segment.name,
            f"is shorter than when it was loaded ({segment.size} bytes, was {committed.size})",
            f"Segments only grow. Restore it, or accept what it holds now: {again}",
        )
    length, _, expected = committed.head_digest.partition(":")
    if digest(landing.head(segment, int(length))) != expected:
        return Problem(
            segment.source,
            segment.name,
            "begins with other bytes than when it was loaded",
            f"Segments are never replaced. Restore it, or accept what it holds now: {again}",
        )
    return None


def _last_line_end(
    landing: Landing,
    segment: Segment,
    start: int,
    is_record: IsRecord,
    line_bytes: int,
    now: float,
) -> int:
    """Where the last whole line ends; a last line without a line feed is whole when it parses."""
    end = segment.size
    if end <= start:
        return start
    tail = b""
    at = end
    while at > start:
        step = min(BLOCK_BYTES, at - start)
        at -= step
        block = b"".join(landing.blocks(segment, at, at + step))
        feed = block.rfind(b"\n")
        if feed >= 0:
            tail = block[feed + 1 :] + tail
            at += feed + 1
            break
        # A tail beyond the limit need not be kept: it will never parse.
        tail = (block + tail)[: line_bytes + 1]
    if at == end or not tail.strip(b" \t\r\n"):
        return end
    finished = len(tail) <= line_bytes and is_record(tail)
    abandoned = now - segment.modified > TAIL_PATIENCE_SECONDS
    return end if finished or abandoned else at


def _whole_length(landing: Landing, segment: Segment) -> int:
    return sum(len(block) for block in landing.blocks(segment, 0, None))


def _read(file: BinaryIO, size: int) -> bytes:
    try:
        return file.read(size)
    except (EOFError, gzip.BadGzipFile, zlib.error, zstandard.ZstdError) as error:
        raise DamagedError(str(error)) from None


def _skip(file: BinaryIO, count: int) -> None:
    if count and not isinstance(file, gzip.GzipFile | io.BufferedReader) and file.seekable():
        file.seek(count)
        return
    while count > 0:
        block = _read(file, min(BLOCK_BYTES, count))
        if not block:
            return
        count -= len(block)


def _compression(name: str) -> tuple[str, Compression]:
    for suffix, compression in _COMPRESSIONS.items():
        if name.endswith(suffix):
            return name[: -len(suffix)], compression
    return name, None


def _modified(entry: dict[str, Any]) -> float:
    stamp = entry.get("mtime") or entry.get("LastModified") or entry.get("created") or 0.0
    return stamp.timestamp() if isinstance(stamp, datetime) else float(stamp)
