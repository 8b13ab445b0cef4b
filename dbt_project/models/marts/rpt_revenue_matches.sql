{{ config(materialized='recomputed') }}

-- What sources without authority say about sales: a reconciliation, nothing to add up. orders = matched + unmatched.
with
    orders as (
        select
            source,
            sold_date,
            count(*) as orders,
            count(*) filter (is_matched) as matched,
            count(*) filter (is_amount_equal) as amount_equal,
            count(*) filter (is_matched and not is_amount_equal) as amount_different,
            count(*) filter (not is_matched) as unmatched
        from {{ ref('int_order_matches') }}
        group by source, sold_date
    ),

    nameless as (
        select source, occurred_date as sold_date, count(*) as amounts_without_order
        from {{ ref('int_order_amounts') }}
        where not is_authoritative and order_id is null and revenue > 0
        group by source, occurred_date
    )

select
    coalesce(orders.source, nameless.source) as source,
    coalesce(orders.sold_date, nameless.sold_date) as revenue_date,
    cast(coalesce(orders.orders, 0) as bigint) as orders,
    cast(coalesce(orders.matched, 0) as bigint) as matched,
    cast(coalesce(orders.amount_equal, 0) as bigint) as amount_equal,
    cast(coalesce(orders.amount_different, 0) as bigint) as amount_different,
    cast(coalesce(orders.unmatched, 0) as bigint) as unmatched,
    cast(coalesce(nameless.amounts_without_order, 0) as bigint) as amounts_without_order,
    coalesce(
        {{ data_until() }} >= {{ day_end_utc('coalesce(orders.sold_date, nameless.sold_date)') }}, false
    ) as is_complete
from orders
full join nameless on orders.source = nameless.source and orders.sold_date = nameless.sold_date
