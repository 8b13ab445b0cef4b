"""Why a number that was complete is another one now: its difference, person by person, by cause.

    reports of both versions --> cells (day, metric) that were complete and changed
                                    |  each person's share, then and now
                                    v
    what touched each person --> the first cause --> parts, which sum to the whole difference

Days that were not complete in the previous version grow; that is no restatement. What touched
a person is read from what the two versions show of each event, from the log of identity changes,
and from what each version was made from (basis.py). Nothing erases yet, so that no part is called
an erasure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_FLOOR, Decimal
from pathlib import Path
from typing import Literal, get_args

import duckdb

from orchestration.publishing import event_changes
from orchestration.publishing.basis import LOG, Basis
from orchestration.publishing.headline import HEADLINE
from orchestration.publishing.policy import literal

Cause = Literal[
    "code",
    "configuration",
    "override",
    "merge",
    "replay",
    "late",
    "duplicate",
    "unexplained",  # no record names a cause: worth a report
]
CAUSES: tuple[Cause, ...] = get_args(Cause)
MODEL = "ops_restatements"
_CENT = Decimal("0.01")
_BEFORE = "before_this"  # the previous version's database


@dataclass(frozen=True, slots=True)
class Cell:
    """A day's number in two versions."""

    metric_date: date
    metric: str
    previous: Decimal
    new: Decimal
    rows: int = 0  # of both reports, each of which rounds money to the cent


@dataclass(frozen=True, slots=True)
class Part:
    """What one cause adds to a cell, and how many persons' shares it changed."""

    cell: Cell
    cause: Cause
    part: Decimal
    persons: int


@dataclass(frozen=True, slots=True)
class Share:
    """What one cause adds to a cell before rounding."""

    cause: Cause
    part: Decimal
    persons: int


def restate(
    connection: duckdb.DuckDBPyConnection,
    previous: Path,
    before: Basis,
    now: Basis,
    *,
    changed: str = "true",
) -> tuple[Part, ...]:
    """Compare the marts of the warehouse with a published version.

    Args:
        connection: to the warehouse.
        previous: the version's analytics.duckdb.
        before: what that version was made from.
        now: what the marts are made from.
        changed: a condition of ``occurred_at``; all events for which it is false are the same in
            both, so that they are read from the published version, where nothing must be joined.
    """
    connection.execute(f"attach {literal(str(previous))} as {_BEFORE} (read_only)")
    try:
        cells = _changed_cells(connection)
        if not cells:
            return ()
        event_changes.collect_events(connection, f"{_BEFORE}.marts.fct_events", changed)
        _collect_differences(connection, cells)
        _collect_touched(connection, before, now)
        return tuple(_parts(connection, cells))
    finally:
        event_changes.forget(connection)
        connection.execute(f"detach {_BEFORE}")


