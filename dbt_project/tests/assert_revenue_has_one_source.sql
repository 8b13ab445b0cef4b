{{ config(
    meta={'dagster': {'ref': {'name': 'int_events'}}},
) }}

-- with a rule there is nothing to say: each sale counts once
select source, count(*) as events
from {{ ref('int_events') }}
where {{ var('tl_revenue_sources') | length == 0 }} and is_authoritative_revenue
group by source
qualify count(*) over () > 1
