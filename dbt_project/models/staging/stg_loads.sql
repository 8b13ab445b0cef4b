select load_id from {{ source('raw', '_dlt_loads') }} where status = 0
