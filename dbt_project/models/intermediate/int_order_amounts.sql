{{ config(materialized='by_key', key='order_key') }}

{#- The person of an order is whoever its first sale names; a refund that names nobody is still theirs. -#}
with
    amounts as (
        select
            events.event_key,
            events.event_id,
            events.source,
            -- an amount without an order is an order of its own
            coalesce(events.order_id, events.event_key) as order_key,
            events.order_id,
            persons.person_id,
            events.occurred_at,
            events.occurred_date,
            events.is_bot,
            persons.is_internal,
            events.is_authoritative_revenue as is_authoritative,
            events.revenue < 0 as is_refund,
            events.revenue,
            coalesce(events.currency, '{{ var("tl_currency") }}') as currency,
            events.revenue_reporting,
            events.is_rate_missing
        from {{ ref('int_events') }} as events
        left join
            {{ ref('int_person_events') }} as persons on events.event_key = persons.event_key
            {{ only_touched('coalesce(events.order_id, events.event_key)') }}
        where events.revenue is not null
    )

select
    event_key,
    event_id,
    source,
    order_key,
    order_id,
    first_value(person_id ignore nulls) over whole_order as person_id,
    occurred_at,
    occurred_date,
    is_bot,
    coalesce(first_value(is_internal ignore nulls) over whole_order, false) as is_internal,
    is_authoritative,
    is_refund,
    revenue,
    currency,
    revenue_reporting,
    is_rate_missing
from amounts
window
    whole_order as (
        partition by order_key, is_authoritative
        order by is_refund, occurred_at, event_id, event_key
        rows between unbounded preceding and unbounded following
    )

    {% call touched() %}
    {%- set shown = [
        'event_key', 'event_id', 'source', 'order_id', 'occurred_at', 'occurred_at_local', 'is_bot',
        'is_authoritative_revenue', 'revenue', 'currency', 'revenue_reporting', 'is_rate_missing'
    ] %}
    select coalesce(order_id, event_key)
    from {{ changes(ref('int_events'), shown) }}
    where revenue is not null
    union all
    select coalesce(order_id, event_key)
    from {{ changes(ref('int_person_events'), ['event_key', 'order_id', 'person_id', 'is_internal']) }}
    {% endcall %}
