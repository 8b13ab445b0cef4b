with current_generation as (select distinct source, segment, generation from {{ ref('stg_segments') }})

select receipts.* exclude (_dlt_load_id)
from {{ source('raw', 'receipts') }} as receipts
semi join {{ ref('stg_loads') }} as loads on receipts._dlt_load_id = loads.load_id
semi join
    current_generation
    on receipts.source = current_generation.source
    and receipts.segment = current_generation.segment
    and receipts.generation = current_generation.generation
