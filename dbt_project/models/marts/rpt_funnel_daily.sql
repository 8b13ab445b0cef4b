{{ config(materialized='recomputed') }}

with
    funnels as (select * from {{ ref('int_funnels') }}),

    entries as (
        select
            entries.funnel,
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

    broken_down as (
        select entries.*, entries.breakdowns[place] as segment_set, entries.breakdown_values[place] as value
        from entries
        cross join unnest(range(1, len(entries.breakdowns) + 1)) as places(place)
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

    steps as (
        select
            funnel,
            entry_date,
            step,
            segment_set,
            segment,
            not is_void as counts,
            not is_void and window_closed as counts_in_rates,
            depth >= step as reached,
            {{ seconds_between('entered_at', 'step_times[step]') }} as seconds
        from segments
        cross join unnest(range(1, segments.steps + 1)) as ordinals(step)
    ),

    counted as (
        select
            funnel,
            entry_date,
            step,
            segment_set,
            segment,
            count(*) filter (counts) as entered,
            count(*) filter (counts and reached) as converted,
            count(*) filter (counts_in_rates) as closed_entered,
            count(*) filter (counts_in_rates and reached) as closed_converted,
            count(*) filter (counts and not counts_in_rates and not reached) as censored,
            count(*) filter (not counts) as void_entries,
            quantile_cont(seconds, [0.5, 0.9, 0.95]) filter (counts_in_rates and reached) as quantiles
        from steps
        group by funnel, entry_date, step, segment_set, segment
    )

select
    counted.funnel,
    funnels.version,
    counted.entry_date,
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
            partition by counted.funnel, counted.entry_date, counted.segment_set, counted.segment order by counted.step
        ),
        0
    ) as step_rate,
    1 - step_rate as drop_off_rate,
    counted.closed_converted / nullif(counted.closed_entered, 0) as total_rate,
    cast(counted.quantiles[1] as double) as p50_seconds,
    cast(counted.quantiles[2] as double) as p90_seconds,
    cast(counted.quantiles[3] as double) as p95_seconds,
    counted.censored / nullif(counted.entered, 0) as censored_share,
    counted.void_entries,
    -- the last start the day can have is a microsecond before its end
    coalesce(
        {{ data_until() }} >= {{ day_end_utc('counted.entry_date') }} + to_seconds(funnels.window_seconds), false
    ) as is_complete
from counted
inner join funnels on counted.funnel = funnels.funnel
