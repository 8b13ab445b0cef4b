{#- The report over the entries of funnels, by step and segment: of each local day, where an entry counts; or of all
    days together (`of_days=false`), where a person counts once: by the deepest of their entries, then the latest. The
    columns of both are the same but for entry_date. A person may stand in several segments, once in each. -#}
{%- macro funnel_report(of_days=true) -%}
{%- set day = 'entry_date, ' if of_days else '' -%}
with
    funnels as (select * from {{ ref('int_funnels') }}),

    -- wide, and read twice: to keep it would cost more than to read it again
    entries as not materialized (
        select
            entries.funnel,
            entries.person_id,
            entries.entry_date,
            entries.entered_at,
            entries.depth,
            [
                entries.step_1_at,
                entries.step_2_at,
                entries.step_3_at,
                entries.step_4_at,
                entries.step_5_at,
                entries.step_6_at,
                entries.step_7_at,
                entries.step_8_at,
                entries.step_9_at,
                entries.step_10_at
            ] as step_times,
            entries.window_closed,
            entries.is_void,
            [entries.breakdown_1, entries.breakdown_2, entries.breakdown_3] as breakdown_values,
            funnels.steps,
            funnels.breakdowns,
            funnels.top_breakdowns
        from {{ ref('fct_funnel_entries') }} as entries
        inner join funnels on entries.funnel = funnels.funnel
    ),

    broken_down as not materialized (
        select * exclude (place), breakdowns[place] as segment_set, breakdown_values[place] as value
        from (select *, unnest(range(1, len(breakdowns) + 1)) as place from entries)
    ),

    -- a missing value is shown as such and takes nobody's place
    ranked_values as (
        select
            funnel,
            segment_set,
            value,
            row_number() over (partition by funnel, segment_set order by count(*) desc, value) as value_rank
        from broken_down
        where not is_void and value <> '(none)'
        group by funnel, segment_set, value
    ),

    segments as (
        select entries.*, 'all' as segment_set, 'all' as segment
        from entries
        union all
        select
            broken_down.* exclude (value),
            case
                when broken_down.value = '(none)'
                then '(none)'
                when ranked_values.value_rank <= broken_down.top_breakdowns
                then broken_down.value
                else '(other)'
            end as segment
        from broken_down
        left join
            ranked_values
            on broken_down.funnel = ranked_values.funnel
            and broken_down.segment_set = ranked_values.segment_set
            and broken_down.value = ranked_values.value
    ),

    judged as (
        select *, not is_void as counts, not is_void and window_closed as counts_in_rates
        from segments
    ),

    -- whoever can be counted: what they entered, how deep they came, and what they still can do. Who came to a step
    -- came to those before it, so the depth says it of every step
    {% if of_days -%}
        counted_once as (
            select
                *,
                counts as has_entered,
                case when counts then depth else 0 end as converted_depth,
                counts_in_rates as has_closed,
                case when counts_in_rates then depth else 0 end as closed_depth,
                counts and not counts_in_rates as is_open
            from judged
        ),
    {%- else -%}
        counted_once as (
            select
                funnel,
                segment_set,
                segment,
                steps,
                bool_or(counts) as has_entered,
                coalesce(max(depth) filter (counts), 0) as converted_depth,
                bool_or(counts_in_rates) as has_closed,
                coalesce(max(depth) filter (counts_in_rates), 0) as closed_depth,
                bool_or(counts and not counts_in_rates) as is_open,
                max_by(entered_at, {depth:depth, entered_at:entered_at}) filter (counts_in_rates) as entered_at,
                max_by(step_times, {depth:depth, entered_at:entered_at}) filter (counts_in_rates) as step_times
            from judged
            group by funnel, person_id, steps, segment_set, segment
        ),
    {%- endif %}

    -- few: who came as deep is alike
    alike as (
        select
            funnel,
            {{ day }}
            segment_set,
            segment,
            steps,
            has_entered,
            converted_depth,
            has_closed,
            closed_depth,
            is_open,
            count(*) as number
        from counted_once
        group by all
    ),

    tallies as (
        select
            funnel,
            {{ day }}
            step,
            segment_set,
            segment,
            cast(coalesce(sum(number) filter (has_entered), 0) as bigint) as entered,
            cast(coalesce(sum(number) filter (converted_depth >= step), 0) as bigint) as converted,
            cast(coalesce(sum(number) filter (has_closed), 0) as bigint) as closed_entered,
            cast(coalesce(sum(number) filter (closed_depth >= step), 0) as bigint) as closed_converted,
            cast(coalesce(sum(number) filter (is_open and converted_depth < step), 0) as bigint) as censored,
            cast(coalesce(sum(number) filter (not has_entered), 0) as bigint) as void_entries
        from (select *, unnest(range(1, steps + 1)) as step from alike)
        group by funnel, {{ day }} step, segment_set, segment
    ),

    paces as (
        select
            funnel,
            {{ day }}
            step,
            segment_set,
            segment,
            quantile_cont({{ seconds_between('entered_at', 'step_times[step]') }}, [0.5, 0.9, 0.95]) as quantiles
        from (select *, unnest(range(1, closed_depth + 1)) as step from counted_once where has_closed)
        group by funnel, {{ day }} step, segment_set, segment
    ),

    counted as (
        select tallies.*, paces.quantiles
        from tallies
        left join
            paces
            on tallies.funnel = paces.funnel
            {% if of_days -%} and tallies.entry_date = paces.entry_date {%- endif %}
            and tallies.step = paces.step
            and tallies.segment_set = paces.segment_set
            and tallies.segment = paces.segment
    )

select
    counted.funnel,
    funnels.version,
    {% if of_days -%} counted.entry_date, {%- endif %}
    cast(counted.step as integer) as step,
    funnels.step_events[counted.step] as step_event,
    counted.segment_set,
    counted.segment,
    counted.entered,
    counted.converted,
    counted.closed_entered,
    counted.closed_converted,
    counted.closed_converted / nullif(
        lag(counted.closed_converted, 1, counted.closed_entered) over (
            partition by counted.funnel, {% if of_days -%} counted.entry_date, {%- endif %} counted.segment_set, counted.segment order by counted.step
        ),
        0
    ) as step_rate,
    1 - step_rate as drop_off_rate,
    counted.closed_converted / nullif(counted.closed_entered, 0) as total_rate,
    cast(counted.quantiles[1] as double) as p50_seconds,
    cast(counted.quantiles[2] as double) as p90_seconds,
    cast(counted.quantiles[3] as double) as p95_seconds,
    counted.censored / nullif(counted.entered, 0) as censored_share,
    counted.void_entries
    {%- if of_days %},
    -- the last start the day can have is a microsecond before its end
    coalesce(
        {{ data_until() }} >= {{ day_end_utc('counted.entry_date') }} + to_seconds(funnels.window_seconds), false
    ) as is_complete
    {%- endif %}
from counted
inner join funnels on counted.funnel = funnels.funnel
{%- endmacro -%}
