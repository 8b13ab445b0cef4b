{{ config(materialized='by_key', key='session_id') }}

{#- The acquisition channel of a session: the first signal among its interactive events; web sessions without
    one are `direct`, all others `(none)`. -#}
with
    events as (
        select
            sessions.session_id,
            sessions.position,
            events.surface,
            events.channel_signal,
            events.utm_source,
            events.utm_medium,
            events.utm_campaign
        from {{ ref('int_session_events') }} as sessions
        inner join
            {{ ref('int_events') }} as events on sessions.event_key = events.event_key
            {{ only_touched('sessions.session_id') }}
    ),

    signals as (
        select
            session_id,
            min_by(
                {channel:channel_signal, utm_source:utm_source, utm_medium:utm_medium, utm_campaign:utm_campaign},
                position
            ) filter (channel_signal is not null) as signal,
            bool_or(surface = 'web') as is_web
        from events
        group by session_id
    )

select
    session_id,
    coalesce(signal.channel, case when is_web then 'direct' else '(none)' end) as channel,
    signal.utm_source as utm_source,
    signal.utm_medium as utm_medium,
    signal.utm_campaign as utm_campaign
from
    signals

    {% call touched() %}
    select session_id
    from {{ changes(ref('int_session_events'), ['session_id', 'event_key', 'position']) }}
    union all
    select sessions.session_id
    from {{ ref('int_session_events') }} as sessions
    semi join
        {{ changes(ref('int_events'), ['event_key', 'surface', 'channel_signal', 'utm_source', 'utm_medium', 'utm_campaign']) }} as events
        on sessions.event_key = events.event_key
    {% endcall %}
