{{ config(materialized='by_key', key='event_key', since='occurred_at', near='person_id') }}

-- The key events, as fct_sessions.converted and rpt_metrics_daily.conversions see them: with or without a person.
select
    events.event_key,
    events.event_id,
    events.event_name,
    persons.person_id,
    persons.session_id,
    events.occurred_at,
    events.occurred_at_local,
    events.occurred_date,
    events.source,
    events.surface,
    events.platform,
    events.country,
    coalesce(persons.channel, '(none)') as channel,
    cast({{ seconds_between('first_seen.first_seen_at', 'events.occurred_at') }} as double) as seconds_since_first_seen,
    events.order_id,
    events.revenue,
    events.currency,
    events.revenue_reporting,
    events.is_rate_missing,
    events.is_bot,
    coalesce(persons.is_internal, events.is_internal_traffic) as is_internal
from {{ touched_rows_since(ref('int_events'), 'occurred_at', 'event_key') }} as events
left join
    {{ touched_rows_since(ref('int_person_events'), 'occurred_at', 'event_key', near='person_id') }} as persons
    on events.event_key = persons.event_key
left join {{ ref('dim_persons') }} as first_seen on persons.person_id = first_seen.person_id
where
    events.is_key_event

    {% call touched() %}
    -- when it was is told alike by both
    {{ relied_on(ref('int_person_events')) }}
    {%- set shown = [
        'event_key', 'event_id', 'event_name', 'occurred_at', 'occurred_at_local', 'source', 'surface', 'platform', 'country',
        'order_id', 'revenue', 'currency', 'revenue_reporting', 'is_rate_missing', 'is_bot', 'is_internal_traffic',
        'is_key_event'
    ] %}
    select event_key, occurred_at, null
    from {{ changes(ref('int_events'), shown) }}
    where is_key_event
    union all
    select event_key, occurred_at, person_id
    from
        {{ changes(ref('int_person_events'), ['event_key', 'occurred_at', 'person_id', 'session_id', 'channel', 'is_internal', 'is_key_event']) }}
    where is_key_event
    union all
    select events.event_key, events.occurred_at, events.person_id
    from {{ ref('int_person_events') }} as events
    -- who is new, or gone, has other events
    semi join {{ altered(ref('dim_persons'), 'person_id', ['first_seen_at']) }} as persons on events.person_id = persons.person_id
    where events.is_key_event
    {% endcall %}
