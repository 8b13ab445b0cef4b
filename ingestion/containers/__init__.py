"""How records lie in files that are not JSON lines: tables and lines of text, row by row.

``rows_of`` and ``count_of`` share no reader: the ledger compares what they say.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import BinaryIO, Literal

from governance.config import Limits, Source
from ingestion.containers import csv_files, parquet_files, text_files
from ingestion.containers.rows import FileProblem, Row

Container = Literal["lines", "text", "csv", "parquet"]


def rows_of(
    container: Container,
    file: BinaryIO,
    source: Source,
    limits: Limits,
    wanted: Sequence[str] | None = None,
) -> Iterator[list[Row]]:
    """The rows of a file in groups, in flat memory.

    Args:
        container: how they lie in it.
        file: uncompressed, at its start; of Parquet seekable.
        source: whose file it is.
        limits: what is accepted.
        wanted: the columns of the records; all unless said.

    Raises:
        FileProblem: it cannot be read as it is.
        DamagedError: a compressed file is truncated or damaged.
    """
    if container == "csv":
        return csv_files.rows(file, source.csv, line_bytes=limits.line_bytes, wanted=wanted)
    if container == "parquet":
        return parquet_files.rows(file, wanted=wanted)
    return text_files.rows(file, _line_parser(source), line_bytes=limits.line_bytes)


def count_of(container: Container, file: BinaryIO, source: Source, limits: Limits) -> int:
    """How many rows ``rows_of`` must hand out, told apart from it.

    Raises:
        FileProblem: it cannot be read as it is; only reading all of it shows a wrong encoding.
        DamagedError: a compressed file is truncated or damaged.
    """
    if container == "csv":
        return csv_files.count(file, source.csv, line_bytes=limits.line_bytes)
    if container == "parquet":
        return parquet_files.count(file)
    _line_parser(source)
    return text_files.count(file)


def columns_of(
    container: Container,
    file: BinaryIO,
    source: Source,
    limits: Limits,  # noqa: ARG001 - as of the others
) -> tuple[str, ...]:
    """The names of a table's columns; lines of text have none.

    Raises:
        FileProblem: it cannot be read as it is.
        DamagedError: a compressed file is truncated or damaged.
    """
    if container == "csv":
        return csv_files.columns(file, source.csv)
    if container == "parquet":
        return parquet_files.columns(file)
    _line_parser(source)
    return ()


def _line_parser(source: Source) -> text_files.ParseLine:
    if source.shape == "combined_log":
        from ingestion.formats import combined_log

        return combined_log.parse_line
    raise FileProblem(
        f"holds lines of text, which a source of format {source.shape} does not",
        "Name it .jsonl if its lines are JSON, .csv if it is a table, or say format: combined_log.",
    )
