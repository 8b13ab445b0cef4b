"""What became of the events between a published version and the marts of the warehouse.

Left in temporary tables of the connection, because SQL goes on with them (restating.py). They may
be as long as all events, so ``forget`` them before much else is done.
"""

from __future__ import annotations

import duckdb

# What an event says, besides in whose name and at what rate; and where it was read.
_SAID = (
    "event_name, occurred_at, surface, platform, country, is_bot, is_internal, is_interactive,"
    " is_key_event, revenue, currency, is_authoritative_revenue, channel_signal"
)
_PLACE = "source, landing_segment, landing_position, landing_item"
_EVENTS = f"event_key, person_id, occurred_date, revenue_reporting, {_PLACE}, {_SAID}"
_VIEWS = ("events_now", "events_before", "events_before_changed")
_TABLES = ("events_now_changed", "compared", "changed_events")


def collect_events(connection: duckdb.DuckDBPyConnection, published: str, changed: str) -> None:
    """``events_before`` and ``events_now``: of both versions; ``…_changed``: those that may differ.

    The mart joins tables as long as itself, so what may be new of it is read once, and what is not
    is read from the published version.

    Args:
        connection: to the warehouse.
        published: the version's table, attached.
        changed: a condition of ``occurred_at``; where it is false, both say the same.
    """
    connection.execute(
        f"""
        create or replace temp table events_now_changed as
        select {_EVENTS} from marts.fct_events where {changed};
        create or replace temp view events_now as
        select {_EVENTS} from events_now_changed
        union all
        select {_EVENTS} from {published} where not {changed};
        create or replace temp view events_before_changed as
        select {_EVENTS} from {published} where {changed};
        create or replace temp view events_before as select {_EVENTS} from {published}
        """
    )


def collect_changed_events(connection: duckdb.DuckDBPyConnection) -> None:
    """``compared``: events that differ between the versions, or changed hands.

    ``changed_events``: events of one version alone, and those of both that say other things. Twice
    where they changed hands: ``who`` is whose they were and whose they are.
    """
    row = (
        "event_key, coalesce(person_id, event_key) as who, revenue_reporting, source,"
        f" landing_segment, row({_PLACE}) as place, row({_SAID}) as said"
    )
    connection.execute(
        f"""
        create or replace temp table compared as
        with
            before as (select {row} from events_before_changed),
            now as (select {row} from events_now_changed)
        select
            coalesce(now.event_key, before.event_key) as event_key,
            before.who as who_before,
            now.who as who_now,
            [before.source, now.source] as sources,
            [before.landing_segment, now.landing_segment] as segments,
            before.said is not distinct from now.said
            and before.revenue_reporting is distinct from now.revenue_reporting as is_rate_changed,
            before.event_key is not null
            and now.event_key is not null
            and before.place is distinct from now.place as is_other_copy,
            before.event_key is not null and now.event_key is null as is_gone,
            before.event_key is not null and now.event_key is not null and before.who <> now.who
            as is_moved,
            before.event_key is null
            or now.event_key is null
            or before.said is distinct from now.said
            or before.revenue_reporting is distinct from now.revenue_reporting
            or before.place is distinct from now.place as is_changed
        from before
        full join now on before.event_key = now.event_key
        where is_changed or is_moved;
        create or replace temp table changed_events as
        select distinct
            compared.event_key,
            unnest([who_before, who_now]) as who,
            unnest(sources) as source,
            unnest(segments) as segment,
            is_rate_changed,
            -- of two copies the other one counts, or one that must not be used came
            (is_other_copy and records.record_kind = 'event')
            or (is_gone and records.strip_reason = 'denied_by_copy') as is_duplicate
        from compared
        left join (
            select event_key, record_kind, strip_reason
            from intermediate.int_event_records
            where disposition <> 'duplicate'
        ) as records on compared.event_key = records.event_key
        where compared.is_changed
        """
    )


def forget(connection: duckdb.DuckDBPyConnection) -> None:
    """Drop what was collected."""
    for view in _VIEWS:
        connection.execute(f"drop view if exists temp.{view}")
    for table in _TABLES:
        connection.execute(f"drop table if exists temp.{table}")
