{#- CTEs of the moments of funnels, one row per funnel, person, moment and step that some event of that moment matches.
    Reads the CTE `funnels`, of modes ordered and strict; the last one is `moments`:

    - step, from 1, and tied_until: the last step that can be done at this moment when this one is the first done here
    - contested_opening_key: the event that opens an attempt here where several events serve several steps: of those
      that match step 1 and can be spared by the steps done beside it, the smallest key; else NULL
    - next_interactive_at: the person's next later interactive event; only for strict funnels

    Events of one person at the same microsecond have no order among themselves. A moment is all of them together:
    an attempt that arrives with step k to do can do steps k..tied_until there, each with an event of its own. Whether
    distinct events suffice is a matching, decided by Hall's theorem: they do if and only if every set of these steps
    finds at least as many events as it has steps. Counting sets is left to the rare moments where it can matter: two
    or more events, one of which serves several steps. -#}
{%- macro funnel_moments() -%}
{%- set has_strict = some_funnel_is('strict') -%}
{%- set has_shared = some_funnel_shares_events() -%}
{#- the lowest zero bit ends the run of steps present -#}
{%- set run_end = 'present.step - 1 + bit_count((~ present.present_from & (present.present_from + 1)) - 1)' -%}
step_events as (
        select funnel, person_id, occurred_at, occurred_date, event_key, ordinal as step
        from {{ ref('int_funnel_events') }} as events {{ only_touched('events.person_id') }}
        where part = 'step' and funnel in (select funnel from funnels)
    ),

    step_moments as (
        select
            funnel,
            person_id,
            occurred_at,
            any_value(occurred_date) as occurred_date,
            -- bit k - 1 stands for step k
            bit_or(1 << (step - 1)) as steps_present
        from step_events
        group by funnel, person_id, occurred_at
    ),

    present as (
        select
            *,
            -- shifted so that its trailing ones are the steps present from this one on
            steps_present >> (step - 1) as present_from
        from
            (
                select
                    step_moments.*,
                    funnels.mode,
                    funnels.steps,
                    funnels.window_seconds,
                    -- mostly it is one step, which its bit tells
                    unnest(
                        case
                            when bit_count(step_moments.steps_present) = 1
                            then [bit_count(step_moments.steps_present - 1) + 1]
                            else range(1, funnels.steps + 1)
                        end
                    ) as step
                from step_moments
                inner join funnels on step_moments.funnel = funnels.funnel
            )
        where (steps_present >> (step - 1)) & 1 = 1
    )
    {%- if has_shared %}
        ,

        shared_events as (
            select funnel, person_id, occurred_at, event_key, bit_or(1 << (step - 1)) as serves
            from step_events
            where funnel in (select funnel from funnels where has_shared_events)
            group by funnel, person_id, occurred_at, event_key
        ),

        shared_moments as (
            select funnel, person_id, occurred_at, count(*) as events
            from shared_events
            group by funnel, person_id, occurred_at
            having max(bit_count(serves)) > 1
        ),

        contested_events as (
            select shared_events.*
            from shared_events
            inner join shared_moments using (funnel, person_id, occurred_at)
            where shared_moments.events > 1
        ),

        step_sets as (
            select
                funnel,
                members,
                bit_count(members) as size,
                bit_count((members & - members) - 1) + 1 as lowest_step,
                cast(floor(log2(members)) as integer) + 1 as highest_step
            from (select funnel, unnest(range(1, 1 << steps)) as members from funnels where has_shared_events)
        ),

        supplies as (
            select
                contested_events.funnel,
                contested_events.person_id,
                contested_events.occurred_at,
                step_sets.members,
                step_sets.size,
                step_sets.lowest_step,
                step_sets.highest_step,
                count(*) filter ((contested_events.serves & step_sets.members) <> 0) as events
            from contested_events
            inner join step_sets on contested_events.funnel = step_sets.funnel
            group by all
        ),

        contested_ends as (
            select
                present.funnel,
                present.person_id,
                present.occurred_at,
                present.step,
                coalesce(min(supplies.highest_step), any_value(present.steps) + 1) - 1 as tied_until
            from present
            inner join shared_moments using (funnel, person_id, occurred_at)
            left join
                supplies
                on present.funnel = supplies.funnel
                and present.person_id = supplies.person_id
                and present.occurred_at = supplies.occurred_at
                and present.step <= supplies.lowest_step
                and supplies.events < supplies.size
            where shared_moments.events > 1
            group by present.funnel, present.person_id, present.occurred_at, present.step
        ),

        -- an event may open the attempt only where the steps done beside it can spare it
        contested_openings as (
            select
                contested_events.funnel,
                contested_events.person_id,
                contested_events.occurred_at,
                min(event_key) as event_key
            from contested_events
            inner join
                contested_ends
                on contested_events.funnel = contested_ends.funnel
                and contested_events.person_id = contested_ends.person_id
                and contested_events.occurred_at = contested_ends.occurred_at
                and contested_ends.step = 1
            anti join
                supplies
                on contested_events.funnel = supplies.funnel
                and contested_events.person_id = supplies.person_id
                and contested_events.occurred_at = supplies.occurred_at
                and supplies.lowest_step > 1
                and supplies.highest_step <= contested_ends.tied_until
                and supplies.events = supplies.size
                and (contested_events.serves & supplies.members) <> 0
            where contested_events.serves & 1 = 1
            group by contested_events.funnel, contested_events.person_id, contested_events.occurred_at
        )
    {%- endif %}
    {%- if has_strict %}
        ,

        -- strict funnels may not pass over the person's next interactive event
        strict_moments as (select distinct person_id, occurred_at from present where mode = 'strict'),

        interactive as (
            select distinct person_id, occurred_at
            from {{ ref('int_person_events') }}
            where
                is_interactive
                and not is_bot
                and not is_internal
                and person_id in (select person_id from strict_moments)
        ),

        following as (
            select strict_moments.person_id, strict_moments.occurred_at, interactive.occurred_at as next_interactive_at
            from strict_moments
            asof join
                interactive
                on strict_moments.person_id = interactive.person_id
                and strict_moments.occurred_at < interactive.occurred_at
        )
    {%- endif %},

    moments as (
        select
            present.funnel,
            present.person_id,
            present.occurred_at,
            present.occurred_date,
            to_seconds(present.window_seconds) as step_window,
            cast(present.step as integer) as step,
            cast(
                {% if has_shared -%}
                    case
                        when shared_moments.events = 1
                        then present.step
                        when shared_moments.events > 1
                        then contested_ends.tied_until
                        else {{ run_end }}
                    end
                {%- else -%}{{ run_end }}
                {%- endif %} as integer
            ) as tied_until,
            {% if has_shared %} case when present.step = 1 then contested_openings.event_key end
            {% else %} cast(null as varchar)
            {% endif %} as contested_opening_key,
            {% if has_strict %} case when present.mode = 'strict' then following.next_interactive_at end
            {% else %} cast(null as timestamp)
            {% endif %} as next_interactive_at
        from present
        {%- if has_shared %}
            left join
                shared_moments
                on present.funnel = shared_moments.funnel
                and present.person_id = shared_moments.person_id
                and present.occurred_at = shared_moments.occurred_at
            left join
                contested_ends
                on present.funnel = contested_ends.funnel
                and present.person_id = contested_ends.person_id
                and present.occurred_at = contested_ends.occurred_at
                and present.step = contested_ends.step
            left join
                contested_openings
                on present.funnel = contested_openings.funnel
                and present.person_id = contested_openings.person_id
                and present.occurred_at = contested_openings.occurred_at
        {%- endif %}
        {%- if has_strict %}
            left join following on present.person_id = following.person_id and present.occurred_at = following.occurred_at
        {%- endif %}
    )
{%- endmacro -%}
