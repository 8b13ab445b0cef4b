{{ config(materialized='by_key', key='person_id') }}

{#- Modes ordered and strict, every start followed exactly. From a step done at some moment the next step is
    done at the earliest moment that has it: still the same one while `tied_until` allows, else a later one. That
    is the best continuation (whatever can follow a later choice can follow an earlier one), so each hop is one
    ASOF join, and the times found are the earliest possible for this start.

    strict is the same walk that may not pass over the next interactive event. It may be right to wait for
    exactly that event although an earlier one would do, so a walk there forks, and of the walks that end
    alike the one with the earliest times is kept. Ordered funnels have no next interactive event. -#}
{%- set last_step = funnel_max_steps(['ordered', 'strict']) -%}
{%- set has_strict = var('tl_funnels') | selectattr('mode', 'equalto', 'strict') | list | length > 0 -%}
with
    funnels as (select * from {{ ref('int_funnels') }} where mode <> 'any'),

    moments as (
        select
            moments.funnel,
            moments.person_id,
            moments.occurred_at,
            moments.occurred_date,
            moments.step,
            moments.tied_until,
            moments.next_interactive_at,
            to_seconds(funnels.window_seconds) as step_window
        from {{ ref('int_funnel_moments') }} as moments
        inner join funnels on moments.funnel = funnels.funnel {{ only_touched('moments.person_id') }}
    ),

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
        select
            funnel,
            person_id,
            entry_date,
            max_by(step_times, {depth:len(step_times), entered_at:entered_at}) as step_times
        from attempts
        group by funnel, person_id, entry_date
    )

select funnel, person_id, entry_date, step_times[1] as entered_at, cast(len(step_times) as integer) as depth, step_times
from
    counted

    {% call touched() %}
    select person_id
    from {{ any_change(ref('int_funnel_moments'), ['person_id']) }}
    {% endcall %}
