"""Compare what the marts say with what the latent people really did.

Right means: all decidable events with one expected person share one person_id, and no person_id
has decidable events of two expected persons. A person_id is owned by whoever has most of its
events, and an expected person is known by the person_id with most of theirs; an event is right
where the two agree.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import duckdb

from governance.errors import UserError

Value = int | Decimal


@dataclass(frozen=True, slots=True)
class Comparison:
    """One number as published and as it truly was; ``ok`` when they are equal."""

    name: str
    published: Value
    truth: Value
    ok: bool


@dataclass(frozen=True, slots=True)
class Told:
    """What one source told: records as received and as kept, orders as counted and as matched."""

    source: str
    received: int
    accepted: int
    orders_counted: int
    orders_matched: int


_LEDGER = """
    select
        cast(sum(received) as bigint) as received, cast(sum(accepted) as bigint) as accepted,
        cast(sum(duplicate) as bigint) as duplicate, cast(sum(stripped) as bigint) as stripped,
        cast(sum(quarantined) as bigint) as quarantined
    from marts.rpt_pipeline
"""
_TRUE_LEDGER = """
    select
        cast(sum(copies) as bigint),
        count(*) filter (disposition = 'accepted'),
        cast(coalesce(sum(copies - 1) filter (disposition <> 'quarantined'), 0) as bigint),
        count(*) filter (disposition = 'stripped'),
        cast(coalesce(sum(copies) filter (disposition = 'quarantined'), 0) as bigint)
    from truth_events
"""
_LEDGER_NAMES = (
    "records received",
    "events accepted",
    "duplicates removed",
    "records stripped for want of consent",
    "records quarantined",
)
EVENT_ID = """
    case when source = 'shop' then regexp_replace(event_id, ':[0-9a-f]{32}$', '') else event_id end
"""
"""An event's id as the truth knows it: without the digest of a row's version."""
_DECIDED = f"""
    create temp table decided as
    with published as (select source, {EVENT_ID} as event_id, person_id from marts.fct_events)
    select truth_events.expected_person, published.person_id
    from truth_events left join published using (source, event_id)
    where truth_events.decidable
"""
_PEOPLE = """
    with
        shares as (
            select expected_person, person_id, count(*) as events from decided group by all
        ),
        known_by as (
            select expected_person, arg_max(person_id, (events, person_id)) as person_id
            from shares where person_id is not null group by all
        ),
        owners as (
            select person_id, arg_max(expected_person, (events, expected_person)) as expected_person
            from shares where person_id is not null group by all
        )
    select
        (select cast(coalesce(sum(events), 0) as bigint)
         from shares join known_by using (expected_person, person_id)
         join owners using (expected_person, person_id)),
        (select cast(coalesce(sum(events), 0) as bigint) from shares),
        (select count(distinct person_id) from decided),
        (select count(distinct expected_person) from decided),
        (select count(*) from (
            select person_id from shares where person_id is not null
            group by person_id having count(distinct expected_person) > 1))
"""
_MONEY = """
    with
        published as (
            select
                coalesce(currency, 'none') as currency,
                sum(revenue_reporting) filter (revenue_reporting > 0) as gross,
                sum(revenue_reporting) as net
            from marts.fct_events where revenue_reporting is not null group by all
        ),
        true_money as (
            select
                currency,
                sum(amount_reporting) filter (amount > 0) as gross,
                sum(amount_reporting) as net
            from truth_purchases where rate is not null group by all
        )
    select
        currency,
        coalesce(published.gross, 0), coalesce(true_money.gross, 0),
        coalesce(published.net, 0), coalesce(true_money.net, 0)
    from published full join true_money using (currency)
    order by currency
"""
_HISTORY = """
    select
        count(distinct order_id) filter (event_name = 'order_completed'),
        coalesce(sum(revenue_reporting), 0)
    from marts.fct_events where source = 'history' and is_authoritative_revenue
"""
_TRUE_HISTORY = """
    select count(distinct order_id) filter (kind = 'order'), coalesce(sum(amount_reporting), 0)
    from truth_purchases where source = 'history'
"""
_HISTORY_NAMES = ("orders of the history", "net revenue of the history in EUR")
# Who else told of an order that is believed; a sale counts once, however many do.
_MATCHES = """
    with
        published as (
            select source, cast(sum(matched) as bigint) as orders
            from marts.rpt_revenue_matches group by all
        ),
        told as (
            select source, count(distinct order_id) as orders
            from truth_events semi join truth_purchases using (order_id)
            where disposition = 'accepted' and source not in ('backend', 'history') group by all
        )
    select source, coalesce(published.orders, 0), coalesce(told.orders, 0)
    from published full join told using (source)
    order by source
"""
_TOLD = """
    with
        pipeline as (
            select source, sum(received) as received, sum(accepted) as accepted
            from marts.rpt_pipeline group by all
        ),
        believed as (
            select source, count(*) as orders from marts.fct_orders where is_paid group by all
        ),
        matched as (
            select source, sum(matched) as orders from marts.rpt_revenue_matches group by all
        )
    select
        source, cast(received as bigint), cast(accepted as bigint),
        cast(coalesce(believed.orders, 0) as bigint), cast(coalesce(matched.orders, 0) as bigint)
    from pipeline left join believed using (source) left join matched using (source)
    order by source
