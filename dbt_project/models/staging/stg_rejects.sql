with current_generation as (select distinct source, segment, generation from {{ ref('stg_segments') }})

select rejects.* exclude (_dlt_load_id)
from {{ source('raw', 'rejects') }} as rejects
semi join {{ ref('stg_loads') }} as loads on rejects._dlt_load_id = loads.load_id
semi join
    current_generation
    on rejects.source = current_generation.source
    and rejects.segment = current_generation.segment
    and rejects.generation = current_generation.generation
