{{ config(materialized='by_key', key='order_key') }}

-- Only what the believed source says is added up; what others say of the same order stands beside it.
with
    amounts as (
        select *
        from {{ ref('int_order_amounts') }} as amounts {{ only_touched('amounts.order_key') }}
        where is_authoritative
    ),

    -- in time order, sales first: a refund may come before its sale
    orders as (
        select
            order_key,
            min(order_id) as order_id,
            arg_min(source, {refund:is_refund, ts:occurred_at, id:event_id, key:event_key}) as source,
            min(person_id) as person_id,
            coalesce(min(occurred_at) filter (revenue > 0), min(occurred_at) filter (not is_refund)) as ordered_at,
            coalesce(
                min(occurred_date) filter (revenue > 0), min(occurred_date) filter (not is_refund)
            ) as ordered_date,
            min(occurred_at) filter (is_refund) as first_refunded_at,
            count(*) filter (not is_refund) as lines,
            count(*) filter (is_refund) as refunds,
            coalesce(bool_or(revenue > 0), false) as is_paid,
            -- unknown as long as one rate is: a part would look like the whole
            case
                when not coalesce(bool_or(is_rate_missing) filter (not is_refund), false)
                then coalesce(sum(revenue_reporting) filter (not is_refund), 0)
            end as gross_reporting,
            case
                when not coalesce(bool_or(is_rate_missing) filter (is_refund), false)
                then - coalesce(sum(revenue_reporting) filter (is_refund), 0)
            end as refunded_reporting,
            case when count(distinct currency) = 1 then min(currency) end as currency,
            coalesce(sum(revenue) filter (not is_refund), 0) as gross_original,
            - coalesce(sum(revenue) filter (is_refund), 0) as refunded_original,
            bool_or(is_rate_missing) as is_rate_missing
        from amounts
        group by order_key
    ),

    numbered as (
        select order_key, row_number() over (partition by person_id order by ordered_at, order_key) as order_number
        from orders
        where is_paid and person_id is not null
    ),

    elsewhere as (
        select
            order_id,
            string_agg(source, ',' order by source) as other_sources,
            string_agg(source, ',' order by source) filter (not is_amount_equal) as differing_sources
        from {{ ref('int_order_matches') }}
        where is_matched
        group by order_id
    )

select
    orders.order_key,
    orders.order_id,
    orders.source,
    orders.person_id,
    orders.ordered_at,
    orders.ordered_date,
    orders.first_refunded_at,
    cast(orders.lines as bigint) as lines,
    cast(orders.refunds as bigint) as refunds,
    orders.is_paid,
    cast(orders.gross_reporting as decimal(18, 2)) as gross_reporting,
    cast(orders.refunded_reporting as decimal(18, 2)) as refunded_reporting,
    -- of the rounded amounts, so that the row adds up
    cast(
        cast(orders.gross_reporting as decimal(18, 2))
        - cast(orders.refunded_reporting as decimal(18, 2)) as decimal(18, 2)
    ) as net_reporting,
    orders.currency,
    cast(case when orders.currency is not null then orders.gross_original end as decimal(18, 6)) as gross_original,
    cast(
        case when orders.currency is not null then orders.refunded_original end as decimal(18, 6)
    ) as refunded_original,
    cast(
        case when orders.currency is not null then orders.gross_original - orders.refunded_original end as decimal(
            18, 6
        )
    ) as net_original,
    orders.is_rate_missing,
    numbered.order_number,
    numbered.order_number = 1 as is_first_order,
    elsewhere.other_sources,
    elsewhere.differing_sources
from orders
left join numbered on orders.order_key = numbered.order_key
left join
    elsewhere on orders.order_id = elsewhere.order_id

    {% call touched() %}
    with
        changed as (
            select order_key
            from {{ any_change(ref('int_order_amounts'), ['order_key']) }}
            union
            select order_id
            from {{ any_change(ref('int_order_matches'), ['order_id']) }}
        ),

        -- a person's orders are numbered: those of whoever an order was of, and of whoever it is of now; the
        -- lines of an order may name others, who number nothing
        persons as (
            select orders.person_id
            from {{ this }} as orders
            semi join changed on orders.order_key = changed.order_key
            union
            select min(amounts.person_id)
            from {{ ref('int_order_amounts') }} as amounts
            semi join changed on amounts.order_key = changed.order_key
            where amounts.is_authoritative
            group by amounts.order_key
        )

    select order_key
    from changed
    union all
    select orders.order_key
    from {{ this }} as orders
    semi join persons on orders.person_id = persons.person_id
    {% endcall %}
