"""Lines of text, each a record: the logs of servers. Positions are byte offsets of lines."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import BinaryIO

from ingestion.compression import BLOCK_BYTES, read_block
from ingestion.containers.line_count import written_lines
from ingestion.containers.rows import GROUP_ROWS, Row
from ingestion.parser import WHITESPACE, JsonObject
from ingestion.refusals import Reason, Refusal

ParseLine = Callable[[bytes], JsonObject]
"""Reads a line without its end; raises Refusal."""

_KEPT_OF_LONG = 1 << 16


def rows(file: BinaryIO, parse_line: ParseLine, *, line_bytes: int) -> Iterator[list[Row]]:
    """The lines in groups; blank ones are none, of one beyond the bound the first bytes are held.

    Raises:
        DamagedError: a compressed file is truncated or damaged.
    """
    group: list[Row] = []
    for offset, line, length in _lines(_blocks(file), line_bytes):
        if length > line_bytes:
            group.append(Row(offset, None, line, _too_large(length, len(line))))
        elif line.strip(WHITESPACE):
            group.append(_row(offset, line, parse_line))
        if len(group) >= GROUP_ROWS:
            yield group
            group = []
    if group:
        yield group


def count(file: BinaryIO) -> int:
    """How many lines ``rows`` must hand out, told apart from it.

    Raises:
        DamagedError: a compressed file is truncated or damaged.
    """
    total, begun = 0, False  # begun: the line that goes on was counted
    for block in _blocks(file):
        first, feed, rest = block.partition(b"\n")
        if not begun and written_lines(first):
            total, begun = total + 1, True
        if feed:
            whole, feed, last = rest.rpartition(b"\n")
            total += written_lines(whole)
            begun = written_lines(last) > 0
            total += begun
    return total


def _blocks(file: BinaryIO) -> Iterator[bytes]:
    while block := read_block(file, BLOCK_BYTES):
        yield block


def _row(offset: int, line: bytes, parse_line: ParseLine) -> Row:
    try:
        return Row(offset, parse_line(line), line, None)
    except Refusal as refusal:
        return Row(offset, None, line, refusal)


def _lines(blocks: Iterable[bytes], line_bytes: int) -> Iterator[tuple[int, bytes, int]]:
    """Offset, bytes and length of each line; of one beyond the bound only its first bytes."""
    offset, rest, length = 0, b"", 0  # length: of a long line that goes on
    is_blank = False
    for block in blocks:
        data = block
        if length:
            piece, feed, data = block.partition(b"\n")
            length += len(piece)
            is_blank = is_blank and not piece.strip(WHITESPACE)
            if not feed:
                continue
            if not is_blank:
                yield offset, rest, length
            offset, rest, length = offset + length + 1, b"", 0
        pieces = (rest + data).split(b"\n")
        rest = pieces.pop()
        for line in pieces:
            size = len(line)
            if size <= line_bytes:
                yield offset, line, size
            elif line.strip(WHITESPACE):
                yield offset, line[:_KEPT_OF_LONG], size
            offset += size + 1
        if len(rest) > line_bytes:
            is_blank = not rest.strip(WHITESPACE)
            rest, length = rest[:_KEPT_OF_LONG], len(rest)
    if length and not is_blank:
        yield offset, rest, length
    elif rest and not length:
        yield offset, rest, len(rest)


def _too_large(length: int, kept: int) -> Refusal:
    return Refusal(
        Reason.TOO_LARGE,
        "",
        f"a line of {length} bytes, beyond limits.line_bytes; its first {kept} bytes are kept",
    )
