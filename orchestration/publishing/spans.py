"""Spans of days of a partitioned table: which rows they mean, and where two versions differ."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date

from orchestration.publishing.manifest import Partition, Table
from orchestration.publishing.policy import quote

Span = tuple[date, date]  # the first day (UTC), and the day after the last


def spans_of(partitions: Iterable[Partition]) -> list[Span]:
    """The days of ``partitions`` in order, those that touch made one; of no rows there are none."""
    found: list[Span] = []
    for first, end in sorted(each.span for each in partitions if each.span):
        if found and first <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((first, end))
    return found


def changed_spans(before: Table, now: Table) -> list[Span]:
    """The days outside of which both versions of a partitioned table have equal rows."""
    old, new = ({part.digest: part for part in each.partitions} for each in (before, now))
    return spans_of(
        part for digest, part in (old | new).items() if (digest in old) != (digest in new)
    )


def within(time: str, spans: Sequence[Span]) -> str:
    """The SQL condition that the timestamp column ``time`` lies in one of ``spans``."""
    ways = [
        f"{quote(time)} >= timestamp '{first}' and {quote(time)} < timestamp '{end}'"
        for first, end in spans
    ]
    return f"({' or '.join(ways)})" if ways else "false"
