"""``measure`` agrees with marts that are right, and notices each way in which they can be wrong."""

from __future__ import annotations

import duckdb
import pytest

from governance.errors import UserError
from ingestion.sample import measure

PUBLISHED = """
    create schema marts;
    create table marts.fct_events as
    select
        event.source, event.event_name, event.is_bot, event.order_id,
        -- rows that are read in versions have a digest of their own behind the key
        event.event_id || case when event.record_kind in ('person', 'consent')
            then ':' || md5(event.event_id) else '' end as event_id,
        case when event.decidable then md5(event.expected_person) end as person_id,
        money.currency, money.amount_reporting as revenue_reporting,
        money.order_id is not null as is_authoritative_revenue,
        money.order_id is not null and money.rate is null as is_rate_missing
    from '{truth}/events.parquet' as event
    left join '{truth}/purchases.parquet' as money
        on event.source = money.source and event.order_id = money.order_id
        and event.event_name = case money.kind
            when 'order' then 'order_completed' when 'refund' then 'refund_issued'
            else 'subscription_renewed' end
    where event.disposition = 'accepted' and event.undecidable_reason is distinct from 'no_event';
    create table marts.fct_conversions as
    select event_id from marts.fct_events where event_name in ('sign_up', 'order_completed');
    create table marts.fct_page_views as
    select event_id from '{truth}/events.parquet'
    where disposition = 'accepted' and event_name in ('page', 'screen')
        and (undecidable_reason is null or undecidable_reason not like '%identifier%');
    create table marts.rpt_revenue_matches as
    select event.source, count(distinct event.order_id) as matched
    from '{truth}/events.parquet' as event
    join '{truth}/purchases.parquet' as money on event.order_id = money.order_id
    where event.disposition = 'accepted' and event.source not in ('backend', 'history')
    group by event.source;
    create table marts.rpt_consent as
    select source, count(*) filter (disposition_reason = 'denied_by_ledger') as denied_by_ledger
    from '{truth}/events.parquet' group by source;
    create table marts.rpt_pipeline as
    select
        source,
        cast(sum(copies) as bigint) as received,
        count(*) filter (disposition = 'accepted') as accepted,
        sum(copies - 1) filter (disposition <> 'quarantined') as duplicate,
        count(*) filter (disposition = 'stripped') as stripped,
        sum(copies) filter (disposition = 'quarantined') as quarantined
    from '{truth}/events.parquet' group by source;
"""
SOME_PERSON = "(select min(person_id) from marts.fct_events)"
OTHER_PERSON = "(select max(person_id) from marts.fct_events)"
MISTAKES = {
    "two people merged": (
        f"update marts.fct_events set person_id = {SOME_PERSON} where person_id = {OTHER_PERSON}",
        {
            "decidable events with the right person",
            "persons behind decidable events",
            "persons merged wrongly",
        },
    ),
    "a person split": (
        "update marts.fct_events set person_id = 'p_new' where event_id ="
        " (select min(event_id) from marts.fct_events where person_id ="
        "  (select person_id from marts.fct_events where person_id is not null"
        "   group by all having count(*) > 3 order by 1 limit 1))",
        {"decidable events with the right person", "persons behind decidable events"},
    ),
    "an event without its person": (
        "update marts.fct_events set person_id = null where event_id ="
        " (select min(event_id) from marts.fct_events where person_id ="
        "  (select person_id from marts.fct_events where person_id is not null"
        "   group by all having count(*) > 3 order by 1 limit 1))",
        {"decidable events with the right person"},
    ),
    "revenue of the browser added": (
        "update marts.fct_events set revenue_reporting = 10, currency = 'EUR' where event_id ="
        " (select min(event_id) from marts.fct_events"
        "  where source = 'web' and event_name = 'order_completed')",
        {"gross revenue in EUR, paid in EUR", "net revenue in EUR, paid in EUR"},
    ),
    "a missing rate taken for zero": (
        "update marts.fct_events set is_rate_missing = false where is_rate_missing",
        {"amounts without an exchange rate"},
    ),
    "a lost order": (
        "delete from marts.fct_events where is_authoritative_revenue and currency = 'USD'"
        " and event_name = 'order_completed' and source = 'backend'",
        {"orders", "gross revenue in EUR, paid in USD", "net revenue in EUR, paid in USD"},
    ),
    "the history counted up to today": (
        "update marts.fct_events set source = 'history' where event_id ="
        " (select min(event_id) from marts.fct_events where is_authoritative_revenue"
        "  and currency = 'EUR' and event_name = 'order_completed' and source = 'backend')",
        {"orders of the history", "net revenue of the history in EUR"},
    ),
    "a sale the database told is missing": (
        "update marts.rpt_revenue_matches set matched = matched - 1 where source = 'shop'",
        {"orders also told by shop"},
    ),
    "a view twice": (
        "insert into marts.fct_page_views from marts.fct_page_views limit 1",
        {"page and screen views of somebody"},
    ),
    "a lost conversion": (
        "delete from marts.fct_conversions where event_id ="
        " (select min(event_id) from marts.fct_conversions)",
        {"conversions"},
    ),
    "the ledger is not asked": (
        "update marts.rpt_consent set denied_by_ledger = 0",
        {"events denied by the ledger alone"},
    ),
    "a customer of the database is somebody else": (
        "update marts.fct_events set person_id = null where source = 'shop'"
        " and event_name = 'identify' and event_id = (select min(event_id) from marts.fct_events"
        "  where event_name = 'identify' and source = 'shop' and person_id is not null)",
        {"decidable events with the right person"},
    ),
    "a dropped record": (
        "update marts.rpt_pipeline set accepted = accepted - 1, received = received - 1"
        " where source = 'web'",
        {"records received", "events accepted"},
    ),
}


@pytest.fixture
def published(sample, tmp_path):
    path = tmp_path / "analytics.duckdb"
    with duckdb.connect(path) as connection:
        connection.execute(PUBLISHED.format(truth=sample.home.truth))
    return path


def test_marts_that_are_right_compare_equal(sample, published):
    compared = measure(published, sample.home.truth)
    assert [c for c in compared if not c.ok] == []
    assert len(compared) > 15
    assert all(c.truth > 0 for c in compared if c.name != "persons merged wrongly")


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_in_the_marts_is_seen(sample, published, mistake):
    change, names = MISTAKES[mistake]
    with duckdb.connect(published) as connection:
        connection.execute(change)
    wrong = {c.name for c in measure(published, sample.home.truth) if not c.ok}
    # Deleting an order's events also takes them from their persons; nothing else may change.
    assert names <= wrong
    assert wrong - names <= {"decidable events with the right person"}


def test_a_missing_publication_or_truth_is_the_users_to_mend(sample, published, tmp_path):
    with pytest.raises(UserError, match="nothing at"):
        measure(tmp_path / "absent.duckdb", sample.home.truth)
    with pytest.raises(UserError, match="nothing at"):
        measure(published, tmp_path)
