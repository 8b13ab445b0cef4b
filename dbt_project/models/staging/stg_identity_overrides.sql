{{ config(materialized='recomputed', reads_raw=true) }}

-- every load reads the whole file: the newest one's counts
with
    committed as (
        select *
        from {{ source('raw', 'identity_overrides') }}
        where _dlt_load_id = (select max(load_id) from {{ ref('stg_loads') }})
    ),

    -- people change their minds: the last line about a pair counts, whatever time it gives
    latest as (
        select *
        from committed
        qualify row_number() over (partition by a_kind, a_value, b_kind, b_value order by position desc) = 1
    )

select action, a_kind, a_value, b_kind, b_value, author, reason, stated_at, position
from latest
where action <> 'reset'
