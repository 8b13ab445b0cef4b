{{ config(materialized='by_key', key='event_key') }}

with
    -- the end of a subscription is known beforehand and an event only once it has come
    events as (
        select *
        from {{ ref('stg_events') }} as events {{ only_touched_records() }}
        where
            disposition = 'accepted'
            and (record_kind <> 'subscription' or occurred_at <= coalesce({{ data_until() }}, received_at))
    ),

    -- few: duplicates, events denied by another copy or the ledger, and rows that are gone
    set_aside as (
        select source, segment, position, item
        from {{ ref('int_event_records') }} as records {{ only_touched('records.event_key') }}
        where disposition <> 'accepted' or is_deleted
    ),

    sources as (select * from {{ ref('int_sources') }}),

    rates as (select * from {{ ref('stg_exchange_rates') }}),

    winners as (
        select events.*
        from events
        anti join
            set_aside
            on events.source = set_aside.source
            and events.segment = set_aside.segment
            and events.position = set_aside.position
            and events.item = set_aside.item
    ),

    derived as (
        select
            winners.*,
            coalesce(sources.trust, 'public') as trust,
            {{ to_local('winners.occurred_at') }} as occurred_at_local,
            winners.event_type = 'system' and winners.event_name in ('logout', 'reset') as is_logout,
            winners.event_name in {{ text_list(var('tl_key_events')) }} as is_key_event,
            signals.channel as channel_signal,
            coalesce(signals.is_bot, false) as is_bot_traffic,
            coalesce(signals.is_internal, false) as is_internal_traffic,
            winners.revenue is not null
            {%- if var('tl_revenue_sources') %}
                and winners.source in {{ text_list(var('tl_revenue_sources')) }}
            {%- endif %}
            -- a sale counts once; a refund is the word of whoever saw it
            and (
                winners.revenue < 0 or coalesce(orders.source, winners.source) = winners.source
            ) as is_authoritative_revenue
        from winners
        left join sources on winners.source = sources.source
        left join {{ ref('int_order_sources') }} as orders on winners.order_id = orders.order_id
        left join
            {{ ref('int_traffic_signals') }} as signals
            on lower(winners.utm_source) is not distinct from signals.utm_source
            and lower(winners.utm_medium) is not distinct from signals.utm_medium
            and winners.click_id_kind is not distinct from signals.click_id_kind
            and {{ outer_referrer_host('winners') }} is not distinct from signals.referrer_host
            and {{ page_host('winners') }} is not distinct from signals.page_host
            and lower(winners.library) is not distinct from signals.library
            and winners.device_class is not distinct from signals.device_class
    )

select
    derived.dedupe_key as event_key,
    derived.record_kind,
    derived.event_id,
    derived.event_name,
    derived.event_type,
    derived.schema_version,
    derived.contract_status,
    derived.contract_version,
    derived.occurred_at,
    derived.occurred_at_local,
    cast(derived.occurred_at_local as date) as occurred_date,
    derived.original_at,
    derived.sent_at,
    derived.received_at,
    derived.received_at_origin,
    derived.user_id,
    derived.anonymous_id,
    derived.device_id,
    derived.account_id,
    derived.external_ids,
    derived.email_token,
    derived.email_verified,
    derived.phone_token,
    derived.previous_id,
    derived.client_session_id,
    derived.source,
    derived.trust,
    derived.surface,
    derived.platform,
    derived.app_version,
    derived.library,
    derived.library_version,
    derived.consent_analytics,
    derived.consent_marketing,
    derived.consent_source,
    derived.consent_checked_at,
    derived.consent_version,
    derived.correlation_id,
    derived.page_url,
    derived.page_path,
    derived.page_title,
    derived.referrer,
    derived.referrer_host,
    derived.screen,
    derived.utm_source,
    derived.utm_medium,
    derived.utm_campaign,
    derived.utm_term,
    derived.utm_content,
    derived.click_id_kind,
    derived.channel_signal,
    derived.locale,
    derived.time_zone,
    derived.country,
    derived.device_class,
    derived.is_bot or derived.is_bot_traffic as is_bot,
    derived.is_internal_traffic,
    derived.is_interactive,
    derived.is_key_event,
    derived.is_logout,
    derived.revenue,
    derived.currency,
    derived.order_id,
    derived.is_authoritative_revenue,
    -- a missing rate is flagged, never zero; an amount without a currency is in the reporting currency
    case
        when not derived.is_authoritative_revenue
        then null
        when coalesce(derived.currency, '{{ var("tl_currency") }}') = '{{ var("tl_currency") }}'
        then cast(derived.revenue as decimal(28, 6))
        -- widened first: decimal(18) times decimal(18) overflows at five digits
        else cast(cast(derived.revenue as decimal(28, 6)) * rates.rate as decimal(28, 6))
    end as revenue_reporting,
    derived.is_authoritative_revenue
    and coalesce(derived.currency, '{{ var("tl_currency") }}') <> '{{ var("tl_currency") }}'
    and rates.rate is null as is_rate_missing,
    -- the one property the models read of every event
    case
        when contains(derived.properties, 'scroll_percent')
        then try_cast(json_extract_string(derived.properties, '/scroll_percent') as double)
    end as scroll_percent,
    derived.properties,
    derived.properties_unreviewed,
    derived.segment as landing_segment,
    derived.position as landing_position,
    derived.item as landing_item,
    derived.receipt_id
from derived
left join rates on derived.currency = rates.currency and cast(derived.occurred_at_local as date) = rates.rate_date
-- stored once, in time order: readers of a period touch few row groups
order by
    derived.occurred_at,
    derived.event_id,
    derived.dedupe_key

    {% call touched() %}
    select dedupe_key
    from {{ arrivals() }}
    union all
    select event_key
    from {{ changes(ref('int_event_records'), ['event_key', 'source', 'segment', 'position', 'item', 'disposition', 'is_deleted']) }}
    union all
    -- amounts in a currency whose rate of the day changed
    select events.event_key
    from {{ this }} as events
    semi join
        {{ changes(ref('stg_exchange_rates'), ['currency', 'rate_date', 'rate']) }} as rates
        on events.currency = rates.currency
        and events.occurred_date = rates.rate_date
    union all
    select events.event_key
    from {{ this }} as events
    semi join {{ changes(ref('int_order_sources'), ['order_id', 'source']) }} as orders on events.order_id = orders.order_id
    union all
    -- ends of subscriptions that came due, or are no longer
    select ends.dedupe_key
    from {{ ref('stg_events') }} as ends
    left join {{ this }} as events on ends.dedupe_key = events.event_key and events.record_kind = 'subscription'
    where
        ends.record_kind = 'subscription'
        and ends.disposition = 'accepted'
        and (ends.occurred_at <= coalesce({{ data_until() }}, ends.received_at)) <> (events.event_key is not null)
    {{ accounted_for(ref('int_data_until')) }}
    -- a signal never means anything else while the rules stand; new ones come with new events
    {{ accounted_for(ref('int_traffic_signals')) }}
    {% endcall %}
