{{ config(materialized='by_key', key='person_id') }}

-- New is the first active moment over all history, never the first inside some window.
select
    person_id,
    min(occurred_at) as started_at,
    min(occurred_date) as cohort_date,
    arg_min(surface, {moment:occurred_at, id:event_id, key:event_key}) as surface,
    coalesce(arg_min_null(platform, {moment:occurred_at, id:event_id, key:event_key}), '(none)') as platform,
    arg_min(channel, {moment:occurred_at, id:event_id, key:event_key}) as channel,
    coalesce(arg_min_null(country, {moment:occurred_at, id:event_id, key:event_key}), '(none)') as country
from {{ ref('int_person_events') }} as events {{ only_touched('events.person_id') }}
where is_interactive and not is_bot and not is_internal
group by
    person_id

    {% call touched() %}
    {%- set shown = [
        'event_key', 'event_id', 'person_id', 'occurred_at', 'occurred_date', 'surface', 'platform', 'country', 'channel',
        'is_interactive', 'is_bot', 'is_internal'
    ] %}
    select person_id
    from {{ changes(ref('int_person_events'), shown) }}
    {% endcall %}
