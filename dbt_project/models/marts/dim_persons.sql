with
    events as (select * from {{ ref('int_person_events') }}),

    seen as (
        select
            events.person_id,
            min(events.occurred_at) as first_seen_at,
            max(events.occurred_at) as last_seen_at,
            min(events.occurred_at) filter (events.event_name = '{{ var("tl_sign_up_event") }}') as signed_up_at,
            min_by(
                events.platform, {ts:events.occurred_at, id:events.event_id, key:events.event_key}
            ) as first_platform,
            min_by(events.country, {ts:events.occurred_at, id:events.event_id, key:events.event_key}) as country,
            count(*) as events,
            bool_or(events.is_bot) as is_bot,
            bool_or(events.is_internal) as is_internal,
            bool_or(events.identity_rule = 'direct') as is_known,
            -- the latest word on consent that travelled with an accepted event
            max_by(
                detail.consent_analytics, {ts:events.occurred_at, id:events.event_id, key:events.event_key}
            ) as consent_analytics,
            max_by(
                detail.consent_marketing, {ts:events.occurred_at, id:events.event_id, key:events.event_key}
            ) as consent_marketing
        from events
        inner join {{ ref('int_events') }} as detail on events.event_key = detail.event_key
        group by events.person_id
    ),

    first_sessions as (
        select person_id, channel, utm_source, utm_campaign from {{ ref('fct_sessions') }} where session_number = 1
    ),

    identifiers as (
        select person_id, count(*) as identifiers, min_by(kind, {priority:kind_priority, kind:kind}) as identity_method
        from {{ ref('int_identity_nodes') }}
        where person_id is not null and kind_priority <= 4
        group by person_id
    )

select
    seen.person_id,
    seen.first_seen_at,
    cast({{ to_local('seen.first_seen_at') }} as date) as first_seen_date,
    seen.last_seen_at,
    seen.signed_up_at,
    coalesce(first_sessions.channel, '(none)') as first_channel,
    first_sessions.utm_source as first_source,
    first_sessions.utm_campaign as first_campaign,
    seen.first_platform,
    seen.country,
    coalesce(identifiers.identity_method, 'device') as identity_method,
    cast(coalesce(identifiers.identifiers, 0) as integer) as identifiers,
    cast(seen.events as bigint) as events,
    seen.is_known,
    seen.is_bot,
    seen.is_internal,
    seen.consent_analytics,
    seen.consent_marketing
from seen
left join first_sessions on seen.person_id = first_sessions.person_id
left join identifiers on seen.person_id = identifiers.person_id
