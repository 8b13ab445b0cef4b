{{ config(materialized='by_key', key=['kind', 'value']) }}

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
        from {{ ref('int_identity_nodes') }} as nodes {{ only_touched('nodes.kind', 'nodes.value') }}
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
            persons.occurred_at,
            persons.event_key
        from
            {{ ref('int_event_persons') }} as persons
            {% call in_increment() %}
            semi join
                (
                    select nodes.person_id
                    from {{ ref('int_identity_nodes') }} as nodes
                    semi join touched on nodes.kind = touched.key_1 and nodes.value = touched.key_2
                ) as wanted
                on persons.device_key = wanted.person_id
            {% endcall %}
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
        inner join runs on nodes.person_id = runs.device_key {{ only_touched('nodes.kind', 'nodes.value') }}
        where nodes.kind_priority >= 5
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
from
    identifiers

    {% call touched() %}
    with
        devices as (
            select device_key
            from
                {{ changes(ref('int_event_persons'), ['event_key', 'device_key', 'person_id', 'identity_rule', 'occurred_at']) }}
        )

    select kind, value
    from {{ any_change(ref('int_identity_nodes'), ['kind', 'value']) }}
    union all
    select nodes.kind, nodes.value
    from {{ ref('int_identity_nodes') }} as nodes
    semi join devices on nodes.person_id = devices.device_key
    where nodes.kind_priority >= 5
    {% endcall %}