def append(
    connection: duckdb.DuckDBPyConnection, version: str, previous: str, parts: Iterable[Part]
) -> None:
    """Write ``parts`` to the log."""
    rows = [
        [
            version,
            previous,
            part.cell.metric_date,
            part.cell.metric,
            part.cause,
            part.part,
            part.persons,
            part.cell.previous,
            part.cell.new,
        ]
        for part in parts
    ]
    if rows:
        connection.executemany(f"insert into {LOG} values (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)


def to_the_cent(shares: Sequence[Share], whole: Decimal) -> list[Share]:
    """Shares in cents that sum to ``whole``, each as near to itself as that allows.

    Largest remainders: all are rounded down, and the cents that are then left go to those that
    lost most. ``whole`` may differ from the sum by what rounding did; a cent a share at most is
    given or taken.
    """
    floors = [share.part.quantize(_CENT, ROUND_FLOOR) for share in shares]
    left = int((whole - sum(floors, Decimal(0))) / _CENT)
    by_loss = sorted(
        range(len(shares)),
        key=lambda i: (floors[i] - shares[i].part, CAUSES.index(shares[i].cause)),
    )
    given = [Decimal(0)] * len(shares)
    for number in range(abs(left)):
        order = by_loss if left > 0 else by_loss[::-1]
        given[order[number % len(order)]] += _CENT if left > 0 else -_CENT
    return [
        Share(share.cause, floor + more, share.persons)
        for share, floor, more in zip(shares, floors, given, strict=True)
    ]


def _changed_cells(connection: duckdb.DuckDBPyConnection) -> list[Cell]:
    sides = {
        side: " union all ".join(
            metric.query(f"{side}marts", name) for name, metric in HEADLINE.items()
        )
        for side in (f"{_BEFORE}.", "")
    }
    rows = connection.execute(
        f"""
        with
            days as (
                select metric_date, bool_and(is_complete) as is_complete
                from {_BEFORE}.marts.rpt_metrics_daily
                group by metric_date
            ),
            before as ({sides[f"{_BEFORE}."]}),
            now as ({sides[""]})
        select
            coalesce(now.metric_date, before.metric_date) as metric_date,
            coalesce(now.metric, before.metric) as metric,
            coalesce(before.value, 0),
            coalesce(now.value, 0),
            coalesce(before.rows, 0) + coalesce(now.rows, 0)
        from before
        full join now on before.metric_date = now.metric_date and before.metric = now.metric
        where coalesce(before.value, 0) <> coalesce(now.value, 0)
            -- a day without rows was complete when a later one was
            and coalesce(now.metric_date, before.metric_date)
            <= (select max(metric_date) from days where is_complete)
            and coalesce(now.metric_date, before.metric_date)
            not in (select metric_date from days where not is_complete)
        order by all
        """
    ).fetchall()
    return [Cell(*row) for row in rows]


def _collect_differences(connection: duckdb.DuckDBPyConnection, cells: Sequence[Cell]) -> None:
    """``restated`` (metric_date, metric, who, part): whose share of which cell changed by what."""
    sides = (
        (-1, {"events": "events_before", "sessions": f"{_BEFORE}.marts.fct_sessions"}),
        (1, {"events": "events_now", "sessions": "marts.fct_sessions"}),
    )
    days: dict[str, list[str]] = {}
    for cell in cells:
        days.setdefault(cell.metric, []).append(f"date '{cell.metric_date}'")
    shares = " union all ".join(
        f"select '{name}' as metric, metric_date, who,"
        f" cast({sign} * share as decimal(38, 6)) as share"
        f" from ({HEADLINE[name].shares.format(**tables)}) where metric_date in ({', '.join(some)})"
        for name, some in days.items()
        for sign, tables in sides
    )
    connection.execute(
        f"""
        create or replace temp table restated as
        select metric_date, metric, who, sum(share) as part
        from ({shares})
        group by all
        having sum(share) <> 0
        """
    )


def _collect_touched(connection: duckdb.DuckDBPyConnection, before: Basis, now: Basis) -> None:
    """``touched`` (who, cause, place): all causes of everybody whose share changed."""
    event_changes.collect_changed_events(connection)
    _collect_moves(connection, before)
    _collect_overridden(connection, before, now)
    everybody = [cause for cause in ("code", "configuration") if _changed(cause, before, now)]
    connection.execute(
        """
        create or replace temp table touched as
        select who, cause
        from (
            select distinct restated.who, unnest($1::varchar[]) as cause from restated
            union all
            -- the same amount in the same currency: it is the rate that is another one
            select who, 'configuration' from changed_events where is_rate_changed
            union all
            select who, 'override' from overridden
            union all
            select one, 'merge' from moves
            union all
            select other, 'merge' from moves
            union all
            select who, 'replay'
            from changed_events
            semi join (
                select source, segment
                from staging.stg_current_segments
                where generation > 1
                group by source, segment
                having min(load_id) > coalesce($2, '')
            ) as replayed
                on changed_events.source = replayed.source
                and changed_events.segment = replayed.segment
            union all
            select who, case when is_duplicate then 'duplicate' else 'late' end
            from changed_events
            where not is_rate_changed
        )
        semi join restated using (who)
        """,
        [everybody, before.last_load],
    )


def _changed(cause: str, before: Basis, now: Basis) -> bool:
    """Whether the code, or the configuration, made models of the headline numbers others."""
    if before.signatures == now.signatures:
        return False
    if cause == "code":
        return before.code != now.code
    return before.configuration != now.configuration


def _collect_moves(connection: duckdb.DuckDBPyConnection, before: Basis) -> None:
    """``moves`` (one, other): persons between whom identifiers or events went."""
    connection.execute(
        """
        create or replace temp table moves as
        select old_person_id as one, new_person_id as other
        from marts.ops_identity_changes
        where change_number > $1 and cause not in ('first_seen', 'gone')
        union
        select who_before, who_now from compared where is_moved
        """,
        [before.last_change],
    )


def _collect_overridden(connection: duckdb.DuckDBPyConnection, before: Basis, now: Basis) -> None:
    """``overridden`` (who): whom something that was said, or taken back, moved."""
    said = before.overrides ^ now.overrides
    nodes = sorted({node for _, a, b in said for node in (a, b)})
    connection.execute(
        """
        create or replace temp table overridden as
        with recursive
            named as (select unnest($1::varchar[]) as node),
            reached as (
                select person_id as who
                from intermediate.int_identity_nodes
                semi join named on kind || ':' || value = named.node
                where person_id is not null
                union
                select unnest([old_person_id, new_person_id])
                from marts.ops_identity_changes
                semi join named on kind || ':' || value = named.node
                where change_number > $2
                union
                select case when moves.one = reached.who then moves.other else moves.one end
                from moves
                inner join reached on reached.who in (moves.one, moves.other)
            )
        select distinct who from reached where who is not null
        """,
        [nodes, before.last_change],
    )


def _parts(connection: duckdb.DuckDBPyConnection, cells: Sequence[Cell]) -> Iterable[Part]:
    causes = ", ".join(f"'{cause}'" for cause in CAUSES)
    rows = connection.execute(
        f"""
        with
            places as (
                select who, min(list_position([{causes}], cause)) as place from touched group by who
            )
        select
            metric_date,
            metric,
            [{causes}][coalesce(place, {len(CAUSES)})] as cause,
            sum(part),
            count(*)
        from restated
        left join places using (who)
        group by all
        order by all
        """
    ).fetchall()
    found: dict[tuple[date, str], list[Share]] = {}
    for metric_date, metric, cause, part, persons in rows:
        found.setdefault((metric_date, metric), []).append(Share(cause, part, persons))
    for cell in cells:
        for share in _whole(cell, found.get((cell.metric_date, cell.metric), [])):
            if share.part:
                yield Part(cell, share.cause, share.part, share.persons)


def _whole(cell: Cell, shares: Sequence[Share]) -> list[Share]:
    """The shares, rounded so that they sum to the cell's difference.

    A report rounds each of its rows; what rounding cannot account for is nobody's share.
    """
    whole = cell.new - cell.previous
    total = sum((share.part for share in shares), Decimal(0))
    rounded = cell.rows * _CENT / 2 if HEADLINE[cell.metric].is_money else Decimal(0)
    if shares and abs(whole - total) <= rounded:
        return to_the_cent(shares, whole)
    known = to_the_cent(shares, total.quantize(_CENT)) if shares else []
    rest = whole - sum((share.part for share in known), Decimal(0))
    return _merged([*known, Share("unexplained", rest, 0)])


def _merged(shares: Sequence[Share]) -> list[Share]:
    """One share per cause."""
    by_cause: Mapping[Cause, list[Share]] = {cause: [] for cause in CAUSES}
    for share in shares:
        by_cause[share.cause].append(share)
    return [
        Share(cause, sum((s.part for s in some), Decimal(0)), sum(s.persons for s in some))
        for cause, some in by_cause.items()
        if some
    ]
