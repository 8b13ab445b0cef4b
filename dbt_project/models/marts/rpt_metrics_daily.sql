{{ config(materialized='by_key', key='metric_date') }}

-- Additive: every number may be summed over any of the dimensions. Behaviour (sessions, persons, events) leaves
-- out bots and the company's own people; money does not, or it would not add up to the books.
with
    sessions as (
        select
            started_date as metric_date,
            surface,
            coalesce(platform, '(none)') as platform,
            channel,
            coalesce(country, '(none)') as country,
            duration_seconds,
            is_bounce,
            is_engaged,
            is_open
        from {{ ref('fct_sessions') }} as sessions {{ only_touched('sessions.started_date') }}
        where not is_bot and not is_internal
    ),

    -- somebody's, and nobody's: joining all events with their persons would cost more than all else here
    events as (
        select occurred_date as metric_date, surface, platform, channel, country, is_key_event
        from {{ ref('int_person_events') }} as events {{ only_touched('events.occurred_date') }}
        where not is_bot and not is_internal
        union all
        select events.occurred_date, events.surface, events.platform, '(none)', events.country, events.is_key_event
        from {{ touched_rows(ref('int_events'), 'occurred_date') }} as events
        semi join
            (
                select event_key
                from {{ ref('int_event_persons') }} as persons {{ only_touched('persons.occurred_date') }}
                where person_id is null
            ) as nobody
            on events.event_key = nobody.event_key
        where not events.is_bot and not events.is_internal_traffic
    ),

    amounts as (
        select
            events.event_key,
            events.event_id,
            events.occurred_at,
            events.occurred_date as metric_date,
            events.surface,
            coalesce(events.platform, '(none)') as platform,
            coalesce(persons.channel, '(none)') as channel,
            coalesce(events.country, '(none)') as country,
            events.revenue,
            events.revenue_reporting,
            events.is_rate_missing,
            -- an amount without an order is an order of its own
            coalesce(events.order_id, events.event_key) as order_key
        from {{ ref('int_events') }} as events
        left join {{ ref('int_person_events') }} as persons on events.event_key = persons.event_key
        where events.revenue is not null and events.is_authoritative_revenue
    ),

    -- an order counts once, where its first paid event is; its refund once, where its first refund is; both with or
    -- without a rate
    money as (
        select
            *,
            revenue > 0
            and row_number() over (partition by order_key, sign(revenue) order by occurred_at, event_id, event_key)
            = 1 as is_order,
            revenue < 0
            and row_number() over (partition by order_key, sign(revenue) order by occurred_at, event_id, event_key)
            = 1 as is_refund
        from amounts
    ),

    parts as (
        select
            metric_date,
            surface,
            platform,
            channel,
            country,
            count(*) as sessions,
            count(*) filter (is_bounce) as bounces,
            count(*) filter (is_engaged) as engaged_sessions,
            -- summed as whole microseconds: a sum of doubles depends on the order of rows
            sum(cast(round(duration_seconds * 1e6) as bigint)) as session_microseconds,
            0 as new_persons,
            0 as events,
            0 as conversions,
            0 as orders,
            0 as refunds,
            0 as revenue_reporting,
            0 as refunds_reporting,
            0 as rates_missing
        from sessions
        group by metric_date, surface, platform, channel, country
        union all
        select cohort_date, surface, platform, channel, country, 0, 0, 0, 0, count(*), 0, 0, 0, 0, 0, 0, 0
        from {{ ref('int_person_starts') }} as starts {{ only_touched('starts.cohort_date') }}
        group by cohort_date, surface, platform, channel, country
        union all
        select
            metric_date,
            surface,
            coalesce(platform, '(none)') as platform,
            channel,
            coalesce(country, '(none)') as country,
            0,
            0,
            0,
            0,
            0,
            count(*),
            count(*) filter (is_key_event),
            0,
            0,
            0,
            0,
            0
        from events
        group by all
        union all
        select
            metric_date,
            surface,
            platform,
            channel,
            country,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            count(*) filter (is_order),
            count(*) filter (is_refund),
            coalesce(sum(revenue_reporting), 0),
            - coalesce(sum(revenue_reporting) filter (revenue_reporting < 0), 0),
            count(*) filter (is_rate_missing)
        from money {{ only_touched('money.metric_date') }}
        group by metric_date, surface, platform, channel, country
    ),

    open_days as (select distinct metric_date from sessions where is_open)

select
    metric_date,
    surface,
    platform,
    channel,
    country,
    cast(sum(sessions) as bigint) as sessions,
    cast(sum(new_persons) as bigint) as new_persons,
    cast(sum(events) as bigint) as events,
    cast(sum(conversions) as bigint) as conversions,
    cast(sum(orders) as bigint) as orders,
    cast(sum(refunds) as bigint) as refunds,
    cast(sum(revenue_reporting) as decimal(18, 2)) as revenue_reporting,
    cast(sum(refunds_reporting) as decimal(18, 2)) as refunds_reporting,
    cast(sum(rates_missing) as bigint) as rates_missing,
    cast(sum(bounces) as bigint) as bounces,
    cast(sum(engaged_sessions) as bigint) as engaged_sessions,
    cast(sum(session_microseconds) / 1e6 as double) as session_seconds,
    coalesce({{ data_until() }} >= {{ day_end_utc('metric_date') }}, false)
    and metric_date not in (select metric_date from open_days) as is_complete
from parts
group by
    metric_date,
    surface,
    platform,
    channel,
    country

    {% call touched() %}
    {%- set shown = [
        'event_key', 'event_id', 'occurred_at', 'occurred_date', 'surface', 'platform', 'country', 'is_bot',
        'is_internal_traffic', 'is_key_event', 'revenue', 'is_authoritative_revenue', 'revenue_reporting',
        'is_rate_missing', 'order_id'
    ] %}
    {%- set counted = [
        'session_id', 'started_date', 'surface', 'platform', 'channel', 'country', 'duration_seconds', 'is_bounce',
        'is_engaged', 'is_open', 'is_bot', 'is_internal'
    ] %}
    {%- set somebodys = [
        'event_key', 'occurred_date', 'surface', 'platform', 'channel', 'country', 'is_bot', 'is_internal', 'is_key_event'
    ] %}
    with
        orders as (
            select coalesce(order_id, event_key) as order_key
            from {{ changes(ref('int_events'), shown) }}
            where revenue is not null
        )

    select started_date
    from {{ changes(ref('fct_sessions'), counted) }}
    union all
    select cohort_date
    from {{ changes(ref('int_person_starts'), ['person_id', 'cohort_date', 'surface', 'platform', 'channel', 'country']) }}
    union all
    select occurred_date
    from {{ changes(ref('int_events'), shown) }}
    union all
    -- each input by itself: of a build of some models alone one may have changed before the other
    select occurred_date
    from {{ changes(ref('int_person_events'), somebodys) }}
    union all
    select occurred_date
    from {{ changes(ref('int_event_persons'), ['event_key', 'person_id', 'occurred_date']) }}
    union all
    -- which amount of an order is its first
    select events.occurred_date
    from {{ ref('int_events') }} as events
    semi join orders on coalesce(events.order_id, events.event_key) = orders.order_key
    where events.revenue is not null
    union all
    -- days that ended, or did not yet, as the data now reach
    select metric_date
    from {{ this }}
    where
        is_complete <> (
            coalesce({{ data_until() }} >= {{ day_end_utc('metric_date') }}, false)
            and metric_date not in (
                select started_date from {{ ref('fct_sessions') }} where is_open and not is_bot and not is_internal
            )
        )
    {{ accounted_for(ref('int_data_until')) }}
    {% endcall %}
