{{ config(materialized='by_key', key='device_key') }}

{%- set told = ['surface', 'platform', 'app_version', 'device_class'] -%}

with
    events as (
        select
            persons.device_key,
            persons.person_id,
            persons.identity_rule,
            persons.is_device_sent,
            persons.occurred_at,
            persons.event_id,
            persons.event_key,
            events.surface,
            events.platform,
            events.app_version,
            events.device_class
        from {{ touched_rows(ref('int_event_persons'), 'device_key') }} as persons
        inner join {{ ref('int_events') }} as events on persons.event_key = events.event_key
        where persons.device_key is not null
    ),

    identifiers as (
        select
            person_id as device_key,
            count(*) filter (kind = 'anonymous_id') as anonymous_ids,
            count(*) filter (kind = 'device_id') as device_ids
        from {{ ref('int_identity_nodes') }}
        where kind_priority >= 5 and events > 0
        group by person_id
    ),

    -- what a server says about a device is the server's
    used as (
        select
            device_key,
            min(occurred_at) as first_seen_at,
            max(occurred_at) as last_seen_at,
            count(*) as events,
            count(distinct person_id) filter (identity_rule = 'direct') as persons,
            count(distinct person_id) filter (identity_rule = 'direct' and is_device_sent) as persons_by_itself,
            {%- for column in told %}
                max(occurred_at) filter (is_device_sent and {{ column }} is not null) as {{ column }}_told_at
                {%- if not loop.last %}, {% endif -%}
            {%- endfor %}
        from events
        group by device_key
    ),

    {#- Found by their time first: max_by over all events keeps a copy of every value that was once the last, which
        is more than fits into memory. -#}
    latest as (
        select
            events.device_key,
            max_by(events.person_id, {id:event_id, key:event_key}) filter (
                events.occurred_at = used.last_seen_at
            ) as last_person_id,
            max_by(events.identity_rule, {id:event_id, key:event_key}) filter (
                events.occurred_at = used.last_seen_at
            ) as last_rule,
            {%- for column in told %}
                -- max_by passes over NULL
                max_by(events.{{ column }}, {id:event_id, key:event_key}) filter (
                    events.is_device_sent and events.occurred_at = used.{{ column }}_told_at
                ) as {{ column }}
                {%- if not loop.last %}, {% endif -%}
            {%- endfor %}
        from events
        inner join used on events.device_key = used.device_key
        where
            events.occurred_at = used.last_seen_at
            {%- for column in told %} or events.occurred_at = used.{{ column }}_told_at {%- endfor %}
        group by events.device_key
    )

select
    used.device_key,
    used.first_seen_at,
    used.last_seen_at,
    cast(used.events as bigint) as events,
    cast(coalesce(identifiers.anonymous_ids, 0) as integer) as anonymous_ids,
    cast(coalesce(identifiers.device_ids, 0) as integer) as device_ids,
    cast(used.persons as integer) as persons,
    used.persons_by_itself > {{ var('tl_identity').kiosk_limit }} as is_kiosk,
    latest.last_person_id,
    latest.last_rule,
    latest.surface,
    latest.platform,
    latest.app_version,
    latest.device_class
from used
inner join latest on used.device_key = latest.device_key
left join
    identifiers on used.device_key = identifiers.device_key

    {% call touched() %}
    {%- set placed = ['event_key', 'event_id', 'occurred_at', 'device_key', 'person_id', 'identity_rule', 'is_device_sent'] %}
    select device_key
    from {{ changes(ref('int_event_persons'), placed) }}
    union all
    select persons.device_key
    from {{ ref('int_event_persons') }} as persons
    {{ relied_on(ref('int_event_persons')) }}
    semi join {{ altered(ref('int_events'), 'event_key', ['surface', 'platform', 'app_version', 'device_class']) }} as changed
        on persons.event_key = changed.event_key
    union all
    select person_id
    from {{ any_change(ref('int_identity_nodes'), ['person_id', 'kind_priority']) }}
    where kind_priority >= 5
    {% endcall %}
