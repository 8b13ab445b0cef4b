{{ config(materialized='recomputed') }}

-- The configured sources, so that a change of trust or liveness needs no reload.
select *
from
    (
        values
            {% for source in var('tl_sources') -%}
                (
                    '{{ source.name }}',
                    '{{ source.surface }}',
                    '{{ source.trust }}',
                    '{{ source.lawful_basis }}',
                    {{ source.live | lower }}
                ),
            {% endfor -%}
            (
                cast(null as varchar),
                cast(null as varchar),
                cast(null as varchar),
                cast(null as varchar),
                cast(null as boolean)
            )
    ) as configured(source, surface, trust, lawful_basis, is_live)
where source is not null
