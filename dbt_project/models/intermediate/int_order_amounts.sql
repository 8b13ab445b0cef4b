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
        left join {{ ref('int_person_events') }} as persons on events.event_key = persons.event_key
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
