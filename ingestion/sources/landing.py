"""dlt source: landing segments (JSON lines; plain, gz, zst; local or fsspec) -> ``raw``.

::

    landing/<source>/*.jsonl --> batches --+--> events    accepted and stripped records
                                           +--> rejects   quarantined ones, bytes in rejects/
                                           +--> segments  what was read, from where to where
                    receipts (counted apart) --> receipts
                    throughline.yml ----------> exchange_rates
                    identity_overrides.jsonl -> identity_overrides

Alone: ``python -m ingestion.sources.landing --home DIR [source] [--again]``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dlt
import pyarrow as pa
from dlt.extract import DltResource, DltSource

from ingestion.raw_schema import TABLES
from ingestion.reading import Reading, Tables


def landing(reading: Reading, exchange_rates: pa.Table, identity_overrides: pa.Table) -> DltSource:
    """The dlt source of one load.

    Positions are not kept in dlt's state: the state is one blob for all sources, committed apart
    from the rows, while ``raw.segments`` is committed with them and can be read with SQL. Nothing
    here takes an argument of dlt's, so nothing can be filled in from the environment.
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
            _whole("receipts", reading.receipts),
            # Whole files at every load; of them the newest load's rows count. To replace them, dlt
            # would empty the table first: a load killed then would leave nothing.
            _whole("exchange_rates", exchange_rates),
            _whole("identity_overrides", identity_overrides),
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


def _whole(table: str, rows: pa.Table) -> DltResource:
    @dlt.resource(name=table, write_disposition="append", columns=_columns(table))
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


def main(arguments: list[str] | None = None) -> int:
    """Load a home's landing and print the counts; returns the exit code."""
    # Below, because ingestion.load imports this module for the source it runs.
    from governance.config import load_config
    from governance.errors import ThroughlineError
    from governance.home import find_home
    from governance.keys import load_keys
    from ingestion.load import load

    parser = argparse.ArgumentParser(prog="python -m ingestion.sources.landing")
    parser.add_argument("source", nargs="?", help="one source; all when not given")
    parser.add_argument("--home", type=Path, help="the home; THROUGHLINE_HOME or ./data otherwise")
    parser.add_argument("--again", action="store_true", help="read every segment from its start")
    given = parser.parse_args(arguments)
    try:
        home = find_home(given.home)
        chosen = [given.source] if given.source else None
        report = load(home, load_config(home), load_keys(home), sources=chosen, again=given.again)
    except ThroughlineError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    for part in report.sources:
        reasons = ", ".join(f"{count} {reason}" for reason, count in part.quarantined.items())
        sys.stdout.write(
            f"{part.source}: {part.segments} segments, {part.lines} lines,"
            f" {part.accepted} accepted, {part.stripped} stripped,"
            f" quarantined: {reasons or 'none'}\n"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
