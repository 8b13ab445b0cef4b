{{ config(materialized='by_key', key='person_id', since='started_at') }}

{#- What a session is, whatever is told of it later: whose, from when to when, and the acquisition channel: the first
    signal among its interactive events; web sessions without one are `direct`, all others `(none)`. -#}
{%- set told = ['surface', 'channel_signal', 'utm_source', 'utm_medium', 'utm_campaign'] %}
with
    events as (
        select
            sessions.session_id,
            sessions.person_id,
            sessions.occurred_at,
            sessions.position,
            {% for name in told -%} events.{{ name }}, {% endfor %}
        from {{ touched_rows_since(ref('int_session_events'), 'occurred_at', 'person_id') }} as sessions
        -- the time is there to read the periods that are wanted alone
        left join
            {{ ref('int_events') }} as events
            on sessions.event_key = events.event_key
            and sessions.occurred_at = events.occurred_at
    ),

    sessions as (
        select
            session_id,
            person_id,
            min(occurred_at) as started_at,
            max(occurred_at) as ended_at,
            min_by(
                {channel:channel_signal, utm_source:utm_source, utm_medium:utm_medium, utm_campaign:utm_campaign},
                position
            ) filter (channel_signal is not null) as signal,
            bool_or(surface = 'web') as is_web
        from events
        group by session_id, person_id
    )

select
    session_id,
    person_id,
    started_at,
    ended_at,
    coalesce(signal.channel, case when is_web then 'direct' else '(none)' end) as channel,
    signal.utm_source as utm_source,
    signal.utm_medium as utm_medium,
    signal.utm_campaign as utm_campaign
from
    sessions

    {% call touched() %}
    {{ persons_since_session(ref('int_session_events'), ['person_id', 'session_id', 'event_key', 'occurred_at', 'position'], this) }}
    {{ relied_on(ref('int_session_events')) }}
    union all
    -- of events that came or went the session came or went with them
    select sessions.person_id, {{ since_unless_they_overlap('least(sessions.occurred_at, bounds.started_at)') }}
    from {{ ref('int_session_events') }} as sessions
    semi join {{ altered(ref('int_events'), 'event_key', ['occurred_at'] + told) }} as events on sessions.event_key = events.event_key
    left join {{ this }} as bounds on sessions.session_id = bounds.session_id and sessions.person_id = bounds.person_id
    {% endcall %}
