with
    committed as (
        select segments.*
        from {{ source('raw', 'segments') }} as segments
        semi join {{ ref('stg_loads') }} as loads on segments._dlt_load_id = loads.load_id
    )

-- `load --again` reads a segment from its start as a new generation; older ones are superseded
select
    source,
    segment,
    generation,
    from_offset,
    to_offset,
    size_bytes,
    lines,
    accepted,
    stripped,
    quarantined,
    max_received_at
from committed
qualify generation = max(generation) over (partition by source, segment)
