"""Zip archives: their members, found safe before anything of them is read.

Nothing is ever unpacked to a path of the archive's choice; names only name segments. All the same,
an archive with a name that would leave its folder is refused as a whole: it was made to harm.
"""

from __future__ import annotations

import shutil
import stat
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, BinaryIO, NamedTuple, NoReturn, cast

from ingestion.compression import DamagedError
from ingestion.containers.rows import FileProblem

MAX_BYTES = 200 * 2**30
"""Of all members of an archive together."""
MAX_RATIO = 250
"""Of a member's bytes to what they take in the archive; logs reach 20 to 60, a bomb 1,000."""
MAX_MEMBERS = 100_000

_SMALL = 64 * 2**20  # what is not larger harms nobody, however well it packs
_ENCRYPTED = 0x1
_REFUSED = (zipfile.BadZipFile, NotImplementedError, OSError, RuntimeError, EOFError)


class Member(NamedTuple):
    """A file in an archive."""

    name: str
    size: int
    """Bytes once unpacked."""


def members(file: BinaryIO) -> list[Member]:
    """The files of an archive by name, without folders and what macOS adds.

    Raises:
        FileProblem: not a whole zip archive, or one with a member that nobody should read.
    """
    with _opened(file) as archive:
        entries = archive.infolist()
    if len(entries) > MAX_MEMBERS:
        raise FileProblem(f"holds {len(entries)} files", "Unpack it, and name the folder as path.")
    found: dict[str, Member] = {}
    for entry in entries:
        _check_name(entry)
        if entry.is_dir() or _is_clutter(entry.filename):
            continue
        _check(entry)
        if entry.filename in found:
            _refuse(entry.filename, "is in it twice")
        found[entry.filename] = Member(entry.filename, entry.file_size)
    total = sum(member.size for member in found.values())
    if total > MAX_BYTES:
        raise FileProblem(f"holds {total} bytes once unpacked", "Unpack it after a look into it.")
    return sorted(found.values())


@contextmanager
def member(file: BinaryIO, name: str) -> Iterator[BinaryIO]:
    """A member as a stream; Parquet, which is read from its end, as a file of its own.

    Raises:
        FileProblem: the archive is damaged, or the member is one nobody should read.
        KeyError: there is no such member.
    """
    with _opened(file) as archive:
        entry = archive.getinfo(name)
        _check_name(entry)
        _check(entry)
        with _stream(archive, entry) as stream, tempfile.TemporaryFile() as copy:
            if name.lower().endswith(".parquet"):
                _copy(stream, copy)
                yield cast("BinaryIO", copy)
            else:
                yield cast("BinaryIO", _Stream(cast("BinaryIO", stream)))


@contextmanager
def _opened(file: BinaryIO) -> Iterator[zipfile.ZipFile]:
    try:
        archive = zipfile.ZipFile(file)
    except _REFUSED as error:
        raise FileProblem(
            f"is not a whole zip archive: {error}",
            "It is loaded once it is complete; if nobody writes it any more, replace it.",
        ) from None
    with archive:
        yield archive


def _stream(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> IO[bytes]:
    try:
        return archive.open(entry)
    except _REFUSED as error:
        raise FileProblem(
            f"has a member {entry.filename!r} that cannot be read: {error}",
            "Unpack it, and name the folder as path.",
        ) from None


def _copy(stream: IO[bytes], copy: IO[bytes]) -> None:
    try:
        shutil.copyfileobj(stream, copy)
    except (*_REFUSED[:2], EOFError) as error:
        raise DamagedError(str(error)) from None
    copy.seek(0)


class _Stream:
    """A member being read, its damage told as that of any compressed file."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def read(self, size: int = -1) -> bytes:
        try:
            return self._stream.read(size)
        except (*_REFUSED[:2], EOFError) as error:
            raise DamagedError(str(error)) from None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False


def _check_name(entry: zipfile.ZipInfo) -> None:
    name = entry.orig_filename
    parts = name.split("/")
    if name.startswith("/") or ".." in parts or name[1:2] == ":":
        _refuse(name, "would lie outside of its folder")
    if "\\" in name or "\x00" in name:
        _refuse(name, "has a backslash or a NUL in its name")


def _check(entry: zipfile.ZipInfo) -> None:
    name = entry.filename
    mode = entry.external_attr >> 16
    if entry.flag_bits & _ENCRYPTED:
        _refuse(name, "is encrypted", "Unpack it with its password.")
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        _refuse(name, "is a link or a device, not a file")
    if name.lower().endswith(".zip"):
        _refuse(name, "is an archive itself", "Unpack it once.")
    if entry.file_size > _SMALL and entry.file_size > entry.compress_size * MAX_RATIO:
        _refuse(name, f"unpacks to more than {MAX_RATIO} times its size")


def _refuse(name: str, what: str, fix: str = "Do not trust it; ask who made it.") -> NoReturn:
    raise FileProblem(f"is refused: its member {name!r} {what}", fix)


def _is_clutter(name: str) -> bool:
    return name.startswith("__MACOSX/") or name.rpartition("/")[2] in (".DS_Store", "Thumbs.db")
