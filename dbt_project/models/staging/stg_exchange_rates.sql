with
    committed as (
        select rates.*
        from {{ source('raw', 'exchange_rates') }} as rates
        semi join {{ ref('stg_loads') }} as loads on rates._dlt_load_id = loads.load_id
    )

select date as rate_date, upper(currency) as currency, rate
from committed
