"""Sort any number of lines into landing files, holding one day of one source at a time.

A collector runs on several nodes, so the files of one day overlap in time; each is in received
order.
"""

from __future__ import annotations

import gzip
import io
import zlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import zstandard

from ingestion.sample.clock import moment

_STAMP = 15  # digits of a received time in ms, the key every spooled line begins with
_BUFFER_BYTES = 48 << 20
_NODES = {"web": 3, "mobile": 2, "backend": 1, "payments": 1}


@dataclass(frozen=True, slots=True)
class LandingFile:
    """One landing file: its path below ``landing/``, what it holds, and how many lines or rows."""

    path: str
    content: bytes
    lines: int


class Spool:
    """Lines waiting to be sorted; spills to ``folder`` when memory fills up."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._waiting: dict[tuple[str, int], list[bytes]] = defaultdict(list)
        self._bytes = 0

    def put(self, source: str, received: int, line: bytes) -> None:
        """Add a line that was received at ``received`` (ms)."""
        stamped = b"%015d" % received + line
        self._waiting[source, received // 86_400_000].append(stamped)
        self._bytes += len(stamped)
        if self._bytes > _BUFFER_BYTES:
            self._spill()

    def files(self) -> Iterator[LandingFile]:
        """Every landing file, one day in memory at a time."""
        for source, day in sorted(self._keys()):
            lines = sorted(self._take(source, day))
            yield from _files_of(source, day, lines)

    def _keys(self) -> set[tuple[str, int]]:
        spilled = {tuple(path.name.split(".")) for path in self._folder.glob("*.*")}
        return {key for key, lines in self._waiting.items() if lines} | {
            (source, int(day)) for source, day in spilled
        }

    def _take(self, source: str, day: int) -> list[bytes]:
        lines = self._waiting.pop((source, day), [])
        path = self._folder / f"{source}.{day}"
        if path.exists():
            # Lines never hold a raw newline, whatever else is wrong with them.
            lines += path.read_bytes().split(b"\n")[:-1]
            path.unlink()
        return lines

    def _spill(self) -> None:
        for (source, day), lines in self._waiting.items():
            if not lines:
                continue
            with (self._folder / f"{source}.{day}").open("ab") as file:
                file.write(b"\n".join(lines) + b"\n")
            lines.clear()
        self._bytes = 0


def _files_of(source: str, day: int, lines: list[bytes]) -> Iterator[LandingFile]:
    nodes: list[list[bytes]] = [[] for _ in range(_NODES[source])]
    for stamped in lines:
        line = stamped[_STAMP:]
        nodes[zlib.crc32(line) % len(nodes)].append(line)
    folder = f"{source}/{moment(day * 86_400_000).date().isoformat()}"
    for number, part in enumerate(nodes):
        if part:
            content, suffix = _packed(b"\n".join(part) + b"\n", day + number)
            yield LandingFile(f"{folder}/{number:02d}.jsonl{suffix}", content, len(part))


def _packed(content: bytes, turn: int) -> tuple[bytes, str]:
    """Some nodes compress what they rotate: one file in seven with gzip, one with zstd."""
    if turn % 7 == 3:
        packed = io.BytesIO()
        with gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=1, mtime=0) as file:
            file.write(content)
        return packed.getvalue(), ".gz"
    if turn % 7 == 5:
        return zstandard.ZstdCompressor(level=1).compress(content), ".zst"
    return content, ""
