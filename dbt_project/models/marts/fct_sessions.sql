{{ config(materialized='by_key', key='person_id') }}

{%- set heartbeat = var('tl_sessions').get('heartbeat_event') -%}
with
    events as (
        select
            sessions.session_id,
            sessions.person_id,
            sessions.is_interactive,
            sessions.position,
            sessions.occurred_at,
            sessions.event_key,
            -- without heartbeats the time between two events counts as engaged up to a minute
            case
                when sessions.position > 1
                then least({{ microseconds_between('sessions.previous_at', 'sessions.occurred_at') }}, 60000000)
                else 0
            end as engaged_microseconds,
            {% if heartbeat -%}
                case
                    when sessions.is_interactive and events.event_name in {{ text_list([heartbeat]) }}
                    then divide(epoch_us(sessions.occurred_at), 10000000)
                end as heartbeat,
            {%- endif %}
            events.event_id,
            events.event_type,
            events.surface,
            events.platform,
            events.country,
            events.page_path,
            events.screen,
            events.is_bot,
            events.is_internal_traffic,
            events.is_key_event,
            {% for dimension in var('tl_dimensions') -%}
                {{ dimension_value(dimension, 'events') }} as dimension_{{ loop.index }},
            {% endfor -%}
            events.revenue_reporting
        from {{ ref('int_event_sessions') }} as sessions
        inner join
            {{ ref('int_events') }} as events on sessions.event_key = events.event_key
            {{ only_touched('sessions.person_id') }}
    ),

    -- what others send belongs to a session, and says nothing of its course: it has no position
    bursts as (
        select
            session_id,
            person_id,
            min(occurred_at) filter (is_interactive) as started_at,
            max(occurred_at) filter (is_interactive) as ended_at,
            {% if heartbeat -%} count(distinct heartbeat)
            {%- else -%} 0
            {%- endif %} as heartbeats,
            case
                when heartbeats > 0 then 10 * (heartbeats - 1) + 5 else sum(engaged_microseconds) / 1e6
            end as engaged_seconds,
            count(*) filter (is_interactive) as events,
            count(*) filter (is_interactive and event_type in ('page', 'screen')) as views,
            arg_min(page_path, position) filter (event_type = 'page') as entry_page,
            arg_max(page_path, position) filter (event_type = 'page') as exit_page,
            arg_min(screen, position) filter (event_type = 'screen') as entry_screen,
            arg_max(screen, position) filter (event_type = 'screen') as exit_screen,
            arg_min_null(surface, position) filter (is_interactive) as surface,
            arg_min_null(platform, position) filter (is_interactive) as platform,
            arg_min(country, position) as country,
            array_to_string(list_sort(list_distinct(list(surface) filter (is_interactive))), ',') as surfaces,
            bool_or(is_bot) filter (is_interactive) as is_bot,
            bool_or(is_internal_traffic) filter (is_interactive) as is_internal_traffic,
            bool_or(is_key_event) filter (is_interactive) as has_key_event,
            bool_or(is_key_event) as converted,
            {% for dimension in var('tl_dimensions') -%}
                -- the first value in the session, whichever event brought it
                min_by(
                    dimension_{{ loop.index }}, {ts:occurred_at, id:event_id, key:event_key}
                ) as dimension_{{ loop.index }},
            {% endfor -%}
            sum(revenue_reporting) as revenue_reporting
        from events
        group by session_id, person_id
        -- all have one; but where some models are built alone it may be gone already, and the session not yet
        having bool_or(is_interactive)
    ),

    -- how much of the product was used: the configured features, each once
    depths as (
        select session_id, count(distinct feature) as features_used
        from {{ ref('int_feature_events') }} as features {{ only_touched('features.person_id') }}
        where part = 'use' and session_id is not null
        group by session_id
    ),

    engaged as (
        select
            bursts.*,
            -- a server's event converts a session but never un-bounces it
            engaged_seconds > 10 or views >= 2 or has_key_event as is_engaged
        from bursts
    )

