{{ config(materialized='recomputed') }}

-- The same persons as in rpt_active_daily, by weeks that start on Monday.
with
    person_weeks as (
        select distinct person_id, cast(date_trunc('week', active_date) as date) as week_start
        from {{ ref('int_person_days') }}
    ),

    neighbours as (
        select week_start, lag(week_start) over (person) as previous_week, lead(week_start) over (person) as next_week
        from person_weeks
        window person as (partition by person_id order by week_start)
    ),

    changes as (
        select
            week_start,
            count(*) filter (previous_week is null) as new_persons,
            count(*) filter (previous_week = week_start - 7) as returning_persons,
            count(*) filter (previous_week < week_start - 7) as resurrecting_persons,
            0 as dormant_persons
        from neighbours
        group by week_start
        union all
        select week_start + 7, 0, 0, 0, count(*)
        from neighbours
        where next_week is distinct from week_start + 7
        group by week_start
    ),

    bounds as (
        select
            min(week_start) as first_week,
            greatest(
                max(week_start), cast(date_trunc('week', cast({{ to_local(data_until()) }} as date)) as date)
            ) as last_week
        from person_weeks
    ),

    spine as (
        select cast(week as date) as week_start
        from bounds
        cross join unnest(range(bounds.first_week, bounds.last_week + 1, interval 7 day)) as weeks(week)
    )

select
    spine.week_start,
    cast(
        coalesce(sum(changes.new_persons + changes.returning_persons + changes.resurrecting_persons), 0) as bigint
    ) as active_persons,
    cast(coalesce(sum(changes.new_persons), 0) as bigint) as new_persons,
    cast(coalesce(sum(changes.returning_persons), 0) as bigint) as returning_persons,
    cast(coalesce(sum(changes.resurrecting_persons), 0) as bigint) as resurrecting_persons,
    cast(coalesce(sum(changes.dormant_persons), 0) as bigint) as dormant_persons,
    coalesce({{ data_until() }} >= {{ day_end_utc('spine.week_start + 6') }}, false) as is_complete
from spine
left join changes on spine.week_start = changes.week_start
group by spine.week_start
