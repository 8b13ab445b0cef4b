{{ config(materialized='recomputed') }}

{#- Of a sale that several believed sources report, as may happen where one takes over from another, the source of
    the first report counts. Empty while one source is believed: then there is nothing to decide. -#}
with
    sales as (
        select events.source, events.order_id, events.occurred_at, events.event_id, events.dedupe_key
        from {{ ref('stg_events') }} as events
        inner join
            {{ ref('int_event_records') }} as records
            on events.source = records.source
            and events.segment = records.segment
            and events.position = records.position
            and events.item = records.item
        where
            {{ var('tl_revenue_sources') | length > 1 }}
            and events.source in {{ text_list(var('tl_revenue_sources')) }}
            and events.order_id is not null
            and events.revenue >= 0
            and records.disposition = 'accepted'
            and not records.is_deleted
    )

select order_id, min_by(source, {ts:occurred_at, id:event_id, key:dedupe_key}) as source
from sales
group by order_id
having count(distinct source) > 1
