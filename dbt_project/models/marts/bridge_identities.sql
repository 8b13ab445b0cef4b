with
    person_identifiers as (
        select kind, value, person_id, rule, first_seen_at as valid_from, cast(null as timestamp) as valid_to
        from {{ ref('int_identity_nodes') }}
        where kind_priority <= 4 or is_set_aside
    ),

    -- a device belongs to whoever used it, one row per unbroken run of events of one person
    device_events as (
        select
            persons.device_key,
            persons.person_id,
            events.occurred_at,
            row_number() over (device) - row_number() over (
                partition by persons.device_key, persons.person_id
                order by events.occurred_at, events.event_id, events.event_key
            ) as run
        from {{ ref('int_event_persons') }} as persons
        inner join {{ ref('int_events') }} as events on persons.event_key = events.event_key
        where persons.device_key is not null
        window
            device as (partition by persons.device_key order by events.occurred_at, events.event_id, events.event_key)
    ),

    runs as (
        select device_key, person_id, min(occurred_at) as valid_from, max(occurred_at) as valid_to
        from device_events
        group by device_key, person_id, run
    ),

    device_identifiers as (
        select nodes.kind, nodes.value, runs.person_id, 'interval' as rule, runs.valid_from, runs.valid_to
        from {{ ref('int_identity_nodes') }} as nodes
        inner join runs on nodes.person_id = runs.device_key
        where nodes.kind_priority >= 5 and not nodes.is_set_aside
    )

select kind, value, person_id, rule, valid_from, valid_to
from person_identifiers

union all

select kind, value, person_id, rule, valid_from, valid_to
from device_identifiers
