"""Which bytes of append-only segments are new: committed positions compared with the files."""

from __future__ import annotations

import time
from collections.abc import Callable

from ingestion.compression import BLOCK_BYTES, DamagedError
from ingestion.segments import (
    HEAD_BYTES,
    Committed,
    Landing,
    Problem,
    Segment,
    Span,
    Waiting,
    damaged,
    unreadable,
)

TAIL_PATIENCE_SECONDS = 3600
"""An unfinished last line that has not grown for so long is read as it is."""

IsRecord = Callable[[bytes], bool]


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
        return damaged(segment, error)
    except OSError as error:
        return unreadable(segment, error)
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
