"""dlt source: landing segments (JSON lines; plain, gz, zst; a local folder or an fsspec address) -> ``raw``.

::

    landing/<source>/*.jsonl --> batches --+--> events    accepted and stripped records
                                           +--> rejects   quarantined ones; their bytes lie in rejects/
                                           +--> segments  what was read, from where to where
                    receipts (counted apart) --> receipts
                    throughline.yml ----------> exchange_rates

Alone: ``python -m ingestion.sources.landing --home DIR [source] [--again]``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import dlt
import pyarrow as pa
from dlt.extract import DltResource, DltSource

from ingestion.raw_schema import TABLES
from ingestion.reading import Reading, Tables


def landing(reading: Reading, exchange_rates: pa.Table) -> DltSource:
    """The dlt source of one load.

    Positions are not kept in dlt's state: the state is one blob for all sources, committed apart from the
    rows, while ``raw.segments`` is committed with them and can be read with SQL. Nothing here takes an argument
    of dlt's, so nothing can be filled in from the environment.
    """

    @dlt.resource(name="batches", selected=False)
    def batches() -> Iterator[Tables]:
        yield from reading.batches()

    @dlt.source(name="throughline", max_table_nesting=0)
    def throughline() -> list[DltResource]:
        return [
            _part("events", batches),
            _part("rejects", batches),
            _part("segments", batches),
            _whole("receipts", reading.receipts, "append"),
            _whole("exchange_rates", exchange_rates, "replace"),
        ]

    return throughline()


def _part(table: str, batches: DltResource) -> DltResource:
    """One table of every batch. dlt runs the parent once, however many transformers hang on it."""

    @dlt.transformer(
        data_from=batches, name=table, write_disposition="append", columns=_columns(table)
    )
    def part(tables: Tables) -> Iterator[pa.Table]:
        if table in tables:
            yield tables[table]

    return part


def _whole(table: str, rows: pa.Table, disposition: Any) -> DltResource:
    @dlt.resource(name=table, write_disposition=disposition, columns=_columns(table))
    def whole() -> Iterator[pa.Table]:
        yield rows

    return whole


def _columns(table: str) -> Any:
    """Hints for what Arrow leaves open: dlt makes time stamps without a zone zoned unless told."""
    return {
        field.name: {"data_type": "timestamp", "timezone": False, "precision": 6}
        for field in TABLES[table]
        if pa.types.is_timestamp(field.type)
    }
