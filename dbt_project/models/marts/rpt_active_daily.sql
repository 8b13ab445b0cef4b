{{ config(materialized='recomputed') }}

-- Rolling actives by interval differences: a person's activity on day d counts on the days d .. d + 6 (27), or until
-- the day before the next activity if that comes first, so that nobody counts twice. Adding the person at the
-- first of these days and taking it off after the last leaves a running sum over the days.
with
    person_days as (select * from {{ ref('int_person_days') }}),

    histories as (
        select 'all' as segment_set, 'all' as segment, list_sort(list(distinct active_date)) as dates
        from person_days
        group by person_id
        union all
        select 'surface', surface, list_sort(list(distinct active_date))
        from person_days
        group by person_id, surface
        union all
        select 'platform', platform, list_sort(list(distinct active_date))
        from person_days
        group by person_id, platform
    ),

    segments as (select distinct segment_set, segment from histories),

    bounds as (
        select
            min(active_date) as first_date,
            -- events may run ahead of the slowest live source; they are shown, as incomplete
            greatest(max(active_date), cast({{ to_local(data_until()) }} as date)) as last_date
        from person_days
    ),

    spine as (
        select segments.segment_set, segments.segment, cast(day as date) as active_date
        from segments
        cross join bounds
        cross join unnest(range(bounds.first_date, bounds.last_date + 1, interval 1 day)) as days(day)
    ),

    spans as (
        select segment_set, segment, unnest(dates) as active_date, unnest(dates[2:]) as next_active_date from histories
    ),

    -- few: persons only matter by their day and the days until they come again
    pauses as (
        select segment_set, segment, active_date, least(next_active_date - active_date, 28) as days, count(*) as persons
        from spans
        group by segment_set, segment, active_date, least(next_active_date - active_date, 28)
    ),

    changes as (
        select segment_set, segment, active_date, persons as daily, persons as weekly, persons as monthly
        from pauses
        union all
        select segment_set, segment, active_date + cast(least(days, 7) as integer), 0, - persons, 0
        from pauses
        union all
        select segment_set, segment, active_date + cast(days as integer), 0, 0, - persons
        from pauses
    ),

    rolled as (
        select
            spine.active_date,
            spine.segment_set,
            spine.segment,
            coalesce(sum(changes.daily), 0) as dau,
            sum(coalesce(sum(changes.weekly), 0)) over running as wau,
            sum(coalesce(sum(changes.monthly), 0)) over running as mau
        from spine
        left join
            changes
            on spine.segment_set = changes.segment_set
            and spine.segment = changes.segment
            and spine.active_date = changes.active_date
        group by spine.active_date, spine.segment_set, spine.segment
        window
            running as (
                partition by spine.segment_set, spine.segment
                order by spine.active_date
                rows between unbounded preceding and current row
            )
    )

select
    rolled.active_date,
    rolled.segment_set,
    rolled.segment,
    cast(rolled.dau as bigint) as dau,
    cast(rolled.wau as bigint) as wau,
    cast(rolled.mau as bigint) as mau,
    cast(rolled.dau / nullif(rolled.mau, 0) as double) as stickiness,
    coalesce(
        rolled.active_date >= bounds.first_date + 27 and {{ data_until() }} >= {{ day_end_utc('rolled.active_date') }},
        false
    ) as is_complete
from rolled
cross join bounds
