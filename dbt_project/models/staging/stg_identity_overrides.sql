with
    committed as (
        select overrides.*
        from {{ source('raw', 'identity_overrides') }} as overrides
        semi join {{ ref('stg_loads') }} as loads on overrides._dlt_load_id = loads.load_id
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
