{{ config(materialized='recomputed', reads_raw=true) }}

{#- Which rows of raw.events count: those of committed loads, of the newest generation of their segment (`load --again`
    reads a segment from its start as a new one). -#}
select distinct segments._dlt_load_id as load_id, segments.source, segments.segment, segments.generation
from {{ source('raw', 'segments') }} as segments
semi join
    {{ ref('stg_segments') }} as newest
    on segments.source = newest.source
    and segments.segment = newest.segment
    and segments.generation = newest.generation
semi join {{ ref('stg_loads') }} as loads on segments._dlt_load_id = loads.load_id
