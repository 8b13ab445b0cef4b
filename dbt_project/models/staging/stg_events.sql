-- raw_row: where the record lies, for readers that know which ones they want
select events.* exclude (_dlt_load_id), events.rowid as raw_row
from {{ source('raw', 'events') }} as events
semi join
    {{ ref('stg_current_segments') }} as ranges
    on events._dlt_load_id = ranges.load_id
    and events.source = ranges.source
    and events.segment = ranges.segment
    and events.generation = ranges.generation
