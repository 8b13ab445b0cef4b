{{ config(materialized='recomputed') }}

{%- set last_n = 28 -%}
with
    persons as (
        select person_id, cohort_date, segment_set, segment
        from
            (
                select person_id, cohort_date, 'all' as segment_set, 'all' as segment
                from {{ ref('int_person_starts') }}
                union all
                select person_id, cohort_date, 'first_platform' as segment_set, platform as segment
                from {{ ref('int_person_starts') }}
            )
    ),

    active_days as (
        select starts.person_id, days.active_date - starts.cohort_date as n
        from (select distinct person_id, active_date from {{ ref('int_person_days') }}) as days
        inner join {{ ref('int_person_starts') }} as starts on days.person_id = starts.person_id
    ),

    -- the n-th active day of somebody who never missed one is day n
    habits as (
        select person_id, max(n) as last_active_n, max(n) filter (n = place) as unbroken_n
        from (select person_id, n, row_number() over (partition by person_id order by n) - 1 as place from active_days)
        group by person_id
    ),

    payments as (
        select
            starts.person_id,
            -- what was paid before the first active day belongs to the cumulative sum from the start
            greatest(amounts.occurred_date - starts.cohort_date, 0) as n,
            sum(amounts.revenue_reporting) as revenue_reporting
        from {{ ref('int_order_amounts') }} as amounts
        inner join {{ ref('int_person_starts') }} as starts on amounts.person_id = starts.person_id
        where amounts.revenue_reporting is not null
        group by starts.person_id, greatest(amounts.occurred_date - starts.cohort_date, 0)
    ),

    cohorts as (
        select cohort_date, segment_set, segment, count(*) as cohort_size
        from persons
        group by cohort_date, segment_set, segment
    ),

    bounds as (
        select greatest(max(active_date), cast({{ to_local(data_until()) }} as date)) as last_date
        from {{ ref('int_person_days') }}
    ),

    -- days that have begun; a day in the future has no number
    grid as (
        select cohorts.*, n, cast(cohorts.cohort_date + cast(n as integer) as date) as day
        from cohorts
        cross join unnest(range(0, {{ last_n + 1 }})) as days(n)
        cross join bounds
        where cohorts.cohort_date + cast(n as integer) <= bounds.last_date
    ),

    observed as (
        select
            persons.cohort_date,
            persons.segment_set,
            persons.segment,
            active_days.n,
            count(*) as on_day,
            0 as last_active,
            0 as unbroken,
            0 as revenue_reporting
        from active_days
        inner join persons on active_days.person_id = persons.person_id
        where active_days.n <= {{ last_n }}
        group by persons.cohort_date, persons.segment_set, persons.segment, active_days.n
        union all
        select
            persons.cohort_date,
            persons.segment_set,
            persons.segment,
            least(habits.last_active_n, {{ last_n }}),
            0,
            count(*),
            0,
            0
        from habits
        inner join persons on habits.person_id = persons.person_id
        group by persons.cohort_date, persons.segment_set, persons.segment, least(habits.last_active_n, {{ last_n }})
        union all
        select
            persons.cohort_date,
            persons.segment_set,
            persons.segment,
            least(habits.unbroken_n, {{ last_n }}),
            0,
            0,
            count(*),
            0
        from habits
        inner join persons on habits.person_id = persons.person_id
        group by persons.cohort_date, persons.segment_set, persons.segment, least(habits.unbroken_n, {{ last_n }})
        union all
        select
            persons.cohort_date,
            persons.segment_set,
            persons.segment,
            payments.n,
            0,
            0,
            0,
            sum(payments.revenue_reporting)
        from payments
        inner join persons on payments.person_id = persons.person_id
        where payments.n <= {{ last_n }}
        group by persons.cohort_date, persons.segment_set, persons.segment, payments.n
    ),

    totals as (
        select
            cohort_date,
            segment_set,
            segment,
            n,
            sum(on_day) as on_day,
            sum(last_active) as last_active,
            sum(unbroken) as unbroken,
            sum(revenue_reporting) as revenue_reporting
        from observed
        group by cohort_date, segment_set, segment, n
    ),

    retained as (
        select
            grid.cohort_date,
            grid.n,
            grid.day,
            grid.segment_set,
            grid.segment,
            grid.cohort_size,
            coalesce(totals.on_day, 0) as on_day,
            -- whoever was last active on day m was active on or after every n <= m
            sum(coalesce(totals.last_active, 0)) over backwards as on_or_after,
            sum(coalesce(totals.unbroken, 0)) over backwards as every_interval,
            sum(coalesce(totals.revenue_reporting, 0)) over (
                partition by grid.cohort_date, grid.segment_set, grid.segment
                order by grid.n
                rows between unbounded preceding and current row
            ) as cumulative_revenue_reporting
        from grid
        left join
            totals
            on grid.cohort_date = totals.cohort_date
            and grid.segment_set = totals.segment_set
            and grid.segment = totals.segment
            and grid.n = totals.n
        window
            backwards as (
                partition by grid.cohort_date, grid.segment_set, grid.segment
                order by grid.n desc
                rows between unbounded preceding and current row
            )
    )

select
    cohort_date,
    cast(n as integer) as n,
    segment_set,
    segment,
    cohort_size,
    cast(on_day as bigint) as on_day,
    cast(on_or_after as bigint) as on_or_after,
    cast(every_interval as bigint) as every_interval,
    cast(on_day / cohort_size as double) as on_day_rate,
    cast(on_or_after / cohort_size as double) as on_or_after_rate,
    cast(every_interval / cohort_size as double) as every_interval_rate,
    cast(cumulative_revenue_reporting as decimal(18, 2)) as cumulative_revenue_reporting,
    coalesce({{ data_until() }} >= {{ day_end_utc('day') }}, false) as is_complete
from retained
