"""Whole files: dumps, delivered once, and the spool of databases: planned, counted, read."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from governance.config import Limits, Source
from ingestion.compression import DamagedError
from ingestion.containers import csv_files, parquet_files, text_files
from ingestion.containers.rows import FileProblem, Row
from ingestion.formats import mapping_of
from ingestion.formats.mapped import mapped_paths
from ingestion.formats.record import Format
from ingestion.names import did_you_mean
from ingestion.segments import (
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
    limits: Limits,
) -> Span | Problem | None:
    """What to read of a whole file: everything, once; nothing when it was read before.

    Returns:
        the span; a problem; None when there is nothing new.
    """
    try:
        if committed is not None and not again:
            return _changed(landing, segment, committed)
        length, content = _digest(landing, segment)
        if not length:
            return None
        unknown = unknown_columns(landing, segment)
        if unknown is not None:
            return unknown
        found = None if segment.container == "lines" else count_rows(landing, segment, limits)
    except DamagedError as error:
        return damaged(segment, error)
    except FileProblem as error:
        return Problem(segment.source, segment.name, error.what, error.fix)
    except OSError as error:
        return unreadable(segment, error)
    generation = 1 if committed is None else committed.generation + again
    end = length if found is None else found
    seen = f"{segment.modified}:{content}"
    return Span(segment, generation, 0, end, seen, content, found)


def rows(landing: Landing, span: Span, form: Format, limits: Limits) -> Iterator[list[Row]]:
    """The rows of a span of a table, or of lines of text.

    Raises:
        FileProblem: it is no such file, or a damaged one.
        DamagedError: a compressed file is truncated or damaged.
    """
    source, segment = landing.source, span.segment
    with landing.opened(segment) as file:
        if segment.container == "csv":
            wanted = _wanted(source, segment)
            yield from csv_files.rows(file, source.csv, line_bytes=limits.line_bytes, wanted=wanted)
        elif segment.container == "parquet":
            yield from parquet_files.rows(file, wanted=_wanted(source, segment))
        else:
            assert form.parse_line is not None, f"{source.shape} reads no lines of text"
            yield from text_files.rows(file, form.parse_line, line_bytes=limits.line_bytes)


def count_rows(landing: Landing, segment: Segment, limits: Limits) -> int:
    """The rows of a file, counted by another reader than ``rows``.

    Raises:
        FileProblem: it is no such file, or a damaged one.
        DamagedError: a compressed file is truncated or damaged.
    """
    with landing.opened(segment) as file:
        if segment.container == "csv":
            return csv_files.count(file, landing.source.csv, line_bytes=limits.line_bytes)
        if segment.container == "parquet":
            return parquet_files.count(file)
        return text_files.count(file)


def _changed(landing: Landing, segment: Segment, committed: Committed) -> Problem | None:
    """A file that is not what was loaded; it is opened only where size and time leave a doubt."""
    *_, modified, content = committed.head_digest.split(":")
    if segment.size == committed.size and (
        modified == str(segment.modified) or _digest(landing, segment)[1] == content
    ):
        return None
    again = f"throughline load {segment.source} --again   (reads the whole source from its start)"
    return Problem(
        segment.source,
        segment.name,
        "holds other bytes than when it was loaded",
        "Dumps are delivered once: restore it and deliver what is new under a new name, or accept"
        f" what it holds now: {again}",
    )


def _digest(landing: Landing, segment: Segment) -> tuple[int, str]:
    """Length and digest of the uncompressed content; reads all of it, so damage is found here."""
    seen = hashlib.sha256()
    length = 0
    for block in landing.blocks(segment, 0, None):
        seen.update(block)
        length += len(block)
    return length, seen.hexdigest()


def _wanted(source: Source, segment: Segment) -> list[str] | None:
    """The columns a mapping reads; None for all."""
    mapping = mapping_of(source, segment.name)
    if mapping is None or "*" in mapping.properties:
        return None
    paths = {path for named in mapped_paths(mapping).values() for path in named}
    return sorted(paths | {path.partition(".")[0] for path in paths} | set(OWN_COLUMNS))


def unknown_columns(landing: Landing, segment: Segment) -> Problem | None:
    """A mapping that names a column the table does not have."""
    mapping = mapping_of(landing.source, segment.name)
    if mapping is None or segment.container not in _TABULAR:
        return None
    if landing.source.kind == "app_database":
        return None  # asked of the table itself; rows kept from before lack what is mapped since
    with landing.opened(segment) as file:
        columns = (
            parquet_files.columns(file)
            if segment.container == "parquet"
            else csv_files.columns(file, landing.source.csv)
        )
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
