{{ config(materialized='recomputed') }}

{#- Money counts on its own day; refunds a second time on the day of the sale they undo, which is never added to the
    first. A refund whose sale nobody saw has no other day than its own. -#}
with
    amounts as (
        select amounts.*, orders.ordered_date
        from {{ ref('int_order_amounts') }} as amounts
        inner join {{ ref('fct_orders') }} as orders on amounts.order_key = orders.order_key
        where amounts.is_authoritative
    ),

    money as (
        select
            occurred_date as revenue_date,
            coalesce(sum(revenue_reporting) filter (not is_refund), 0) as gross,
            - coalesce(sum(revenue_reporting) filter (is_refund), 0) as refunds,
            count(distinct person_id) filter (revenue > 0) as payers,
            count(distinct order_key) filter (is_refund) as refunded_orders,
            count(distinct order_key) filter (is_rate_missing) as orders_rate_missing
        from amounts
        group by occurred_date
    ),

    undone as (
        select coalesce(ordered_date, occurred_date) as revenue_date, - sum(revenue_reporting) as refunds
        from amounts
        where is_refund and revenue_reporting is not null
        group by coalesce(ordered_date, occurred_date)
    ),

    orders as (
        select ordered_date as revenue_date, count(*) as orders, count(*) filter (is_first_order) as new_payers
        from {{ ref('fct_orders') }}
        where is_paid
        group by ordered_date
    ),

    active as (
        select active_date as revenue_date, count(distinct person_id) as active_persons
        from {{ ref('int_person_days') }}
        group by active_date
    ),

    -- an order several sources report counts once, where it was seen first
    elsewhere as (
        select revenue_date, count(*) as orders_elsewhere
        from
            (
                select order_id, min(sold_date) as revenue_date
                from {{ ref('int_order_matches') }}
                where not is_matched
                group by order_id
            )
        group by revenue_date
    ),

    days as (
        select revenue_date
        from money
        union
        select revenue_date
        from undone
        union
        select revenue_date
        from active
        union
        select revenue_date
        from elsewhere
    ),

    joined as (
        select
            days.revenue_date,
            cast(coalesce(money.gross, 0) as decimal(18, 2)) as gross_reporting,
            cast(coalesce(money.refunds, 0) as decimal(18, 2)) as refunds_reporting,
            cast(coalesce(undone.refunds, 0) as decimal(18, 2)) as refunds_by_order_date_reporting,
            coalesce(orders.orders, 0) as orders,
            coalesce(money.refunded_orders, 0) as refunded_orders,
            coalesce(money.payers, 0) as payers,
            coalesce(orders.new_payers, 0) as new_payers,
            coalesce(active.active_persons, 0) as active_persons,
            coalesce(money.orders_rate_missing, 0) as orders_rate_missing,
            coalesce(elsewhere.orders_elsewhere, 0) as orders_elsewhere
        from days
        left join money on days.revenue_date = money.revenue_date
        left join undone on days.revenue_date = undone.revenue_date
        left join orders on days.revenue_date = orders.revenue_date
        left join active on days.revenue_date = active.revenue_date
        left join elsewhere on days.revenue_date = elsewhere.revenue_date
    )

select
    revenue_date,
    gross_reporting,
    refunds_reporting,
    cast(gross_reporting - refunds_reporting as decimal(18, 2)) as net_reporting,
    refunds_by_order_date_reporting,
    orders,
    refunded_orders,
    payers,
    new_payers,
    active_persons,
    cast((gross_reporting - refunds_reporting) / nullif(active_persons, 0) as double) as arpu_reporting,
    cast((gross_reporting - refunds_reporting) / nullif(payers, 0) as double) as arppu_reporting,
    orders_rate_missing,
    orders_elsewhere,
    coalesce({{ data_until() }} >= {{ day_end_utc('revenue_date') }}, false) as is_complete
from joined
