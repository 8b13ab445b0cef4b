{{ config(materialized='by_key', key='event_key', since='occurred_at', near='person_id') }}

{#- The events that are the use of a feature, or from which it could be used. -#}
{%- set parts = feature_parts() -%}
with
    named as (
        select
            event_key,
            event_id,
            person_id,
            session_id,
            event_name,
            occurred_at,
            occurred_date,
            coalesce(platform, '(none)') as platform,
            channel
        from {{ touched_rows_by_log(ref('int_person_events'), 'event_key') }} as events
        where not is_bot and not is_internal and event_name in {{ text_list(event_names(parts)) }}
    ),

    matched as (
        {% for part in parts -%}
            {%- set event = "'" ~ (part.event | replace("'", "''")) ~ "'" -%}
            select '{{ part.feature }}' as feature, '{{ part.part }}' as part, named.*
            from named
            {%- if part.where %}
                inner join
                    {{ ref('int_events') }} as details
                    on named.event_key = details.event_key
                    and named.occurred_at = details.occurred_at
                where
                    named.event_name = {{ event }} and details.event_name = {{ event }}
                    {{ funnel_filter(part.where, 'named', 'details') }}
            {%- else %} where named.event_name = {{ event }}
            {%- endif %}
            {% if not loop.last %}
                union all
            {% endif -%}
        {% else -%}select null as feature, null as part, named.* from named where false
        {%- endfor %}
    )

-- depends_on: {{ ref('int_events') }}
select
    cast(feature as varchar) as feature,
    cast(part as varchar) as part,
    event_key,
    event_id,
    person_id,
    session_id,
    occurred_at,
    occurred_date,
    platform
from
    matched

    {% call touched() %}
    {%- set shown = [
        'event_key', 'event_id', 'person_id', 'session_id', 'event_name', 'occurred_at', 'occurred_date', 'platform', 'channel',
        'is_bot', 'is_internal'
    ] %}
    select event_key, occurred_at, person_id
    from {{ changes(ref('int_person_events'), shown) }}
    union all
    -- that it came or went is told above
    {{ relied_on(ref('int_person_events')) }}
    select events.event_key, events.occurred_at, null
    from {{ any_change(ref('int_events'), ['event_key', 'occurred_at']) }} as events
    semi join {{ altered(ref('int_events'), 'event_key') }} as altered on events.event_key = altered.event_key
    {% endcall %}
