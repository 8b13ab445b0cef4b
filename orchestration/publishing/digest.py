"""Digests of rows that do not depend on their order, computed by DuckDB in one scan.

Each row becomes the JSON list of its columns as text, which no two different rows share; its
128-bit MD5 is combined by XOR and by sum, because XOR alone does not see a pair of equal rows come
or go. MD5 serves as a fingerprint here, not as a defence against forgery.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

import duckdb

from orchestration.publishing.policy import quote

_LOW_HALF = 2**64


def digest_rows(
    connection: duckdb.DuckDBPyConnection, relation: str, columns: Sequence[str]
) -> tuple[int, str]:
    """Number of rows of ``relation`` and the digest of the named columns."""
    row = connection.execute(f"select {_aggregates(columns)} from {relation}").fetchone()
    assert row is not None
    return row[0], _text(row)


def digest_months(
    connection: duckdb.DuckDBPyConnection, relation: str, columns: Sequence[str], time: str
) -> dict[str, tuple[int, str]]:
    """Rows and digest of each month (``YYYY-MM``) of the timestamp column ``time``."""
    rows = connection.execute(
        f"select {_aggregates(columns)}, strftime({quote(time)}, '%Y-%m') as month"
        f" from {relation} group by month order by month"
    ).fetchall()
    return {row[3]: (row[0], _text(row)) for row in rows}


def digest_of(value: object) -> str:
    """Digest of a JSON value: 32 hexadecimal digits."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _aggregates(columns: Sequence[str]) -> str:
    row = ", ".join(f"{quote(column)}::varchar" for column in columns)
    number = f"md5_number(to_json([{row}])::varchar)"
    return f"count(*), bit_xor({number}), sum(({number} % {_LOW_HALF})::hugeint)"


def _text(row: tuple) -> str:
    return digest_of([str(part) for part in row[:3]])
