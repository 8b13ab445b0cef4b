{{ config(materialized='recomputed') }}

-- Rolling actives by interval differences: a person's activity on day d counts on the days d .. d + 6 (27), or until
-- the day before the next activity if that comes first, so that nobody counts twice. Adding the person at the
-- first of these days and taking it off after the last leaves a running sum over the days.
with
    person_days as (select * from {{ ref('int_person_days') }}),

    segment_days as (
        select person_id, active_date, 'all' as segment_set, 'all' as segment
        from person_days
        union
        select person_id, active_date, 'surface' as segment_set, surface as segment
        from person_days
        union
        select person_id, active_date, 'platform' as segment_set, platform as segment
        from person_days
    ),

    segments as (select distinct segment_set, segment from segment_days),

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
        select
            segment_set,
            segment,
            active_date,
            lead(active_date) over (
                partition by segment_set, segment, person_id order by active_date
            ) as next_active_date
        from segment_days
    ),

    changes as (
        select segment_set, segment, active_date, count(*) as daily, count(*) as weekly, count(*) as monthly
        from spans
        group by segment_set, segment, active_date
        union all
        select segment_set, segment, least(active_date + 7, next_active_date), 0, - count(*), 0
        from spans
        group by segment_set, segment, least(active_date + 7, next_active_date)
        union all
        select segment_set, segment, least(active_date + 28, next_active_date), 0, 0, - count(*)
        from spans
        group by segment_set, segment, least(active_date + 28, next_active_date)
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
