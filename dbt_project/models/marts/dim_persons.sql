{{ config(materialized='by_key', key='person_id') }}

with
    events as (select * from {{ ref('int_person_events') }} as events {{ only_touched('events.person_id') }}),

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
            bool_and(events.is_internal) as is_internal,
            bool_or(events.identity_rule = 'direct') as is_known
        from events
        group by events.person_id
    ),

    spoken as (
        select
            events.person_id,
            events.occurred_at,
            events.event_id,
            events.event_key,
            details.record_kind = 'consent' as is_ledger_entry,
            details.user_id,
            details.anonymous_id,
            details.device_id,
            details.consent_analytics,
            details.consent_marketing
        from events
        inner join {{ ref('int_events') }} as details on events.event_key = details.event_key
        where details.consent_analytics is not null or details.consent_marketing is not null
    ),

    ledger as (select * from {{ ref('int_consent_ledger') }}),

    -- what travelled with an accepted event, and what a ledger says. A ledger's word on a user is the person's; on a
    -- device it is the word of whoever used it then, unless the entry names a user as well
    words as (
        select person_id, occurred_at, event_id, event_key, 0 as is_from_ledger, consent_analytics, consent_marketing
        from spoken
        where not is_ledger_entry
        union all
        select nodes.person_id, ledger.valid_from, '', '', 1, ledger.consent_analytics, ledger.consent_marketing
        from ledger
        inner join {{ ref('int_identity_nodes') }} as nodes on ledger.kind = nodes.kind and ledger.value = nodes.value
        where ledger.kind = 'user_id' and nodes.person_id is not null
        union all
        select spoken.person_id, ledger.valid_from, '', '', 1, ledger.consent_analytics, ledger.consent_marketing
        from ledger
        inner join
            spoken
            on ledger.valid_from = spoken.occurred_at
            and ledger.value = case when ledger.kind = 'device_id' then spoken.device_id else spoken.anonymous_id end
        where ledger.kind in ('anonymous_id', 'device_id') and spoken.is_ledger_entry and spoken.user_id is null
    ),

    -- of one moment the ledger is believed before the event, and a no before a yes
    consents as (
        select
            person_id,
            max_by(
                consent_analytics,
                {
                    ts:occurred_at,
                    ledger:is_from_ledger,
                    denied:cast(is_from_ledger = 1 and not consent_analytics as integer),
                    id:event_id,
                    key:event_key
                }
            ) filter (consent_analytics is not null) as consent_analytics,
            max_by(
                consent_marketing,
                {
                    ts:occurred_at,
                    ledger:is_from_ledger,
                    denied:cast(is_from_ledger = 1 and not consent_marketing as integer),
                    id:event_id,
                    key:event_key
                }
            ) filter (consent_marketing is not null) as consent_marketing
        from words
        group by person_id
    ),

    first_sessions as (
        select person_id, channel, utm_source, utm_campaign
        from {{ ref('fct_sessions') }} as sessions {{ only_touched('sessions.person_id') }}
        where session_number = 1
    ),

    first_orders as (
        select person_id, ordered_at
        from {{ ref('fct_orders') }} as orders {{ only_touched('orders.person_id') }}
        where is_first_order
    ),

    identifiers as (
        select person_id, count(*) as identifiers, min_by(kind, {priority:kind_priority, kind:kind}) as identity_method
        from {{ ref('int_identity_nodes') }} as nodes {{ only_touched('nodes.person_id') }}
        where person_id is not null and kind_priority <= 4 and events > 0
        group by person_id
    )

select
    seen.person_id,
    seen.first_seen_at,
    cast({{ to_local('seen.first_seen_at') }} as date) as first_seen_date,
    seen.last_seen_at,
    seen.signed_up_at,
    first_orders.ordered_at as first_ordered_at,
    cast({{ to_local('first_orders.ordered_at') }} as date) as first_ordered_date,
    -- an order's first sale may name nobody, and its person be seen later
    cast(
        case
            when first_orders.ordered_at is not null
            then greatest({{ seconds_between('seen.first_seen_at', 'first_orders.ordered_at') }}, 0)
        end as double
    ) as seconds_to_purchase,
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
    consents.consent_analytics,
    consents.consent_marketing
from seen
left join consents on seen.person_id = consents.person_id
left join first_sessions on seen.person_id = first_sessions.person_id
left join first_orders on seen.person_id = first_orders.person_id
left join
    identifiers on seen.person_id = identifiers.person_id

    {% call touched() %}
    {%- set shown = [
        'event_key', 'event_id', 'person_id', 'occurred_at', 'event_name', 'platform', 'country', 'identity_rule', 'is_bot',
        'is_internal'
    ] %}
    {%- set spoken = [
        'record_kind', 'user_id', 'anonymous_id', 'device_id', 'consent_analytics', 'consent_marketing'
    ] %}
    with
        ledger as (select kind, value from {{ any_change(ref('int_consent_ledger'), ['kind', 'value']) }}),

        spoken as (
            -- of events that came or went the persons are told below
            select event_key
            from {{ altered(ref('int_events'), 'event_key', spoken) }}
            union
            select events.event_key
            from {{ ref('int_events') }} as events
            inner join
                ledger
                on ledger.value = case when ledger.kind = 'device_id' then events.device_id else events.anonymous_id end
            where events.record_kind = 'consent' and ledger.kind <> 'user_id'
        )

    select person_id
    from {{ changes(ref('int_person_events'), shown) }}
    union all
    select persons.person_id
    from {{ ref('int_event_persons') }} as persons
    semi join spoken on persons.event_key = spoken.event_key
    union all
    select nodes.person_id
    from {{ ref('int_identity_nodes') }} as nodes
    semi join ledger on nodes.kind = ledger.kind and nodes.value = ledger.value
    union all
    select person_id
    from {{ any_change(ref('int_identity_nodes'), ['person_id']) }}
    union all
    select person_id
    from {{ any_change(ref('fct_sessions'), ['person_id']) }}
    union all
    select person_id
    from {{ changes(ref('fct_orders'), ['person_id', 'ordered_at', 'is_first_order']) }}
    {{ accounted_for(ref('int_event_persons')) }}
    {{ relied_on(ref('int_person_events')) }}
    {% endcall %}