"""
_COUNTS = {
    "orders": (
        "select count(distinct order_id) from marts.fct_events"
        " where event_name = 'order_completed' and is_authoritative_revenue",
        "select count(distinct order_id) from truth_purchases where kind = 'order'",
    ),
    "amounts without an exchange rate": (
        "select count(*) from marts.fct_events where is_rate_missing",
        "select count(*) from truth_purchases where rate is null",
    ),
    "events denied by the ledger alone": (
        "select cast(sum(denied_by_ledger) as bigint) from marts.rpt_consent",
        "select count(*) from truth_events where disposition_reason = 'denied_by_ledger'",
    ),
    "sign-ups": (
        "select count(*) from marts.fct_events where event_name = 'sign_up'",
        "select count(*) from truth_events"
        " where event_name = 'sign_up' and disposition = 'accepted'",
    ),
    "conversions": (
        "select count(*) from marts.fct_conversions",
        "select count(*) from truth_events where disposition = 'accepted'"
        " and event_name in ('sign_up', 'order_completed')",
    ),
    "page and screen views of somebody": (
        "select count(*) from marts.fct_page_views",
        "select count(*) from truth_events where disposition = 'accepted'"
        " and event_name in ('page', 'screen')"
        # a view that names nobody is an event, but nobody's view
        " and coalesce(undecidable_reason, '') not in ('nil_identifiers', 'no_identifier')",
    ),
    "events of bots": (
        "select count(*) from marts.fct_events where is_bot",
        "select count(*) from truth_events where is_bot and disposition = 'accepted'",
    ),
}


def measure(published_duckdb: Path, truth_dir: Path) -> list[Comparison]:
    """Compare a published ``analytics.duckdb`` with the truth of the sample it was made from.

    Raises:
        UserError: when one of the two is not there.
    """
    for path, fix in (
        (published_duckdb, "Publish first: throughline run hourly"),
        (truth_dir / "events.parquet", "Write a sample first: throughline synth"),
    ):
        if not path.exists():
            raise UserError(f"There is nothing at {path} to compare.", fix=fix)
    with duckdb.connect(published_duckdb, read_only=True) as connection:
        for name in ("events", "purchases"):
            # Temporary: the published file is open read-only, like every reader's.
            connection.execute(
                f"create temp table truth_{name} as select * from read_parquet(?)",
                [str(truth_dir / f"{name}.parquet")],
            )
        return [
            *_parts(connection, _LEDGER_NAMES, _LEDGER, _TRUE_LEDGER),
            *_people(connection),
            *(_count(connection, name, *queries) for name, queries in _COUNTS.items()),
            *_matches(connection),
            *_parts(connection, _HISTORY_NAMES, _HISTORY, _TRUE_HISTORY),
            *_money(connection),
        ]


def told_by(published_duckdb: Path) -> list[Told]:
    """What each source told, by name."""
    with duckdb.connect(published_duckdb, read_only=True) as connection:
        return [Told(*row) for row in connection.execute(_TOLD).fetchall()]


def _row(connection: duckdb.DuckDBPyConnection, query: str) -> tuple[Value, ...]:
    row = connection.execute(query).fetchone()
    assert row is not None
    return tuple(value or 0 for value in row)


def _compare(name: str, published: Value, truth: Value) -> Comparison:
    return Comparison(name, published, truth, published == truth)


def _parts(
    connection: duckdb.DuckDBPyConnection, names: tuple[str, ...], published: str, truth: str
) -> list[Comparison]:
    rows = _row(connection, published), _row(connection, truth)
    return [_compare(*cell) for cell in zip(names, *rows, strict=True)]


def _people(connection: duckdb.DuckDBPyConnection) -> list[Comparison]:
    connection.execute(_DECIDED)
    right, decidable, persons, people, merged = _row(connection, _PEOPLE)
    return [
        _compare("decidable events with the right person", right, decidable),
        _compare("persons behind decidable events", persons, people),
        _compare("persons merged wrongly", merged, 0),
    ]


def _count(
    connection: duckdb.DuckDBPyConnection, name: str, published: str, truth: str
) -> Comparison:
    return _compare(name, _row(connection, published)[0], _row(connection, truth)[0])


def _matches(connection: duckdb.DuckDBPyConnection) -> list[Comparison]:
    return [
        _compare(f"orders also told by {source}", published, truth)
        for source, published, truth in connection.execute(_MATCHES).fetchall()
    ]


def _money(connection: duckdb.DuckDBPyConnection) -> list[Comparison]:
    found: list[Comparison] = []
    for currency, gross, true_gross, net, true_net in connection.execute(_MONEY).fetchall():
        found.append(_compare(f"gross revenue in EUR, paid in {currency}", gross, true_gross))
        found.append(_compare(f"net revenue in EUR, paid in {currency}", net, true_net))
    return found