select
    engaged.session_id,
    engaged.person_id,
    cast(row_number() over (person) as integer) as session_number,
    lag(engaged.session_id) over (person) is null as is_first,
    lag(engaged.session_id) over (person) as previous_session_id,
    engaged.started_at,
    engaged.ended_at,
    cast({{ to_local('engaged.started_at') }} as date) as started_date,
    cast({{ seconds_between('engaged.started_at', 'engaged.ended_at') }} as double) as duration_seconds,
    cast(engaged.engaged_seconds as double) as engaged_seconds,
    engaged.heartbeats = 0 as is_engaged_time_estimated,
    cast(engaged.events as integer) as events,
    cast(engaged.views as integer) as views,
    engaged.entry_page,
    engaged.exit_page,
    engaged.entry_screen,
    engaged.exit_screen,
    channels.channel,
    channels.utm_source,
    channels.utm_medium,
    channels.utm_campaign,
    engaged.surface,
    engaged.platform,
    engaged.country,
    engaged.surfaces,
    not engaged.is_engaged as is_bounce,
    engaged.is_engaged,
    engaged.converted,
    cast(coalesce(depths.features_used, 0) as integer) as features_used,
    cast(engaged.revenue_reporting as decimal(18, 2)) as revenue_reporting,
    {%- set values = [] -%}
    {%- for dimension in var('tl_dimensions') -%}
        {%- do values.append('engaged.dimension_' ~ loop.index) -%}
    {%- endfor %}
    {{ dimensions_object(values) }} as dimensions,
    coalesce(
        engaged.ended_at + interval '{{ var("tl_sessions").timeout_seconds }} seconds' >= {{ data_until() }}, true
    ) as is_open,
    engaged.is_bot,
    engaged.is_internal_traffic or internal.person_id is not null as is_internal
from engaged
inner join {{ ref('int_session_channels') }} as channels on engaged.session_id = channels.session_id
left join {{ ref('int_internal_persons') }} as internal on engaged.person_id = internal.person_id
left join depths on engaged.session_id = depths.session_id
window
    person as (partition by engaged.person_id order by engaged.started_at, engaged.session_id)

    {% call touched() %}
    {%- set shown = [
        'event_key', 'event_type', 'surface', 'platform', 'country', 'page_path', 'screen', 'is_bot', 'is_internal_traffic',
        'is_key_event', 'revenue_reporting'
    ] %}
    {%- if heartbeat %} {%- do shown.append('event_name') -%} {%- endif %}
    {%- for dimension in var('tl_dimensions') %}
        {%- do shown.extend(['event_id', 'properties', 'properties_unreviewed']) %}
    {%- endfor %}
    select person_id
    from
        {{ changes(ref('int_session_events'), ['person_id', 'session_id', 'event_key', 'occurred_at', 'previous_at', 'position']) }}
    union all
    select person_id
    from {{ changes(ref('int_attached_events'), ['person_id', 'session_id', 'event_key', 'occurred_at']) }}
    union all
    select sessions.person_id
    from {{ ref('int_event_sessions') }} as sessions
    semi join {{ changes(ref('int_events'), shown | unique | list) }} as events on sessions.event_key = events.event_key
    union all
    select sessions.person_id
    from {{ this }} as sessions
    semi join
        {{ any_change(ref('int_session_channels'), ['session_id']) }} as channels
        on sessions.session_id = channels.session_id
    union all
    select person_id
    from {{ any_change(ref('int_internal_persons'), ['person_id']) }}
    union all
    select person_id
    from {{ changes(ref('int_feature_events'), ['feature', 'part', 'event_key', 'person_id', 'session_id']) }}
    union all
    -- sessions that ended, or did not yet, as the data now reach
    select person_id
    from {{ this }}
    where
        is_open
        <> coalesce(ended_at + interval '{{ var("tl_sessions").timeout_seconds }} seconds' >= {{ data_until() }}, true)
    {{ accounted_for(ref('int_data_until')) }}
    {% endcall %}
