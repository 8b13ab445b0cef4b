{{ config(materialized='by_key', key='person_id', since='started_at') }}

{%- set heartbeat = var('tl_sessions').get('heartbeat_event') -%}
with
    events as (
        select
            session_id,
            person_id,
            is_interactive,
            position,
            occurred_at,
            event_id,
            event_key,
            -- without heartbeats the time between two events counts as engaged up to a minute
            case
                when position > 1 then least({{ microseconds_between('previous_at', 'occurred_at') }}, 60000000) else 0
            end as engaged_microseconds,
            {% if heartbeat -%}
                case
                    when is_interactive and event_name in {{ text_list([heartbeat]) }}
                    then divide(epoch_us(occurred_at), 10000000)
                end as heartbeat,
            {%- endif %}
            event_type,
            surface,
            platform,
            country,
            page_path,
            screen,
            is_bot,
            is_internal,
            is_key_event,
            dimension_values,
            revenue_reporting
        from {{ touched_rows_since(ref('int_person_events'), 'occurred_at', 'person_id') }} as events
        where session_id is not null
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
            -- of the four there are, in order; a list of each session's events would not fit into the memory
            concat_ws(
                ','
                {%- for surface in ['backend', 'mobile', 'other', 'web'] %}
                    , case when bool_or(surface = '{{ surface }}') filter (is_interactive) then '{{ surface }}' end
                {%- endfor %}
            ) as surfaces,
            bool_or(is_bot) filter (is_interactive) as is_bot,
            bool_or(is_internal) filter (is_interactive) as is_internal,
            bool_or(is_key_event) filter (is_interactive) as has_key_event,
            bool_or(is_key_event) as converted,
            {% for dimension in var('tl_dimensions') -%}
                -- the first value in the session, whichever event brought it
                min_by(
                    dimension_values[{{ loop.index }}], {ts:occurred_at, id:event_id, key:event_key}
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
        from {{ touched_rows_since(ref('int_feature_events'), 'occurred_at', 'person_id') }} as features
        where part = 'use' and session_id is not null
        group by session_id
    ),

    -- among all sessions of the person
    numbered as (
        select
            session_id,
            channel,
            utm_source,
            utm_medium,
            utm_campaign,
            row_number() over person as session_number,
            lag(session_id) over person as previous_session_id
        from {{ touched_rows(ref('int_session_bounds'), 'person_id') }} as bounds
        window person as (partition by person_id order by started_at, session_id)
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
    cast(numbered.session_number as integer) as session_number,
    numbered.session_number = 1 as is_first,
    numbered.previous_session_id,
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
    numbered.channel,
    numbered.utm_source,
    numbered.utm_medium,
    numbered.utm_campaign,
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
    engaged.is_internal
from engaged
inner join numbered on engaged.session_id = numbered.session_id
left join depths on engaged.session_id = depths.session_id
order by
    engaged.started_at,
    engaged.session_id

    {% call touched() %}
    {%- set shown = [
        'person_id', 'session_id', 'event_key', 'occurred_at', 'previous_at', 'position', 'is_interactive', 'event_type',
        'surface', 'platform', 'country', 'page_path', 'screen', 'is_bot', 'is_internal', 'is_key_event', 'revenue_reporting'
    ] %}
    {%- if heartbeat %} {%- do shown.append('event_name') -%} {%- endif %}
    {%- if var('tl_dimensions') %} {%- do shown.extend(['event_id', 'dimension_values']) -%} {%- endif %}
    {{ persons_since_session(ref('int_person_events'), shown, ref('int_session_bounds')) }}
    where events.session_id is not null
    {{ relied_on(ref('int_person_events')) }}
    {{ relied_on(ref('int_session_bounds')) }}
    union all
    -- where it starts, and how many there were before it, changes with its events
    select person_id, {{ since_started('bounds') }}
    from
        {{ changes(ref('int_session_bounds'), ['person_id', 'session_id', 'started_at', 'channel', 'utm_source', 'utm_medium', 'utm_campaign']) }}
        as bounds
    union all
    select features.person_id, {{ since_started('bounds') }}
    from {{ changes(ref('int_feature_events'), ['feature', 'part', 'event_key', 'person_id', 'session_id']) }} as features
    inner join
        {{ ref('int_session_bounds') }} as bounds
        on features.session_id = bounds.session_id
        and features.person_id = bounds.person_id
    union all
    -- sessions that ended, or did not yet, as the data now reach
    select person_id, {{ since_started('sessions') }}
    from {{ this }} as sessions
    where
        is_open
        <> coalesce(ended_at + interval '{{ var("tl_sessions").timeout_seconds }} seconds' >= {{ data_until() }}, true)
    {{ accounted_for(ref('int_data_until')) }}
    {% endcall %}
