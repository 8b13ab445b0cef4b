"""CSV records: blocks of bytes cut into lines, the csv module's fields, every bound kept."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

from ingestion.containers.csv_shape import Shape, is_undecodable
from ingestion.refusals import Reason, Refusal

if TYPE_CHECKING:
    from _csv import Reader

_KEPT_OF_LONG = 1 << 16
_FIELD_BYTES = 1 << 30  # records are bounded before the csv module sees them
_END_OF_LINE = re.compile(rb"[\r\n]")
# To the csv module this is a record of its own, unless a quote before it is still open.
_END = "\x00end"

Record = tuple[list[str], bytes, Refusal | None]
"""Fields, bytes, and why the fields are not to be trusted."""


class Records:
    """Cuts blocks into physical lines and has the csv module parse them."""

    def __init__(self, shape: Shape, line_bytes: int) -> None:
        self._delimiter, self._quote = shape.delimiter, shape.quote
        self._line_bytes = line_bytes
        self._encoding = shape.encoding
        self._open: list[bytes] = []  # lines of a record whose quote is not closed yet
        if csv.field_size_limit() < _FIELD_BYTES:
            csv.field_size_limit(_FIELD_BYTES)

    def read(self, blocks: Iterable[bytes]) -> Iterator[list[Record]]:
        """Lists of records; blank lines are none."""
        for lines in _physical_lines(blocks, self._line_bytes):
            if isinstance(lines, _LongLine):
                yield from self._give_up()
                yield [([], lines.kept, _too_large(lines.length))]
                continue
            self._open += lines
            yield self._parse()
            while sum(map(len, self._open)) > self._line_bytes + 2:
                yield [self._unclosed(self._open.pop(0))]
                yield self._parse()
        yield from self._give_up()

    def _give_up(self) -> Iterator[list[Record]]:
        """No more lines can close the open quote."""
        while self._open:
            yield [self._unclosed(self._open.pop(0))]
            yield self._parse()

    def _unclosed(self, line: bytes) -> Record:
        detail = "a quote that is not closed within limits.line_bytes"
        return [], line, Refusal(Reason.MALFORMED_ROW, "", detail)

    def _parse(self) -> list[Record]:
        """The records that are whole; the lines of one that is not stay open."""
        lines, self._open = self._open, []
        found: list[Record] = []
        at = 0
        while at < len(lines):
            at += self._parse_lines(lines[at:] if at else lines, found)
        return found

    def _parse_lines(self, lines: list[bytes], found: list[Record]) -> int:
        """Parse lines until one has to be given up; how many were consumed."""
        data = b"".join(lines)
        try:
            text, is_bad = data.decode(), False
        except UnicodeDecodeError:
            text, is_bad = data.decode("utf-8", "surrogateescape"), True
        fields = list(self._reader(text))
        if len(fields) == len(lines) + 1:  # every line is a record
            fields.pop()
            if is_bad:
                found += [
                    self._record(*pair) for pair in zip(fields, lines, strict=True) if pair[0]
                ]
            else:
                found += [(row, line, None) for row, line in zip(fields, lines, strict=True) if row]
            return len(lines)
        return self._walk(lines, text, found)

    def _walk(self, lines: list[bytes], text: str, found: list[Record]) -> int:
        """As ``_parse_lines``, looking where each record ends."""
        reader = self._reader(text)
        at = 0
        for row in reader:
            end = reader.line_num
            if end > len(lines):
                self._open = lines[at:]  # empty, unless an open quote swallowed the sign
                break
            data = lines[at] if end == at + 1 else b"".join(lines[at:end])
            if end > at + 1 and len(_bare(data)) > self._line_bytes:
                found.append(self._unclosed(lines[at]))
                return at + 1
            if row:
                found.append(self._record(row, data))
            at = end
        return len(lines)

    def _reader(self, text: str) -> Reader:
        lines = chain(io.StringIO(text, ""), (_END,))
        return csv.reader(lines, delimiter=self._delimiter, quotechar=self._quote)

    def _record(self, row: list[str], data: bytes) -> Record:
        if is_undecodable(data):
            detail = f"not written in {self._encoding}"
            return row, data, Refusal(Reason.BAD_UNICODE, "", detail)
        return row, data, None


@dataclass(frozen=True, slots=True)
class _LongLine:
    """A line beyond the bound: its first bytes."""

    kept: bytes
    length: int


def _physical_lines(blocks: Iterable[bytes], line_bytes: int) -> Iterator[list[bytes] | _LongLine]:
    """Lines with their ends, in lists; of a line beyond the bound only the first bytes are held."""
    rest, kept, length = b"", b"", 0  # length: of a long line that is being skipped
    for block in blocks:
        if length:
            end = _END_OF_LINE.search(block)
            if end is None:
                length += len(block)
                continue
            yield _LongLine(kept, length + end.start())
            block, length = block[end.start() :], 0
        data = rest + block
        # A carriage return at the very end may be half of the end of a line.
        cut = max(data.rfind(b"\n"), data.rfind(b"\r", 0, len(data) - 1)) + 1
        yield from _bounded(data[:cut].splitlines(keepends=True), line_bytes)
        rest = data[cut:]
        if len(_bare(rest)) > line_bytes:
            if rest.endswith(b"\r"):
                yield _LongLine(rest[:_KEPT_OF_LONG], len(rest) - 1)
            else:
                kept, length = rest[:_KEPT_OF_LONG], len(rest)
            rest = b""
    if length:
        yield _LongLine(kept, length)
    yield from _bounded(rest.splitlines(keepends=True), line_bytes)


def _bounded(lines: list[bytes], line_bytes: int) -> Iterator[list[bytes] | _LongLine]:
    if not lines:
        return
    if max(map(len, lines)) <= line_bytes:
        yield lines
        return
    short: list[bytes] = []
    for line in lines:
        bare = _bare(line)
        if len(bare) <= line_bytes:
            short.append(line)
            continue
        if short:
            yield short
            short = []
        yield _LongLine(bare[:_KEPT_OF_LONG], len(bare))
    if short:
        yield short


def _bare(data: bytes) -> bytes:
    """A line without its end."""
    if data.endswith(b"\r\n"):
        return data[:-2]
    return data[:-1] if data.endswith((b"\n", b"\r")) else data


def _too_large(length: int) -> Refusal:
    kept = min(length, _KEPT_OF_LONG)
    return Refusal(
        Reason.TOO_LARGE,
        "",
        f"a line of {length} bytes, beyond limits.line_bytes; its first {kept} bytes are kept",
    )
