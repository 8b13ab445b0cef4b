{{ config(materialized='recomputed') }}

{%- set last_n = 28 -%}

-- Grouping and joining by person is what costs: a person's days are one list while it is found when the person
-- started, and from then on only the cohort and the platform matter. The whole cohort is the sum of its platforms.
with
    histories as (
        select person_id, list_sort(list(active_date)) as all_days from {{ ref('int_person_days') }} group by person_id
    ),

    -- a day on several surfaces counts once
    started as (
        select
            starts.cohort_date,
            starts.platform,
            list_filter(
                histories.all_days, lambda day, place: (day is distinct from histories.all_days[place + 1])
            ) as days
        from histories
        inner join {{ ref('int_person_starts') }} as starts on histories.person_id = starts.person_id
    ),

    active_days as (
        select cohort_date, platform, day - cohort_date as n, place, place = last_place as is_last
        from
            (
                select
                    cohort_date,
                    platform,
                    unnest(days) as day,
                    generate_subscripts(days, 1) - 1 as place,
                    len(days) - 1 as last_place
                from started
            )
    ),

    platforms as (
        select
            cohort_date,
            platform,
            0 as n,
            count(*) as persons,
            0 as on_day,
            0 as last_active,
            0 as every_interval,
            0 as revenue_reporting
        from {{ ref('int_person_starts') }}
        group by cohort_date, platform
        union all
        select
            cohort_date,
            platform,
            least(n, {{ last_n }}),
            0,
            count(*) filter (n <= {{ last_n }}),
            count(*) filter (is_last),
            -- the n-th active day of somebody who never missed one is day n
            count(*) filter (n = place and n <= {{ last_n }}),
            0
        from active_days
        group by cohort_date, platform, least(n, {{ last_n }})
        union all
        select
            starts.cohort_date,
            starts.platform,
            -- what was paid before the first active day belongs to the cumulative sum from the start
            greatest(amounts.occurred_date - starts.cohort_date, 0) as n,
            0,
            0,
            0,
            0,
            sum(amounts.revenue_reporting)
        from {{ ref('int_order_amounts') }} as amounts
        inner join {{ ref('int_person_starts') }} as starts on amounts.person_id = starts.person_id
        where amounts.revenue_reporting is not null
        group by starts.cohort_date, starts.platform, greatest(amounts.occurred_date - starts.cohort_date, 0)
    ),

    segments as (
        select *, 'all' as segment_set, 'all' as segment
        from platforms
        union all
        select *, 'first_platform' as segment_set, platform as segment
        from platforms
    ),

    totals as (
        select
            cohort_date,
            segment_set,
            segment,
            n,
            sum(on_day) as on_day,
            sum(last_active) as last_active,
            sum(every_interval) as every_interval,
            sum(revenue_reporting) as revenue_reporting
        from segments
        group by cohort_date, segment_set, segment, n
    ),

    cohorts as (
        select cohort_date, segment_set, segment, cast(sum(persons) as bigint) as cohort_size
        from segments
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

    retained as (
        select
            grid.cohort_date,
            grid.n,
            grid.day,
            grid.segment_set,
            grid.segment,
            grid.cohort_size,
            coalesce(totals.on_day, 0) as on_day,
            coalesce(totals.every_interval, 0) as every_interval,
            -- whoever was last active on day m was active on or after every n <= m
            sum(coalesce(totals.last_active, 0)) over backwards as on_or_after,
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
