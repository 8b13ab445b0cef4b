{{ config(materialized='by_key', key='device_key') }}

with
    events as (
        select
            persons.device_key,
            persons.person_id,
            persons.identity_rule,
            subjects.is_device_sent,
            events.occurred_at,
            events.event_id,
            events.event_key,
            events.surface,
            events.platform,
            events.app_version,
            events.device_class
        from {{ ref('int_event_persons') }} as persons
        inner join {{ ref('int_events') }} as events on persons.event_key = events.event_key
        inner join
            {{ ref('int_event_subjects') }} as subjects on persons.event_key = subjects.event_key
            {{ only_touched('persons.device_key') }}
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

    used as (
        select
            device_key,
            min(occurred_at) as first_seen_at,
            max(occurred_at) as last_seen_at,
            count(*) as events,
            count(distinct person_id) filter (identity_rule = 'direct') as persons,
            count(distinct person_id) filter (identity_rule = 'direct' and is_device_sent) as persons_by_itself,
            max_by(person_id, {ts:occurred_at, id:event_id, key:event_key}) as last_person_id,
            max_by(identity_rule, {ts:occurred_at, id:event_id, key:event_key}) as last_rule,
            -- what a server says about a device is the server's; max_by passes over NULL
            max_by(surface, {ts:occurred_at, id:event_id, key:event_key}) filter (is_device_sent) as surface,
            max_by(platform, {ts:occurred_at, id:event_id, key:event_key}) filter (is_device_sent) as platform,
            max_by(app_version, {ts:occurred_at, id:event_id, key:event_key}) filter (is_device_sent) as app_version,
            max_by(device_class, {ts:occurred_at, id:event_id, key:event_key}) filter (is_device_sent) as device_class
        from events
        group by device_key
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
    used.last_person_id,
    used.last_rule,
    used.surface,
    used.platform,
    used.app_version,
    used.device_class
from used
left join
    identifiers on used.device_key = identifiers.device_key

    {% call touched() %}
    select device_key
    from {{ changes(ref('int_event_persons'), ['event_key', 'device_key', 'person_id', 'identity_rule']) }}
    union all
    select persons.device_key
    from {{ ref('int_event_persons') }} as persons
    semi join
        (
            select event_key
            from {{ changes(ref('int_events'), ['event_key', 'event_id', 'occurred_at', 'surface', 'platform', 'app_version', 'device_class']) }}
            union
            select event_key
            from {{ changes(ref('int_event_subjects'), ['event_key', 'is_device_sent']) }}
        ) as changed
        on persons.event_key = changed.event_key
    union all
    select person_id
    from {{ any_change(ref('int_identity_nodes'), ['person_id', 'kind_priority']) }}
    where kind_priority >= 5
    {% endcall %}
