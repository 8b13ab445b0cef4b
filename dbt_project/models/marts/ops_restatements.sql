{{ config(materialized='incremental', incremental_strategy='append', full_refresh=false, on_schema_change='append_new_columns') }}

-- A log: publishing appends to it, because only then are there two versions to compare. Builds leave it as it is.
-- depends_on: {{ ref('rpt_metrics_daily') }}
-- depends_on: {{ ref('rpt_active_daily') }}
select
    cast(null as varchar) as version,
    cast(null as varchar) as previous_version,
    cast(null as date) as metric_date,
    cast(null as varchar) as metric,
    cast(null as varchar) as cause,
    cast(null as decimal(28, 2)) as part,
    cast(null as bigint) as persons,
    cast(null as decimal(28, 2)) as previous_value,
    cast(null as decimal(28, 2)) as new_value
where false
