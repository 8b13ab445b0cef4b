"""Reading compressed files: gzip and zstd, with a truncated file told apart from a whole one."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, Literal, cast

import zstandard

Compression = Literal["gzip", "zstd"] | None

COMPRESSIONS: dict[str, Compression] = {".gz": "gzip", ".zst": "zstd"}
BLOCK_BYTES = 1 << 22


class DamagedError(Exception):
    """A compressed file that ends too soon or cannot be decompressed."""


@contextmanager
def decompressed(raw: BinaryIO, compression: Compression) -> Iterator[BinaryIO]:
    """The uncompressed bytes of an open file."""
    if compression == "gzip":
        with gzip.GzipFile(fileobj=raw) as file:
            yield cast("BinaryIO", file)
    elif compression == "zstd":
        with io.BufferedReader(_ZstdFile(raw)) as file:
            yield cast("BinaryIO", file)
    else:
        yield raw


def read_block(file: BinaryIO, size: int) -> bytes:
    """The next bytes.

    Raises:
        DamagedError: a compressed file is truncated or damaged.
    """
    try:
        return file.read(size)
    except (EOFError, gzip.BadGzipFile, zlib.error, zstandard.ZstdError) as error:
        raise DamagedError(str(error)) from None


def skip(file: BinaryIO, count: int) -> None:
    """Go ``count`` bytes ahead."""
    if count and not isinstance(file, gzip.GzipFile | io.BufferedReader) and file.seekable():
        file.seek(count)
        return
    while count > 0:
        block = read_block(file, min(BLOCK_BYTES, count))
        if not block:
            return
        count -= len(block)


def compression_of(name: str) -> tuple[str, Compression]:
    """A file's name without the ending of its compression, and the compression."""
    for suffix, compression in COMPRESSIONS.items():
        if name.lower().endswith(suffix):
            return name[: -len(suffix)], compression
    return name, None


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
