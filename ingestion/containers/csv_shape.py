"""How a CSV file is written: encoding, delimiter and columns, told from its first lines."""

from __future__ import annotations

import codecs
import csv
import io
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import BinaryIO

from governance.config import Csv
from ingestion.compression import BLOCK_BYTES, read_block
from ingestion.containers.rows import FileProblem

DELIMITERS = (",", ";", "\t", "|")
"""Tried in this order where none is configured."""

_HEAD_BYTES = 1 << 16
_HEAD_ROWS = 100
_BAD_LINES = 10
_BOMS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


@dataclass(frozen=True, slots=True)
class Shape:
    """How a file is written: found out from its first lines, or configured."""

    encoding: str
    delimiter: str
    quote: str
    names: tuple[str, ...]
    has_header: bool


def begin(file: BinaryIO, spec: Csv) -> tuple[Shape, Iterator[bytes]]:
    """How a file is written, and all of it as blocks of UTF-8.

    Raises:
        FileProblem: no header, a name twice, another encoding, or rows of another length.
        DamagedError: a compressed file is truncated or damaged.
    """
    _check_spec(spec)
    head = bytearray()
    while len(head) < _HEAD_BYTES and (block := read_block(file, _HEAD_BYTES - len(head))):
        head += block
    _check_encoding(bytes(head), spec)
    blocks = _utf8(chain([bytes(head)], _blocks(file)), spec.encoding)
    first = next(blocks, b"")
    return _shape(first, spec, is_all=len(head) < _HEAD_BYTES), chain([first], blocks)


def _check_spec(spec: Csv) -> None:
    try:
        codecs.lookup(spec.encoding)
    except LookupError:
        raise FileProblem(
            f"cannot be read: {spec.encoding!r} is no encoding",
            "Name one of utf-8, latin-1, cp1252, utf-16.",
        ) from None
    for name, sign in (("delimiter", spec.delimiter), ("quote", spec.quote)):
        if sign is not None and (not sign.isascii() or sign.isalnum() or sign in "\r\n\x00"):
            raise FileProblem(
                f"cannot be read: csv.{name} must be an ASCII sign that is no letter or digit",
                "Leave it out of csv, or write the sign between the fields.",
            )
    if spec.delimiter == spec.quote:
        raise FileProblem(
            "cannot be read: csv.delimiter and csv.quote are the same sign",
            "A file without quotes takes any sign it does not hold as its quote.",
        )


def _check_encoding(head: bytes, spec: Csv) -> None:
    """UTF-16 looks like text with a NUL beside every letter: nothing of it would be a row."""
    if codecs.lookup(spec.encoding).name.startswith(("utf-16", "utf-32")):
        return
    marked = next((name for bom, name in _BOMS.items() if head.startswith(bom)), None)
    if marked is None and head.count(0) * 4 > len(head):
        marked = "utf-16-le" if head[1:2] == b"\x00" else "utf-16-be"
    if marked is not None:
        raise FileProblem(
            f"is written in {marked}, not in {spec.encoding}",
            f"Say so at its source: csv: {{encoding: {marked}}}",
        )


def _blocks(file: BinaryIO) -> Iterator[bytes]:
    while block := read_block(file, BLOCK_BYTES):
        yield block


