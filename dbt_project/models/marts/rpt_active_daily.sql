{{ config(materialized='recomputed') }}

{#- Rolling actives by interval differences: a person's activity on day d counts on the days d .. d + 6 (27), or until
    the day before the next activity if that comes first, so that nobody counts twice. Adding the person at the
    first of these days and taking it off after the last leaves a running sum over the days.

    Grouping by person is what costs, so it is done once: a day of a segment is one number, segment * 2 ** 20 + day, and
    of two that follow each other the difference is the pause, or beyond all windows where the segment changes. -#}
with
    kinds as (select distinct surface, platform from {{ ref('int_person_days') }}),

    segments as (
        -- all has number 0
        select segment_set, segment, row_number() over (order by segment_set, segment) - 1 as number
        from
            (
                select 'all' as segment_set, 'all' as segment
                from kinds
                union
                select 'platform', platform
                from kinds
                union
                select 'surface', surface
                from kinds
            ) as seen
    ),

    bounds as (
        select
            min(active_date) as first_date,
            -- events may run ahead of the slowest live source; they are shown, as incomplete
            greatest(max(active_date), cast({{ to_local(data_until()) }} as date)) as last_date
        from {{ ref('int_person_days') }}
    ),

    spine as (
        select segments.segment_set, segments.segment, cast(day as date) as active_date
        from segments
        cross join bounds
        cross join unnest(range(bounds.first_date, bounds.last_date + 1, interval 1 day)) as days(day)
    ),

    persons as (
        select
            list(
                (surfaces.number << 40) + (platforms.number << 20) + (person_days.active_date - bounds.first_date)
            ) as days
        from {{ ref('int_person_days') }} as person_days
        cross join bounds
        inner join segments as surfaces on person_days.surface = surfaces.segment and surfaces.segment_set = 'surface'
        inner join
            segments as platforms on person_days.platform = platforms.segment and platforms.segment_set = 'platform'
        group by person_days.person_id
    ),

    histories as (
        select list_sort(list_transform(days, lambda day: (day & 1048575))) as days
        from persons
        union all
        select list_sort(list_transform(days, lambda day: ((day >> 40) << 20) + (day & 1048575)))
        from persons
        union all
        select list_sort(list_transform(days, lambda day: (day & 1099511627775)))
        from persons
    ),

    spans as (select unnest(days) as day, unnest(days[2:]) as next_day from histories),

    -- few: persons only matter by their day and the days until they come again
    counted as (
        select day, least(next_day - day, 28) as days, count(*) as persons
        from spans
        where next_day is distinct from day
        group by day, least(next_day - day, 28)
    ),

    pauses as (
        select
            segments.segment_set,
            segments.segment,
            bounds.first_date + cast(counted.day & 1048575 as integer) as active_date,
            counted.days,
            counted.persons
        from counted
        cross join bounds
        inner join segments on counted.day >> 20 = segments.number
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
