{{ config(materialized='by_key', key=['kind', 'value']) }}

{#- Identifiers with more counterparts than configured. Counted once, on all trusted evidence, before anything
    is set aside, so the order in which hubs appear cannot matter. -#}
with
    pairs as (select * from {{ ref('int_identity_pairs') }} where is_trusted),

    sides as (
        select higher_kind as kind, higher_value as value, lower_node as counterpart
        from pairs
        union all
        select lower_kind, lower_value, higher_node
        from pairs
    )

select kind, value, count(distinct counterpart) as counterparts
from sides {{ only_touched('sides.kind', 'sides.value') }}
group by kind, value
having
    count(distinct counterpart) > {{ var('tl_identity').hub_limit }}

    {% call touched() %}
    select higher_kind, higher_value
    from {{ any_change(ref('int_identity_pairs'), ['higher_kind', 'higher_value']) }}
    union all
    select lower_kind, lower_value
    from {{ any_change(ref('int_identity_pairs'), ['lower_kind', 'lower_value']) }}
    {% endcall %}
