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
                [{% for step in funnel.steps -%} '{{ step.event | replace("'", "''") }}', {% endfor -%}],
                cast(
                    [{% for path in funnel.get('breakdowns') or [] -%} '{{ path | replace("'", "''") }}', {% endfor -%}]
                    as varchar[]
                ),
                {{ funnel.get('top_breakdowns') or 20 }}
            ),
            {% endfor -%}
            (null, null, null, null, null, null, null)
    ) as configured(funnel, version, mode, window_seconds, step_events, breakdowns, top_breakdowns)
where funnel is not null
