{{ config(materialized='by_key', key='event_key', since='occurred_at', near='person_id') }}

{#- The events the funnels look at. Each part of a funnel reads the few events of its name; envelope and
    properties are joined only where the part has a filter. -#}
{%- set parts = funnel_parts() -%}
with
    named as (
        select event_key, person_id, event_name, occurred_at, occurred_date, channel
        from {{ touched_rows_by_log(ref('int_person_events'), 'event_key') }} as events
        where not is_bot and not is_internal and event_name in {{ text_list(event_names(parts)) }}
    ),

    matched as (
        {% for part in parts -%}
            {%- set event = "'" ~ (part.event | replace("'", "''")) ~ "'" -%}
            select
                '{{ part.funnel }}' as funnel,
                '{{ part.part }}' as part,
                {{ part.ordinal }} as ordinal,
                named.event_key,
                named.person_id,
                named.occurred_at,
                named.occurred_date
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
        {% else -%}
            select null as funnel, null as part, null as ordinal, event_key, person_id, occurred_at, occurred_date
            from named
            where false
        {%- endfor %}
    )

-- depends_on: {{ ref('int_events') }}
select
    cast(funnel as varchar) as funnel,
    cast(part as varchar) as part,
    cast(ordinal as integer) as ordinal,
    event_key,
    person_id,
    occurred_at,
    occurred_date
from
    matched

    {% call touched() %}
    select event_key, occurred_at, person_id
    from
        {{ changes(ref('int_person_events'), ['event_key', 'person_id', 'event_name', 'occurred_at', 'occurred_date', 'channel', 'is_bot', 'is_internal']) }}
    union all
    -- that it came or went is told above
    {{ relied_on(ref('int_person_events')) }}
    select events.event_key, events.occurred_at, null
    from {{ any_change(ref('int_events'), ['event_key', 'occurred_at']) }} as events
    semi join {{ altered(ref('int_events'), 'event_key') }} as altered on events.event_key = altered.event_key
    {% endcall %}
