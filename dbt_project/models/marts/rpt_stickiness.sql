{{ config(materialized='recomputed') }}

-- How many of the trailing 28 days a person was active changes only on an active day, and 28 days after one. So a
-- person moves from one number of days to another a few times, and a running sum over the days counts who stands
-- where.
--
-- Grouping by person is what costs, so it is done once: a move is one number, twice its day and one more where it is
-- up. Persons are read one after the other, and whoever was read has gone back to 0 days; so one running sum over all
-- that is read, without parting or sorting rows, is the number of days of the person that is being read.
with
    bounds as (
        select
            min(active_date) as first_date,
            greatest(max(active_date), cast({{ to_local(data_until()) }} as date)) as last_date
        from {{ ref('int_person_days') }}
    ),

    persons as (
        select list((person_days.active_date - bounds.first_date) * 2 + 1) as ups
        from {{ ref('int_person_days') }} as person_days
        cross join bounds
        group by person_days.person_id
    ),

    -- 28 days after an up is a down
    histories as (select list_sort(ups || list_transform(ups, lambda up: (up + 55))) as moves from persons),

    read as (select unnest(moves) as move, unnest(moves[2:]) as next_move from histories),

    -- of the moves of a day on several surfaces one counts
    counted as (
        select
            move,
            (move & 1) * 2 - 1 as step,
            sum((move & 1) * 2 - 1) over (rows between unbounded preceding and current row) as days_active
        from read
        where next_move is distinct from move
    ),

    moves as (select move, step, days_active, count(*) as persons from counted group by move, step, days_active),

    changes as (
        select bounds.first_date + cast(moves.move >> 1 as integer) as day, moves.days_active, moves.persons as change
        from moves
        cross join bounds
        union all
        select bounds.first_date + cast(moves.move >> 1 as integer), moves.days_active - moves.step, - moves.persons
        from moves
        cross join bounds
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
