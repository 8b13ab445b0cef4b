{{ config(materialized='by_key', key='person_id') }}

{#- Funnels of mode ordered in which every event matches one step at most (all others: int_funnel_walked_attempts),
    every start followed exactly.

    The events of a person are read backwards, later steps of one moment first. Then the earliest next step k is the
    one read last, and what follows it is known by then: so the earliest way on from every start is found in one pass
    of running maxima, one for each pair of steps, without joining or sorting rows. It is the best way on too
    (whatever can follow a later choice can follow an earlier one), and its steps within the window are the depth.

    An event is one number: its moment (64 bits are enough to the year 6500; what comes that early is quarantined), how
    many days its local day is off from the UTC day, its step. A journey (the
    events of a person and funnel) is the sorted list of these numbers, and journeys are read one after the other.
    `place` is where a moment lies in all that is read: it only grows, and from one journey to another by more than
    any window, so that what was read of somebody else is never within reach. -#}
{%- set last_step = funnel_max_steps(ordered_funnels()) -%}
with
    funnels as (select * from {{ ref('int_funnels') }} where mode = 'ordered' and not has_shared_events),

    step_events as (
        select
            funnel,
            person_id,
            epoch_us(occurred_at) * 64 + (occurred_date - cast(occurred_at as date) + 1) * 16 + ordinal as mark
        from {{ ref('int_funnel_events') }} as events {{ only_touched('events.person_id') }}
        where part = 'step' and funnel in (select funnel from funnels)
    ),

    journeys as (
        select row_number() over () as journey, funnel, person_id, marks
        from
            (
                select funnel, person_id, list_reverse_sort(list(mark)) as marks
                from step_events
                group by funnel, person_id
            )
    ),

    read as (select journey, funnel, person_id, unnest(marks) as mark from journeys),

    placed as (
        select
            funnel,
            person_id,
            mark & 15 as step,
            ((mark >> 4) & 3) - 1 as days_off,
            make_timestamp(mark >> 6) as occurred_at,
            journey * (cast(1 as hugeint) << 62) - (mark >> 6) as place
        from read
    ),

    {% set before = namespace(cte='placed', columns=[]) -%}
    {% for step in range(last_step, 1, -1) -%}
        {%- set columns = [] -%}
        -- where step {{ step }} comes next, and after it the steps behind it
        before_{{ step }} as (
            select
                funnel,
                person_id,
                step,
                days_off,
                occurred_at,
                place,
                max(place) filter (where step = {{ step }}) over so_far as next_{{ step }}
                {%- do columns.append('next_' ~ step) -%}
                {%- for later in before.columns %}
                    ,
                    max({{ later }}) filter (where step = {{ step }}) over so_far as {{ later }}
                    {%- do columns.append(later) -%}
                {%- endfor %}
            from {{ before.cte }}
            window so_far as (rows between unbounded preceding and current row)
        ),

        {% set before.cte, before.columns = 'before_' ~ step, columns -%}
    {% endfor -%}
    starts as (
        select
            before.funnel,
            before.person_id,
            before.occurred_at as entered_at,
            cast(before.occurred_at as date) + cast(before.days_off as integer) as entry_date,
            {% for step in range(2, last_step + 1) -%}
                case
                    when before.place - before.next_{{ step }} <= cast(funnels.window_seconds as bigint) * 1000000
                    then cast(before.place - before.next_{{ step }} as bigint)
                end as after_{{ step }},
            {% endfor -%}
            1
            {%- for step in range(2, last_step + 1) %}
                + cast(after_{{ step }} is not null as integer)
            {% endfor %} as depth
        from {{ before.cte }} as before
        inner join funnels on before.funnel = funnels.funnel
        where before.step = 1
    ),

    ranked as (select *, {{ deepest_then_latest('depth') }} as place_in_day from starts),

    -- of the day's starts the deepest counts, then the latest
    counted as (
        select
            funnel,
            person_id,
            entry_date,
            {% for step in range(2, last_step + 1) -%}
                arg_max_null(after_{{ step }}, place_in_day) as after_{{ step }},
            {% endfor -%}
            arg_max(entered_at, place_in_day) as entered_at,
            max(depth) as depth
        from ranked
        group by funnel, person_id, entry_date
    )

select
    funnel,
    person_id,
    entry_date,
    entered_at,
    cast(depth as integer) as depth,
    [entered_at {%- for step in range(2, last_step + 1) %}, entered_at + to_microseconds(after_{{ step }}){% endfor %}][
        :depth
    ] as step_times
from
    counted

    {% call touched() %}
    select person_id
    from {{ any_change(ref('int_funnel_events'), ['person_id']) }}
    {% endcall %}
