{{ config(materialized='by_key', key=['higher_node', 'lower_node']) }}

{#- The pairs left when hubs, and what was said to be two, are set aside. -#}
with
    pairs as (select * from {{ ref('int_identity_pairs') }}),

    hubs as (select kind || chr(31) || value as node from {{ ref('int_identity_hubs') }}),

    never as (select * from {{ ref('int_identity_never') }})

select pairs.*
from pairs
anti join hubs on pairs.higher_node = hubs.node
anti join hubs as lower_hubs on pairs.lower_node = lower_hubs.node
anti join
    never on pairs.higher_node = never.node_a and pairs.lower_node = never.node_b
    {{ only_touched('pairs.higher_node', 'pairs.lower_node') }}

    {% call touched() %}
    select higher_node, lower_node
    from {{ any_change(ref('int_identity_pairs'), ['higher_node', 'lower_node']) }}
    union all
    select node_a, node_b
    from {{ any_change(ref('int_identity_never'), ['node_a', 'node_b']) }}
    {% for end in ['higher', 'lower'] %}
        union all
        select pairs.higher_node, pairs.lower_node
        from {{ ref('int_identity_pairs') }} as pairs
        semi join
            {{ changes(ref('int_identity_hubs'), ['kind', 'value']) }} as hubs
            on pairs.{{ end }}_kind = hubs.kind
            and pairs.{{ end }}_value = hubs.value
    {% endfor %}
    {% endcall %}
