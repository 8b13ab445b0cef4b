{{ config(materialized='recomputed', reads_raw=true) }}

-- every load reads the whole file: the newest one's counts
with
    committed as (
        select *
        from {{ source('raw', 'exchange_rates') }}
        where _dlt_load_id = (select max(load_id) from {{ ref('stg_loads') }})
    )

select date as rate_date, upper(currency) as currency, rate
from committed
