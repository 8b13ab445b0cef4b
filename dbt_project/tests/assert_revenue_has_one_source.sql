{{ config(
    meta={'dagster': {'ref': {'name': 'int_events'}}},
    description='Two sources carry amounts and no rule says which one counts. Add `revenue: {source: NAME}` to throughline.yml.',
) }}

select source, count(*) as events
from {{ ref('int_events') }}
where is_authoritative_revenue
group by source
qualify count(*) over () > 1
