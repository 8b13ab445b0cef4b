{{ config(materialized='recomputed') }}

-- The exclusions of the configured funnels: between which steps an event makes the entry void.
select
    cast(funnel as varchar) as funnel,
    cast(exclusion as integer) as exclusion,
    cast(after_step as integer) as after_step,
    cast(before_step as integer) as before_step
from
    (
        values
            {% for funnel in var('tl_funnels') -%}
                {% for exclusion in funnel.get('exclusions') or [] -%}
                    ('{{ funnel.name }}', {{ loop.index }}, {{ exclusion.after }}, {{ exclusion.before }}),
                {% endfor -%}
            {% endfor -%}
            (null, null, null, null)
    ) as configured(funnel, exclusion, after_step, before_step)
where funnel is not null
