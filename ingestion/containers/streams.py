"""Streams of bytes: compressed ones opened, read in blocks, damage told as a problem of the file."""

from __future__ import annotations

import gzip
import io
import zipfile
import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO, cast

import zstandard

from ingestion.containers.names import Compression
from ingestion.containers.problems import FileProblem

BLOCK_BYTES = 1 << 22

DAMAGES = (EOFError, gzip.BadGzipFile, zlib.error, zstandard.ZstdError, zipfile.BadZipFile)
"""What the decompressors raise on a truncated or damaged file."""

_ZIP_MAGIC = b"PK\x03\x04"


def decompressed(raw: BinaryIO, compression: Compression) -> BinaryIO:
    """The stream within a compressed one, which is not closed with it.

    Raises:
        FileProblem: it is a zip archive whatever its name says (Amplitude's exports are such).
    """
    if compression is None:
        return raw
    buffered = raw if isinstance(raw, io.BufferedReader) else io.BufferedReader(_Raw(raw))
    if buffered.peek(4)[:4] == _ZIP_MAGIC:
        raise FileProblem("is a zip archive, whatever its name says", "Rename it to end in .zip.")
    if compression == "gzip":
        return cast("BinaryIO", gzip.GzipFile(fileobj=buffered))
    return io.BufferedReader(ZstdFile(buffered))


def blocks(stream: BinaryIO) -> Iterator[bytes]:
    """The bytes of a stream in blocks.

    Raises:
        FileProblem: a compressed file is truncated or damaged.
    """
    while block := read(stream, BLOCK_BYTES):
        yield block


def read(stream: BinaryIO, size: int) -> bytes:
    """Some bytes of a stream; none at its end.

    Raises:
        FileProblem: a compressed file is truncated or damaged.
    """
    try:
        return stream.read(size)
    except DAMAGES as error:
        raise damaged(error) from None


def damaged(error: Exception) -> FileProblem:
    """The problem of a file that ends too soon or cannot be decompressed."""
    return FileProblem(
        f"is truncated or damaged: {error}",
        "It is loaded once it is complete; if nobody writes it any more, replace it.",
    )


class _Raw(io.RawIOBase):
    """A file-like object of any kind as a raw stream, for the standard buffer."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


class ZstdFile(io.RawIOBase):
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
