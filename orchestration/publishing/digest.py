"""Digests of rows that do not depend on their order, computed by DuckDB in one scan.

Each row becomes two 64-bit hashes of its columns, one from the first to the last and one back; both
are combined by XOR and by sum, because XOR alone does not see a pair of equal rows come or go.
Digests of parts therefore add up to the digest of the whole. They are fingerprints, not a defence
against forgery, and DuckDB may hash otherwise in another release: then everything counts as changed
once. (MD5 of the rows as JSON text took six times as long: docs/performance.md.)
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

import duckdb

from orchestration.publishing.policy import quote


@dataclass(frozen=True, slots=True)
class RowsDigest:
    """Of a set of rows: how many, and their hashes by XOR and by sum."""

    rows: int = 0
    xor: tuple[int, int] = (0, 0)
    sum: tuple[int, int] = (0, 0)

    def __add__(self, other: RowsDigest) -> RowsDigest:
        return RowsDigest(
            self.rows + other.rows,
            (self.xor[0] ^ other.xor[0], self.xor[1] ^ other.xor[1]),
            (self.sum[0] + other.sum[0], self.sum[1] + other.sum[1]),
        )

    @property
    def text(self) -> str:
        """32 hexadecimal digits."""
        return digest_of([self.rows, *map(str, (*self.xor, *self.sum))])


def digest_rows(
    connection: duckdb.DuckDBPyConnection, relation: str, columns: Sequence[str]
) -> RowsDigest:
    """The digest of the named columns of all rows of ``relation``."""
    row = connection.execute(f"select {_AGGREGATES} from {_hashed(relation, columns)}").fetchone()
    assert row is not None
    return _digest(row)


def digest_days(
    connection: duckdb.DuckDBPyConnection, relation: str, columns: Sequence[str], time: str
) -> dict[date, RowsDigest]:
    """The digest of each day (UTC) of the timestamp column ``time``, in order."""
    rows = connection.execute(
        f"select {_AGGREGATES}, day"
        f" from {_hashed(relation, columns, f'cast({quote(time)} as date) as day')}"
        " group by day order by day"
    ).fetchall()
    return {row[-1]: _digest(row) for row in rows}


def together(digests: Iterable[RowsDigest]) -> RowsDigest:
    """The digest of the rows of all."""
    return sum(digests, RowsDigest())


def digest_of(value: object) -> str:
    """Digest of a JSON value: 32 hexadecimal digits."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


_AGGREGATES = "count(*), bit_xor(one), bit_xor(other), sum(one), sum(other)"


def _hashed(relation: str, columns: Sequence[str], *more: str) -> str:
    """The hashes of each row of ``relation``.

    Hashed once more, because DuckDB combines the hashes of columns by XOR: without, two rows
    that change the values of their last column with each other would keep the XOR of both.
    """
    names = [quote(column) for column in columns]
    both = (
        f"hash(hash({', '.join(order)})) as {name}"
        for name, order in (("one", names), ("other", ["'back'", *reversed(names)]))
    )
    return f"(select {', '.join((*both, *more))} from {relation})"


def _digest(row: tuple) -> RowsDigest:
    rows, *hashes = row[:5]
    one, other, total, other_total = (int(each or 0) for each in hashes)
    return RowsDigest(rows, (one, other), (total, other_total))
