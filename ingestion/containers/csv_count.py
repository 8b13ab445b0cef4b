"""Counting the records of CSV by patterns over bytes.

Shares no splitting and no parser with ``csv_records``, so that the ledger can compare the two.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from ingestion.containers.csv_shape import Shape
from ingestion.containers.line_count import visible_lines

_END_OF_LINE = re.compile(rb"[\r\n]")


class RecordCount:
    """Counts records by patterns over bytes."""

    def __init__(self, shape: Shape, line_bytes: int) -> None:
        quote, delimiter = (re.escape(s.encode()) for s in (shape.quote, shape.delimiter))
        inside = rb"[^%b]*+(?:%b%b[^%b]*+)*+" % (quote, quote, quote, quote)
        quoted = rb"%b%b%b[^%b\r\n]*+" % (quote, inside, quote, delimiter)
        plain = rb"(?!%b)[^%b\r\n]*+" % (quote, delimiter)
        field = rb"(?:%b|%b)" % (quoted, plain)
        self._record = re.compile(rb"%b(?:%b%b)*+(\r\n|\n|\r|\Z)" % (field, delimiter, field))
        self._line = re.compile(rb"[^\r\n]*+(\r\n|\n|\r|\Z)")
        self._quote = shape.quote.encode()
        self._line_bytes = line_bytes

    def of(self, blocks: Iterable[bytes]) -> int:
        """The records of a stream of UTF-8, the header among them."""
        total = 0
        data = b""
        skipping = False  # the rest of a line beyond the bound
        for block in blocks:
            if skipping:
                end = _END_OF_LINE.search(block)
                if end is None:
                    continue
                block, skipping = block[end.start() :], False
            data += block
            found, at = self._whole(data, final=False)
            total += found
            data = data[at:]
            if len(data) > self._line_bytes + 1 and not _END_OF_LINE.search(data, 0, len(data) - 1):
                total += 1
                skipping = not data.endswith((b"\n", b"\r"))
                data = b""
        return total + self._whole(data, final=True)[0]

    def _whole(self, data: bytes, *, final: bool) -> tuple[int, int]:
        """The number of records that are whole, and where the rest begins."""
        total = at = 0
        size = len(data)
        while at < size:
            quote = data.find(self._quote, at)
            if quote != at:  # lines without a quote are records
                until = size if quote < 0 else quote
                if quote >= 0 or not final:
                    until = max(data.rfind(b"\n", at, until), data.rfind(b"\r", at, until)) + 1
                if until > at:
                    total += visible_lines(data[at:until])
                    at = until
                if quote < 0:
                    break
            found, after = self._one(data, at, final=final)
            if after == at:
                break
            total += found
            at = after
        return total, at

    def _one(self, data: bytes, at: int, *, final: bool) -> tuple[int, int]:
        """One record from ``at``: 0 when blank, and where the next one begins; ``at`` to wait."""
        line = self._line.match(data, at)
        assert line is not None  # it matches an empty line
        match = self._record.match(data, at)
        if match is not None and (final or match[1]):
            length = match.start(1) - at
            if length <= self._line_bytes or line.end() == match.end():
                return int(length > 0), match.end()
            return 1, line.end()  # its quote is closed too late: its first line stands alone
        if final or (len(data) - at > self._line_bytes + 2 and line[1]):
            return 1, line.end()
        return 0, at
