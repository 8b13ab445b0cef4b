{{ config(materialized='recomputed', reads_raw=true) }}

select sources.source, sources.is_live, max(segments.max_received_at) as data_until
from {{ ref('int_sources') }} as sources
left join {{ ref('stg_segments') }} as segments on sources.source = segments.source
group by sources.source, sources.is_live