def _utf8(blocks: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    """The same text in UTF-8 without a byte order mark; what cannot be decoded stays as it is."""
    name = codecs.lookup(encoding).name
    if name not in ("utf-8", "utf-8-sig", "ascii"):
        blocks = _recoded(blocks, name)
    first = True
    for block in blocks:
        yield block.removeprefix(codecs.BOM_UTF8) if first else block
        first = False


def _recoded(blocks: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    errors = "strict" if encoding.startswith(("utf-16", "utf-32")) else "surrogateescape"
    decoder = codecs.getincrementaldecoder(encoding)(errors)
    try:
        for block in blocks:
            yield decoder.decode(block).encode("utf-8", "surrogateescape")
        if rest := decoder.decode(b"", True):
            yield rest.encode("utf-8", "surrogateescape")
    except UnicodeError:
        raise FileProblem(
            f"is not written in {encoding}, or is cut off within a character",
            "Name its encoding at its source: csv: {encoding: utf-8}, or latin-1, cp1252, utf-16.",
        ) from None


def _shape(head: bytes, spec: Csv, *, is_all: bool) -> Shape:
    if not is_all:
        whole = max(head.rfind(b"\n"), head.rfind(b"\r")) + 1
        if not whole:
            raise FileProblem(
                f"has a first line of more than {len(head)} bytes",
                "Is it CSV? Its first line names the columns.",
            )
        head = head[:whole]
    text = head.decode("utf-8", "replace")
    delimiter = spec.delimiter or _delimiter(text, spec.quote)
    _judge_encoding(*_decodable(head), head.count(b"\n"), spec.encoding, delimiter)
    sample = _sample(text, delimiter, spec.quote)
    names = spec.columns or (_names(sample[0]) if sample else ())
    if not names:
        raise FileProblem(
            "has no header",
            "Its first line must name the columns, or write csv: {columns: [...]} at its source.",
        )
    double = [name for name, times in Counter(names).items() if times > 1]
    if double:
        raise FileProblem(
            f"has two columns called {double[0]!r}",
            "Rename one of them in the file, or name all columns with csv: {columns: [...]}.",
        )
    shape = Shape(spec.encoding, delimiter, spec.quote, tuple(names), not spec.columns)
    _check_lengths(shape, sample if spec.columns else sample[1:], text, is_all=is_all)
    return shape


def _names(header: Sequence[str]) -> tuple[str, ...]:
    """Names without the blanks around them; pandas leaves that of its index empty."""
    return tuple(name.strip() or f"column_{i}" for i, name in enumerate(header, 1))


def _sample(text: str, delimiter: str, quote: str) -> list[list[str]]:
    reader = csv.reader(io.StringIO(text, ""), delimiter=delimiter, quotechar=quote)
    try:
        return list(islice(filter(None, reader), _HEAD_ROWS))
    except csv.Error:  # a field beyond the module's own limit: no row to learn from
        return []


def _delimiter(text: str, quote: str) -> str:
    """The sign that parts the header into columns and most rows into as many."""
    best, found = (0.0, 1), DELIMITERS[0]
    for delimiter in DELIMITERS:
        alike, width = _fit(_sample(text, delimiter, quote))
        if width > 1 and (alike, width) > best:
            best, found = (alike, width), delimiter
    return found


def _fit(sample: list[list[str]]) -> tuple[float, int]:
    """The share of rows as long as the first, and that length."""
    width = len(sample[0]) if sample else 0
    return sum(len(row) == width for row in sample) / max(len(sample), 1), width


def _check_lengths(shape: Shape, sample: list[list[str]], text: str, *, is_all: bool) -> None:
    """A delimiter that parts nothing, or rows that all have another length than the header."""
    width = len(shape.names)
    other = _delimiter(text, shape.quote)
    if other != shape.delimiter and (
        width == 1 and _fit(_sample(text, other, shape.quote))[0] == 1
    ):
        raise FileProblem(
            f"has one column at the delimiter {shape.delimiter!r}",
            f"Are its fields parted by {other!r}? {advice(other, shape.encoding)}",
        )
    complete = sample if is_all or len(sample) == _HEAD_ROWS else sample[:-1]
    if complete and all(len(row) != width for row in complete):
        raise FileProblem(
            f"has {width} columns, but its rows have {len(complete[0])} fields at the delimiter"
            f" {shape.delimiter!r}",
            f"Say how it is written: {advice(other, shape.encoding)[:-1]}, columns: [...]}}",
        )


class EncodingWatch:
    """Looks at what passes by: is it another encoding, or are there a few broken rows?"""

    def __init__(self, shape: Shape) -> None:
        self._shape = shape
        self._good = 0
        self._bad = 0

    def watch(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        """The same blocks."""
        rest = b""
        for block in blocks:
            data = rest + block
            cut = max(data.rfind(b"\n"), data.rfind(b"\r")) + 1
            self._look(data[:cut])
            rest = data[cut:] if len(data) - cut <= BLOCK_BYTES else b""
            yield block
        self._look(rest)

    def judge(self, rows: int) -> None:
        """Raises: FileProblem: it is not the encoding that was named."""
        shape = self._shape
        _judge_encoding(self._good, self._bad, rows, shape.encoding, shape.delimiter)

    def _look(self, lines: bytes) -> None:
        good, bad = _decodable(lines)
        self._good += good
        self._bad += bad


def _decodable(lines: bytes) -> tuple[int, int]:
    """Lines beyond ASCII that can be decoded, and that cannot."""
    if lines.isascii():
        return 0, 0
    beyond = [line for line in lines.split(b"\n") if not line.isascii()]
    try:
        lines.decode()
    except UnicodeDecodeError:
        bad = sum(map(is_undecodable, beyond))
        return len(beyond) - bad, bad
    return len(beyond), 0


def _judge_encoding(good: int, bad: int, rows: int, encoding: str, delimiter: str) -> None:
    """A few broken rows are refused; where most are broken, the encoding is another."""
    if bad and bad >= good and bad >= min(_BAD_LINES, rows // 100):
        is_utf = codecs.lookup(encoding).name in ("utf-8", "utf-8-sig", "ascii")
        raise FileProblem(
            f"is not written in {encoding}: {bad} of its lines cannot be decoded",
            "Name its encoding at its source: "
            + advice(delimiter, "latin-1" if is_utf or "1252" in encoding else "utf-8"),
        )


def is_undecodable(data: bytes) -> bool:
    """Whether bytes are not UTF-8."""
    try:
        data.decode()
    except UnicodeDecodeError:
        return True
    return False


def advice(delimiter: str, encoding: str) -> str:
    """The YAML that names a delimiter and an encoding."""
    delimiter = delimiter.replace("\t", "\\t")
    return f'csv: {{delimiter: "{delimiter}", encoding: {encoding}}}'
