{{ config(materialized='by_key', key=['utm_source', 'utm_medium', 'click_id_kind', 'referrer_host', 'page_host', 'library', 'device_class'], keeps_vanished=true) }}

{#- What the rules (seeds/) say of an event's signals, decided once per distinct set of them and not per event. -#}
with
    signals as (
        select distinct
            lower(events.utm_source) as utm_source,
            lower(events.utm_medium) as utm_medium,
            events.click_id_kind,
            {{ outer_referrer_host('events') }} as referrer_host,
            {{ page_host('events') }} as page_host,
            lower(events.library) as library,
            events.device_class
        from
            {{ ref('stg_events') }} as events
            {% call in_increment() %} semi join {{ arrivals() }} as arrived on events.raw_row = arrived.raw_row {% endcall %}
        where events.disposition = 'accepted'
    ),

    sourced as (
        select
            row_number() over (
                order by utm_source, utm_medium, click_id_kind, referrer_host, page_host, library, device_class
            ) as signal,
            *
        from signals
    ),

    channels as (
        select sourced.signal, min_by(rules.channel, rules.rule) as channel
        from sourced
        inner join
            {{ ref('channel_rules') }} as rules
            on {{ matches('sourced.utm_source', 'rules.utm_source') }}
            and {{ matches('sourced.utm_medium', 'rules.utm_medium') }}
            and {{ matches('sourced.click_id_kind', 'rules.click_id_kind') }}
            and {{ matches('sourced.referrer_host', 'rules.referrer_host') }}
        where coalesce(sourced.utm_source, sourced.utm_medium, sourced.click_id_kind, sourced.referrer_host) is not null
        group by sourced.signal
    ),

    verdicts as (
        select
            sourced.signal, bool_or(rules.verdict = 'bot') as is_bot, bool_or(rules.verdict = 'internal') as is_internal
        from sourced
        inner join
            {{ ref('traffic_rules') }} as rules
            on regexp_full_match(
                case
                    rules.field
                    when 'page_host'
                    then sourced.page_host
                    when 'referrer_host'
                    then sourced.referrer_host
                    when 'utm_source'
                    then sourced.utm_source
                    when 'library'
                    then sourced.library
                    when 'device_class'
                    then sourced.device_class
                end,
                rules.pattern
            )
        group by sourced.signal
    )

select
    sourced.utm_source,
    sourced.utm_medium,
    sourced.click_id_kind,
    sourced.referrer_host,
    sourced.page_host,
    sourced.library,
    sourced.device_class,
    channels.channel,
    coalesce(verdicts.is_bot, false) as is_bot,
    coalesce(verdicts.is_internal, false) as is_internal
from sourced
left join channels on sourced.signal = channels.signal
left join
    verdicts on sourced.signal = verdicts.signal

    {% call touched() %}
    select distinct
        lower(events.utm_source),
        lower(events.utm_medium),
        events.click_id_kind,
        {{ outer_referrer_host('events') }},
        {{ page_host('events') }},
        lower(events.library),
        events.device_class
    from {{ arrivals() }} as events
    {% endcall %}
