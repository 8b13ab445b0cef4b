{{ config(materialized='by_key', key='person_id') }}

-- Mode any: an attempt starts at any matched event, and step k is done when k different steps have been matched
-- with k different events since. Where every event of a person serves one step, these times are the first
-- occurrences of the steps, sorted. Where one serves several, the matching's size after each time follows from
-- König's theorem: k of n steps are matched as soon as every set of s > n - k steps has found s - (n - k) events.
with
    funnels as (select *, to_seconds(window_seconds) as step_window from {{ ref('int_funnels') }} where mode = 'any'),

    step_events as (
        select
            events.funnel,
            events.person_id,
            events.event_key,
            events.occurred_at,
            events.occurred_date,
            events.ordinal as step
        from {{ ref('int_funnel_events') }} as events
        inner join funnels on events.funnel = funnels.funnel {{ only_touched('events.person_id') }}
        where events.part = 'step'
    ),

    starts as (
        select
            step_events.funnel,
            step_events.person_id,
            step_events.occurred_at as entered_at,
            any_value(step_events.occurred_date) as entry_date,
            any_value(funnels.steps) as steps,
            step_events.occurred_at + any_value(funnels.step_window) as closes_at
        from step_events
        inner join funnels on step_events.funnel = funnels.funnel
        group by step_events.funnel, step_events.person_id, step_events.occurred_at
    ),

    sharing_persons as (
        select distinct funnel, person_id
        from
            (
                select funnel, person_id, event_key
                from step_events
                where funnel in (select funnel from funnels where has_shared_events)
                group by funnel, person_id, event_key
                having count(*) > 1
            )
    ),

    plain_starts as (
        select starts.*, step
        from starts
        anti join sharing_persons using (funnel, person_id)
        cross join unnest(range(1, starts.steps + 1)) as ordinals(step)
    ),

    plain_attempts as (
        select
            plain_starts.funnel,
            plain_starts.person_id,
            plain_starts.entry_date,
            plain_starts.entered_at,
            list(step_events.occurred_at order by step_events.occurred_at) as step_times
        from plain_starts
        asof join
            step_events
            on plain_starts.funnel = step_events.funnel
            and plain_starts.person_id = step_events.person_id
            and plain_starts.step = step_events.step
            and plain_starts.entered_at <= step_events.occurred_at
        where step_events.occurred_at <= plain_starts.closes_at
        group by all
    ),

    sharing_starts as (select starts.* from starts semi join sharing_persons using (funnel, person_id)),

    step_sets as (
        select funnel, steps, members, bit_count(members) as size
        from (select funnel, steps, unnest(range(1, 1 << steps)) as members from funnels where has_shared_events)
    ),

    set_events as (
        select
            step_events.funnel,
            step_events.person_id,
            step_sets.members,
            step_events.occurred_at,
            row_number() over (
                partition by step_events.funnel, step_events.person_id, step_sets.members
                order by step_events.occurred_at, step_events.event_key
            ) as place
        from step_events
        semi join sharing_persons using (funnel, person_id)
        inner join
            step_sets on step_events.funnel = step_sets.funnel and (step_sets.members >> (step_events.step - 1)) & 1 = 1
        group by
            step_events.funnel, step_events.person_id, step_sets.members, step_events.occurred_at, step_events.event_key
    ),

    set_moments as (
        select funnel, person_id, members, occurred_at, min(place) as place
        from set_events
        group by funnel, person_id, members, occurred_at
    ),

    set_starts as (
        select
            sharing_starts.funnel,
            sharing_starts.person_id,
            sharing_starts.entry_date,
            sharing_starts.entered_at,
            sharing_starts.closes_at,
            sharing_starts.steps,
            step_sets.members,
            step_sets.size
        from sharing_starts
        inner join step_sets on sharing_starts.funnel = step_sets.funnel
    ),

    -- how many events a set has found by when: one row per start, set and number of events it needs
    demands as (
        select set_starts.*, set_moments.place, needed, set_starts.steps - set_starts.size + needed as matched
        from set_starts
        asof left join
            set_moments
            on set_starts.funnel = set_moments.funnel
            and set_starts.person_id = set_moments.person_id
            and set_starts.members = set_moments.members
            and set_starts.entered_at <= set_moments.occurred_at
        cross join unnest(range(1, set_starts.size + 1)) as needs(needed)
    ),

    matchings as (
        select
            demands.funnel,
            demands.person_id,
            demands.entry_date,
            demands.entered_at,
            demands.matched,
            max(set_events.occurred_at) as done_at
        from demands
        left join
            set_events
            on demands.funnel = set_events.funnel
            and demands.person_id = set_events.person_id
            and demands.members = set_events.members
            and demands.place + demands.needed - 1 = set_events.place
        group by
            demands.funnel,
            demands.person_id,
            demands.entry_date,
            demands.entered_at,
            demands.matched,
            demands.closes_at
        having count(set_events.occurred_at) = count(*) and max(set_events.occurred_at) <= demands.closes_at
    ),

    sharing_attempts as (
        select funnel, person_id, entry_date, entered_at, list(done_at order by matched) as step_times
        from matchings
        group by funnel, person_id, entry_date, entered_at
    ),

    attempts as (
        select *
        from plain_attempts
        union all
        select *
        from sharing_attempts
    )

select
    funnel,
    person_id,
    entry_date,
    -- of the day's starts the deepest counts, then the latest
    max_by(entered_at, {{ deepest_then_latest() }}) as entered_at,
    cast(max(len(step_times)) as integer) as depth,
    max_by(step_times, {{ deepest_then_latest() }}) as step_times
from attempts
group by
    funnel,
    person_id,
    entry_date

    {% call touched() %}
    select person_id
    from {{ any_change(ref('int_funnel_events'), ['person_id']) }}
    {% endcall %}
