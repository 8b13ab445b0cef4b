select events.* exclude (_dlt_load_id)
from {{ source('raw', 'events') }} as events
semi join
    {{ ref('stg_current_segments') }} as ranges
    on events._dlt_load_id = ranges.load_id
    and events.source = ranges.source
    and events.segment = ranges.segment
    and events.generation = ranges.generation
