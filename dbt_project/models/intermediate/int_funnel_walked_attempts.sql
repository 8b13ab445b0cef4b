{{ config(materialized='by_key', key='person_id') }}

{#- Funnels of mode strict, and of mode ordered where one event may serve several steps (all others:
    int_funnel_ordered_attempts), every start followed exactly. From a step done at some moment the next step is
    done at the earliest moment that has it: still the same one while `tied_until` allows, else a later one. That
    is the best continuation (whatever can follow a later choice can follow an earlier one), so each hop is one
    ASOF join, and the times found are the earliest possible for this start.

    strict is the same walk that may not pass over the next interactive event. It may be right to wait for
    exactly that event although an earlier one would do, so a walk there forks, and of the walks that end
    alike the one with the earliest times is kept. Ordered funnels have no next interactive event. -#}
{%- set last_step = funnel_max_steps(walked_funnels()) -%}
{%- set has_strict = some_funnel_is('strict') -%}
{%- set has_shared = some_funnel_shares_events() -%}
with
    funnels as (
        select * from {{ ref('int_funnels') }} where mode = 'strict' or (mode = 'ordered' and has_shared_events)
    ),

    {{ funnel_moments() }},

    done_1 as (
        select
            funnel,
            person_id,
            occurred_date as entry_date,
            occurred_at as entered_at,
            occurred_at + step_window as closes_at,
            occurred_at as done_at,
            tied_until,
            next_interactive_at,
            [occurred_at] as step_times
        from moments
        where step = 1
    ),

    {% for step in range(2, last_step + 1) -%}
        {%- set done -%}
        attempts.funnel,
            attempts.person_id,
            attempts.entry_date,
            attempts.entered_at,
            attempts.closes_at,
            moments.occurred_at as done_at,
            case
                when moments.occurred_at = attempts.done_at then attempts.tied_until else moments.tied_until
            end as tied_until,
            moments.next_interactive_at,
            list_append(attempts.step_times, moments.occurred_at) as step_times
        {%- endset -%}
        moments_{{ step }} as (select * from moments where step = {{ step }}),

        {{ 'walked' if has_strict else 'done' }}_{{ step }} as (
            select {{ done }}
            from done_{{ step - 1 }} as attempts
            asof join
                moments_{{ step }} as moments
                on attempts.funnel = moments.funnel
                and attempts.person_id = moments.person_id
                and attempts.done_at + to_microseconds(cast(attempts.tied_until < {{ step }} as integer))
                <= moments.occurred_at
            -- least() passes over NULL
            where moments.occurred_at <= least(attempts.closes_at, attempts.next_interactive_at)
        ),

        {% if has_strict -%}
            waited_{{ step }} as (
                select {{ done }}
                from done_{{ step - 1 }} as attempts
                inner join
                    moments_{{ step }} as moments
                    on attempts.funnel = moments.funnel
                    and attempts.person_id = moments.person_id
                    and attempts.next_interactive_at = moments.occurred_at
                where moments.occurred_at <= attempts.closes_at
            ),

            done_{{ step }} as (
                select * replace (min(step_times) as step_times)
                from
                    (
                        select *
                        from walked_{{ step }}
                        union all
                        select *
                        from waited_{{ step }}
                    )
                group by funnel, person_id, entry_date, entered_at, closes_at, done_at, tied_until, next_interactive_at
            ),
        {%- endif %}

    {% endfor -%}
    attempts as (
        select funnel, person_id, entry_date, entered_at, step_times
        from done_1
        {%- for step in range(2, last_step + 1) %}
            union all
            {% if has_strict -%}
                -- of the walks of one start the earliest
                select funnel, person_id, entry_date, entered_at, min(step_times)
                from done_{{ step }}
                group by funnel, person_id, entry_date, entered_at
            {%- else -%} select funnel, person_id, entry_date, entered_at, step_times from done_{{ step }}
            {%- endif %}
        {%- endfor %}
    ),

    -- of the day's starts the deepest counts, then the latest
    counted as (
        select funnel, person_id, entry_date, max_by(step_times, {{ deepest_then_latest() }}) as step_times
        from attempts
        group by funnel, person_id, entry_date
    )

select
    counted.funnel,
    counted.person_id,
    counted.entry_date,
    counted.step_times[1] as entered_at,
    cast(len(counted.step_times) as integer) as depth,
    counted.step_times,
    {% if has_shared -%} contested.contested_opening_key
    {%- else -%} cast(null as varchar) as contested_opening_key
    {%- endif %}
from counted
{%- if has_shared %}
    left join
        (select * from moments where contested_opening_key is not null) as contested
        on counted.funnel = contested.funnel
        and counted.person_id = contested.person_id
        and counted.step_times[1] = contested.occurred_at
{%- endif %}

    {% call touched() %}
    select person_id
    from {{ any_change(ref('int_funnel_events'), ['person_id']) }}
    {%- if has_strict %}
        union all
        select person_id
        from {{ changes(ref('int_person_events'), ['person_id', 'occurred_at', 'is_interactive', 'is_bot', 'is_internal']) }}
    {%- else %}
        {{ accounted_for(ref('int_person_events')) }}
    {%- endif %}
    {% endcall %}
