{{ config(materialized='recomputed') }}

-- How many of the trailing 28 days a person was active changes only on an active day, and 28 days after one. So a
-- person moves from one number of days to another a few times, and a running sum over the days counts who stands
-- where.
with
    person_days as (select distinct person_id, active_date from {{ ref('int_person_days') }}),

    bounds as (
        select
            min(active_date) as first_date,
            greatest(max(active_date), cast({{ to_local(data_until()) }} as date)) as last_date
        from person_days
    ),

    counted as (
        select person_id, day, sum(sum(change)) over (partition by person_id order by day) as days_active
        from
            (
                select person_id, active_date as day, 1 as change
                from person_days
                union all
                select person_id, active_date + 28, -1
                from person_days
            )
        group by person_id, day
    ),

    moves as (
        select day, days_active, lag(days_active, 1, 0) over (partition by person_id order by day) as days_before
        from counted
    ),

    changes as (
        select day, days_active, count(*) as change
        from moves
        where days_active <> days_before
        group by day, days_active
        union all
        select day, days_before, - count(*)
        from moves
        where days_active <> days_before
        group by day, days_before
    ),

    spine as (
        select cast(day as date) as window_end, days_active
        from bounds
        cross join unnest(range(bounds.first_date, bounds.last_date + 1, interval 1 day)) as days(day)
        cross join unnest(range(1, 29)) as numbers(days_active)
    ),

    rolled as (
        select
            spine.window_end,
            spine.days_active,
            sum(coalesce(sum(changes.change), 0)) over (
                partition by spine.days_active
                order by spine.window_end
                rows between unbounded preceding and current row
            ) as persons
        from spine
        left join changes on spine.window_end = changes.day and spine.days_active = changes.days_active
        group by spine.window_end, spine.days_active
    )

select
    rolled.window_end,
    cast(rolled.days_active as integer) as days_active,
    cast(rolled.persons as bigint) as persons,
    coalesce(
        rolled.window_end >= bounds.first_date + 27 and {{ data_until() }} >= {{ day_end_utc('rolled.window_end') }},
        false
    ) as is_complete
from rolled
cross join bounds
