{{ config(materialized='recomputed') }}

-- The configured funnels, so that the models below join on them instead of repeating themselves per funnel.
select
    cast(funnel as varchar) as funnel,
    cast(version as varchar) as version,
    cast(mode as varchar) as mode,
    cast(window_seconds as bigint) as window_seconds,
    cast(step_events as varchar[]) as step_events,
    cast(len(step_events) as integer) as steps,
    -- only then can one event match two steps
    len(list_distinct(step_events)) < len(step_events) as has_shared_events,
    cast(breakdowns as varchar[]) as breakdowns,
    cast(top_breakdowns as integer) as top_breakdowns
from
    (
        values
            {% for funnel in var('tl_funnels') -%}
                (
                    '{{ funnel.name }}',
                    '{{ funnel.version }}',
                    '{{ funnel.mode }}',
                    {{ funnel.window_seconds }},
                    {{ text_array(funnel.steps | map(attribute='event') | list) }},
                    {{ text_array(funnel.get('breakdowns') or []) }},
                    {{ funnel.get('top_breakdowns') or 20 }}
                ),
            {% endfor -%}
            (null, null, null, null, cast(null as varchar[]), cast(null as varchar[]), null)
    ) as configured(funnel, version, mode, window_seconds, step_events, breakdowns, top_breakdowns)
where funnel is not null
