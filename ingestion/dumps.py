"""Whole files: dumps, delivered once, and the spool of databases: planned, counted, read."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator

from governance.config import Limits
from ingestion.compression import DamagedError
from ingestion.containers.rows import FileProblem, Row
from ingestion.formats import mapping_of
from ingestion.formats.mapped import mapped_paths
from ingestion.names import did_you_mean
from ingestion.segments import (
    HEAD_BYTES,
    Committed,
    Landing,
    Problem,
    Segment,
    Span,
    damaged,
    unreadable,
)
from ingestion.spool import OWN_COLUMNS

_TABULAR = ("csv", "parquet")


def plan_whole(
    landing: Landing,
    segment: Segment,
    committed: Committed | None,
    *,
    again: bool,
    digest: Callable[[bytes], str],
    limits: Limits,
) -> Span | Problem | None:
    """What to read of a whole file: everything, once; nothing when it was read before.

    Returns:
        the span; a problem; None when there is nothing new.
    """
    try:
        if committed is not None and not again:
            return _changed(landing, segment, committed, digest)
        length, content = _digest(landing, segment)
        if not length:
            return None
        unknown = _unknown_columns(landing, segment, limits)
        if unknown is not None:
            return unknown
        head = landing.head(segment, HEAD_BYTES)
    except DamagedError as error:
        return damaged(segment, error)
    except FileProblem as error:
        return Problem(segment.source, segment.name, error.what, error.fix)
    except OSError as error:
        return unreadable(segment, error)
    generation = 1 if committed is None else committed.generation + again
    return Span(segment, generation, 0, length, f"{len(head)}:{digest(head)}", content)


def rows(landing: Landing, span: Span, limits: Limits) -> Iterator[list[Row]]:
    """The rows of a span of a table, or of lines of text."""
    with landing.opened(span.segment) as file:
        from ingestion.containers import rows_of

        yield from rows_of(
            span.segment.container, file, landing.source, limits, _wanted(landing, span.segment)
        )


def count_rows(landing: Landing, span: Span, limits: Limits) -> int:
    """The rows of a span, counted by another reader than ``rows``."""
    with landing.opened(span.segment) as file:
        from ingestion.containers import count_of

        return count_of(span.segment.container, file, landing.source, limits)


def _changed(
    landing: Landing, segment: Segment, committed: Committed, digest: Callable[[bytes], str]
) -> Problem | None:
    length, _, expected = committed.head_digest.partition(":")
    same = segment.size == committed.size and digest(landing.head(segment, int(length))) == expected
    if same:
        return None
    again = f"throughline load {segment.source} --again   (reads the whole source from its start)"
    return Problem(
        segment.source,
        segment.name,
        "holds other bytes than when it was loaded",
        f"Dumps are delivered once: give a new one a new name, or accept this one: {again}",
    )


def _digest(landing: Landing, segment: Segment) -> tuple[int, str]:
    """Length and digest of the uncompressed content; reads all of it, so damage is found here."""
    seen = hashlib.sha256()
    length = 0
    for block in landing.blocks(segment, 0, None):
        seen.update(block)
        length += len(block)
    return length, seen.hexdigest()


def _wanted(landing: Landing, segment: Segment) -> list[str] | None:
    """The columns a mapping reads; None for all."""
    mapping = mapping_of(landing.source, segment.name)
    if mapping is None or "*" in mapping.properties:
        return None
    paths = {path for named in mapped_paths(mapping).values() for path in named}
    return sorted(paths | {path.partition(".")[0] for path in paths} | set(OWN_COLUMNS))


def _unknown_columns(landing: Landing, segment: Segment, limits: Limits) -> Problem | None:
    """A mapping that names a column the table does not have."""
    mapping = mapping_of(landing.source, segment.name)
    if mapping is None or segment.container not in _TABULAR:
        return None
    with landing.opened(segment) as file:
        from ingestion.containers import columns_of

        columns = columns_of(segment.container, file, landing.source, limits)
    for key, paths in mapped_paths(mapping).items():
        for path in paths:
            if path not in columns and path.partition(".")[0] not in columns:
                return Problem(
                    segment.source,
                    segment.name,
                    f"has no column {path!r}, which mapping.{key} names",
                    did_you_mean(path, columns),
                )
    return None
