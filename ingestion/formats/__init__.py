"""Wire formats: each maps a producer's record to the native JSON form, and nothing else."""

from __future__ import annotations

from dataclasses import replace

from governance.config import Mapping, Source, Table
from ingestion.formats import amplitude, combined_log, github, native, segment, shopify, stripe
from ingestion.formats.fields import Digest
from ingestion.formats.mapped import mapped
from ingestion.formats.record import Format
from ingestion.spool import folder_of

_READY: dict[str, Format] = {
    "native": native.FORMAT,
    "segment": segment.FORMAT,
    "amplitude": amplitude.FORMAT,
    "stripe": stripe.FORMAT,
    "github": github.FORMAT,
    "shopify": shopify.FORMAT,
}


def format_of(source: Source, digest: Digest, segment_name: str = "") -> Format:
    """The format of a source's records; of a database, of the table whose rows a segment keeps.

    Args:
        source: as configured.
        digest: keyed with the home's key.
        segment_name: below the source's folder; it begins with the table.

    Raises:
        KeyError: the segment is of a table that is not configured.
    """
    if source.kind == "app_database":
        table = table_of(source, segment_name)
        return mapped(table.mapping, digest, table=table)
    if source.mapping is not None:
        return replace(mapped(source.mapping, digest), whole=source.kind == "webhook_logs")
    if source.shape == "combined_log":
        form = mapped(combined_log.MAPPING, digest)
        return replace(form, parse_line=combined_log.parse_line)
    return _READY[source.shape]


def mapping_of(source: Source, segment_name: str) -> Mapping | None:
    """The declared mapping of a segment's records, if they have one."""
    if source.kind == "app_database":
        return table_of(source, segment_name).mapping
    return source.mapping


def table_of(source: Source, segment_name: str) -> Table:
    """The table whose rows a segment of a database's spool keeps.

    Raises:
        KeyError: the table is not configured.
    """
    tables = {folder_of(table.table): table for table in source.tables}
    return tables[segment_name.rpartition("/")[0]]
