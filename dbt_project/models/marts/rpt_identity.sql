{{ config(materialized='recomputed') }}

{#- How well people are known, day by day. What is set aside is counted on the day it was first seen. -#}
with
    nodes as (
        select *, cast({{ to_local('first_seen_at') }} as date) as first_seen_date
        from {{ ref('int_identity_nodes') }}
        where events > 0
    ),

    known as (
        select person_id, count(*) as identifiers
        from nodes
        where kind_priority <= 4 and person_id is not null
        group by person_id
    ),

    person_days as (select distinct person_id, occurred_date from {{ ref('int_person_events') }}),

    active as (
        select
            person_days.occurred_date as day,
            count(*) as persons,
            count(known.person_id) as known_persons,
            sum(known.identifiers) as identifiers_of_known
        from person_days
        left join known on person_days.person_id = known.person_id
        group by person_days.occurred_date
    ),

    seen as (
        select
            first_seen_date as day,
            count(*) as new_identifiers,
            count(*) filter (rule = 'conflict') as conflicts,
            count(*) filter (rule = 'hub') as hubs,
            count(*) filter (rule = 'never_link') as never_links
        from nodes
        group by first_seen_date
    ),

    -- the day on which the evidence first said that one identifier is another's
    joins as (
        select {{ to_local('min(first_seen_at)') }} as joined_at
        from {{ ref('bridge_identity_evidence') }}
        where is_used and evidence <> 'unlink' and higher_kind not in ('anonymous_id', 'device_id')
        group by lower_kind, lower_value
    ),

    merges as (select cast(joined_at as date) as day, count(*) as merges from joins group by all),

    devices as (
        select device_days.occurred_date as day, count(*) as devices, count(*) filter (dim.is_kiosk) as kiosks
        from (select distinct device_key, occurred_date from {{ ref('int_event_persons') }}) as device_days
        inner join {{ ref('dim_devices') }} as dim on device_days.device_key = dim.device_key
        group by device_days.occurred_date
    ),

    days as (
        select day
        from active
        union
        select day
        from seen
        union
        select day
        from merges
        union
        select day
        from devices
    )

select
    days.day as identity_date,
    cast(coalesce(active.persons, 0) as bigint) as persons,
    cast(coalesce(active.known_persons, 0) as bigint) as known_persons,
    cast(coalesce(active.persons - active.known_persons, 0) as bigint) as anonymous_persons,
    (active.persons - active.known_persons) / cast(nullif(active.persons, 0) as double) as anonymous_share,
    active.identifiers_of_known / cast(nullif(active.known_persons, 0) as double) as identifiers_per_known_person,
    cast(coalesce(seen.new_identifiers, 0) as bigint) as new_identifiers,
    cast(coalesce(merges.merges, 0) as bigint) as merges,
    cast(coalesce(seen.conflicts, 0) as bigint) as conflicts,
    cast(coalesce(seen.hubs, 0) as bigint) as hubs,
    cast(coalesce(seen.never_links, 0) as bigint) as never_links,
    cast(coalesce(devices.devices, 0) as bigint) as devices,
    cast(coalesce(devices.kiosks, 0) as bigint) as kiosks
from days
left join active on days.day = active.day
left join seen on days.day = seen.day
left join merges on days.day = merges.day
left join devices on days.day = devices.day
where days.day is not null
