{{ config(materialized='by_key', key='order_id') }}

{#- What sources without authority say about sales, beside what the believed source says. Compared is what was
    sold, in the currency it was sold in: few sources know of refunds. -#}
with
    amounts as (
        select *
        from {{ ref('int_order_amounts') }} as amounts {{ only_touched('amounts.order_id') }}
        where order_id is not null and revenue > 0
    ),

    believed as (
        select
            order_id, sum(revenue) as gross, case when count(distinct currency) = 1 then min(currency) end as currency
        from amounts
        where is_authoritative
        group by order_id
    ),

    others as (
        select
            order_id,
            source,
            min(occurred_at) as sold_at,
            min(occurred_date) as sold_date,
            sum(revenue) as gross,
            case when count(distinct currency) = 1 then min(currency) end as currency
        from amounts
        where not is_authoritative
        group by order_id, source
    )

select
    others.order_id,
    others.source,
    others.sold_at,
    others.sold_date,
    believed.order_id is not null as is_matched,
    case
        when believed.order_id is not null
        then coalesce(others.gross = believed.gross and others.currency = believed.currency, false)
    end as is_amount_equal
from others
left join
    believed on others.order_id = believed.order_id

    {% call touched() %}
    select order_id
    from {{ any_change(ref('int_order_amounts'), ['order_id']) }}
    {% endcall %}
