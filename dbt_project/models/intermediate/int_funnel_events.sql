{#- The events the funnels look at. Each part of a funnel reads the few events of its name; the envelope and
    the properties are joined only for parts with a filter, to the events of their names. -#}
{%- set parts = funnel_parts() -%}
{%- set filtered = parts | selectattr('where') | list -%}
with
    named as (
        select event_key, person_id, event_name, occurred_at, occurred_date, channel
        from {{ ref('int_person_events') }}
        where
            not is_bot
            and not is_internal
            and event_name in {{ text_list(parts | map(attribute='event') | unique | list) }}
    ),

    {% if filtered -%}
    detailed as (
        select named.*, details.* exclude (event_key, event_name, occurred_at, occurred_date)
        from named
        inner join {{ ref('int_events') }} as details on named.event_key = details.event_key
        where named.event_name in {{ text_list(filtered | map(attribute='event') | unique | list) }}
    ),
    {%- endif %}

    matched as (
        {% for part in parts -%}
        select
            '{{ part.funnel }}' as funnel,
            '{{ part.part }}' as part,
            {{ part.ordinal }} as ordinal,
            event_key,
            person_id,
            occurred_at,
            occurred_date
        from {{ 'detailed' if part.where else 'named' }}
        where
            event_name = '{{ part.event | replace("'", "''") }}'
            {{ funnel_filter(part.where, 'detailed', 'detailed') }}
        {% if not loop.last %} union all {% endif -%}
        {% else -%}
        select null as funnel, null as part, null as ordinal, event_key, person_id, occurred_at, occurred_date
        from named
        where false
        {%- endfor %}
    )

select
    cast(funnel as varchar) as funnel,
    cast(part as varchar) as part,
    cast(ordinal as integer) as ordinal,
    event_key,
    person_id,
    occurred_at,
    occurred_date
from matched
