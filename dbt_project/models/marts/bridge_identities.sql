with
    person_identifiers as (
        select
            kind,
            value,
            person_id,
            rule,
            first_seen_at as valid_from,
            cast(null as timestamp) as valid_to,
            events,
            cast(null as varchar) as device_key
        from {{ ref('int_identity_nodes') }}
        where kind_priority <= 4 or is_set_aside
    ),

    -- a device belongs to whoever used it: one row per unbroken run of events of one person by one rule. What the
    -- person did under its own name is carried by that name. Of one moment the order is that of the rows' own
    -- columns, so that no two runs of a person begin in one moment.
    device_events as (
        select
            persons.device_key,
            persons.person_id,
            case when persons.identity_rule = 'direct' then 'carry' else persons.identity_rule end as rule,
            events.occurred_at,
            events.event_key
        from {{ ref('int_event_persons') }} as persons
        inner join {{ ref('int_events') }} as events on persons.event_key = events.event_key
        where persons.device_key is not null
    ),

    numbered as (
        select
            *,
            row_number() over (partition by device_key order by occurred_at, person_id, rule, event_key)
            - row_number() over (partition by device_key, person_id, rule order by occurred_at, event_key) as run
        from device_events
    ),

    runs as (
        select
            device_key,
            person_id,
            rule,
            min(occurred_at) as valid_from,
            max(occurred_at) as valid_to,
            count(*) as events
        from numbered
        group by device_key, person_id, rule, run
    ),

    device_identifiers as (
        select
            nodes.kind,
            nodes.value,
            runs.person_id,
            runs.rule,
            runs.valid_from,
            runs.valid_to,
            runs.events,
            runs.device_key
        from {{ ref('int_identity_nodes') }} as nodes
        inner join runs on nodes.person_id = runs.device_key
        where nodes.kind_priority >= 5 and not nodes.is_set_aside
    ),

    identifiers as (
        select *
        from person_identifiers
        union all
        select *
        from device_identifiers
    )

select
    kind,
    value,
    person_id,
    rule,
    valid_from,
    valid_to,
    -- every rule here is deterministic; guesses are not made
    cast(case when person_id is not null then 1 end as double) as confidence,
    cast(events as bigint) as events,
    device_key
from identifiers
