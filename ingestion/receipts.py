"""The independent count: what a segment holds, told apart from what the loader made of it.

The ledger compares these receipts with events and rejects, so this module shares no reader, no
parser and no counter with the loader. Lines are split by DuckDB, read by DuckDB's JSON functions,
and weighed by the rule: a line is as many records as its batch (or its body's) holds, else one;
blank lines are nothing; its hour is that of the receiver's own top-level stamp, else none.

A line the loader cannot use is weighed by ``weigh``, the same SQL, and that weight is written to
its reject: both sides agree about it by construction, while a row that is lost makes them differ.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import duckdb

from ingestion.times import ISO_8601

BLOCK_BYTES = 1 << 22

# Each branch reads the line only as far as it must: most lines are read once, for their stamps. A
# batch may be spelt with escapes; a line with neither the word nor an escape holds none.
_BODY = "json_extract_string(line, '$.body')"
_WEIGHT = f"""
    select
        case
            when strlen(line) > $2 or not regexp_full_match(stamp, '{ISO_8601}') then null
            else epoch_us(date_trunc('hour', try_cast(
                case when contains(stamp, '.') or contains(stamp, ',')
                then regexp_replace(stamp, '[.,][0-9]+', '') else stamp end as timestamptz)))
        end as receipt_hour,
        case
            when strlen(line) > $2 then 1
            when not (contains(line, 'batch') or contains(line, '\\u')) then 1
            when try(json_array_length(line, '$.batch')) > 0
            then json_array_length(line, '$.batch')
            when try(json_exists(line, '$.event_name') or json_exists(line, '$.type')) then 1
            when try(json_type(line, '$.body')) = 'OBJECT'
            then greatest(1, coalesce(json_array_length(line, '$.body.batch'), 1))
            when try(json_type(line, '$.body')) = 'VARCHAR' and try(json_type({_BODY})) = 'OBJECT'
            then greatest(1, coalesce(json_array_length({_BODY}, '$.batch'), 1))
            else 1
        end as records
    from (
        select *, coalesce(stamps[1], stamps[2]) as stamp
        from (
            select *, try(json_extract_string(line, ['$.received_at', '$.receivedAt'])) as stamps
            from lines
        )
    )
"""


# Trimming every line costs as much as reading it: most begin with a visible character.
_NOT_BLANK = """case
    when left(line, 1) > ' ' or strlen(line) > $2 then true
    else trim(line, chr(32) || chr(9) || chr(13)) <> ''
end"""


class Receipt(NamedTuple):
    """Records received in one hour (microseconds since 1970; None where the line says none)."""

    receipt_hour: int | None
    records: int


class Receipts:
    """Counts lines; holds a DuckDB of its own, in memory."""

    def __init__(self) -> None:
        self._connection = duckdb.connect(":memory:")
        self._connection.execute("set TimeZone = 'UTC'")

    def close(self) -> None:
        """Free the DuckDB."""
        self._connection.close()

    def count(self, blocks: Iterable[bytes], *, line_bytes: int) -> list[Receipt]:
        """The receipts of a stream of bytes.

        A line longer than ``line_bytes`` is one record without an hour; it is skipped without being
        held.
        """
        totals: Counter[int | None] = Counter()
        rest = b""
        skipping = False
        for block in blocks:
            if skipping:
                _, found, block = block.partition(b"\n")
                skipping = not found
                if skipping:
                    continue
            whole, found, tail = block.rpartition(b"\n")
            if found:
                self._add(totals, rest + whole, line_bytes)
                rest = tail
            else:
                rest += block
            if len(rest) > line_bytes:
                totals[None] += 1
                rest, skipping = b"", True
        self._add(totals, rest, line_bytes)
        return [Receipt(hour, records) for hour, records in totals.items()]

    def weigh(self, lines: Sequence[bytes], *, line_bytes: int) -> list[Receipt]:
        """The receipt of each line, in order."""
        if not lines:
            return []
        texts = [line.decode("utf-8", "replace") for line in lines]
        rows = self._connection.execute(
            "with lines as ("
            "select unnest($1::varchar[]) as line, generate_subscripts($1, 1) as number)"
            f" select receipt_hour, records from ({_WEIGHT.replace('select', 'select number,', 1)})"
            " order by number",
            [texts, line_bytes],
        ).fetchall()
        return [Receipt(hour, records) for hour, records in rows]

    def _add(self, totals: Counter[int | None], block: bytes, line_bytes: int) -> None:
        if not block:
            return
        rows = self._connection.execute(
            "with lines as (select line from"
            " (select unnest(string_split($1, chr(10))) as line)"
            f" where {_NOT_BLANK})"
            f" select receipt_hour, sum(records)::bigint from ({_WEIGHT}) group by all",
            [block.decode("utf-8", "replace"), line_bytes],
        ).fetchall()
        for hour, records in rows:
            totals[hour] += records
