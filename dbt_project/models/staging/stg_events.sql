with current_generation as (select distinct source, segment, generation from {{ ref('stg_segments') }})

select events.* exclude (_dlt_load_id)
from {{ source('raw', 'events') }} as events
semi join {{ ref('stg_loads') }} as loads on events._dlt_load_id = loads.load_id
semi join
    current_generation
    on events.source = current_generation.source
    and events.segment = current_generation.segment
    and events.generation = current_generation.generation
