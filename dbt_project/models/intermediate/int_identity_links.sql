{#- The pairs left when hubs, and what was said to be two, are set aside. -#}
with
    pairs as (select * from {{ ref('int_identity_pairs') }}),

    hubs as (select kind || chr(31) || value as node from {{ ref('int_identity_hubs') }}),

    never as (select * from {{ ref('int_identity_never') }})

select pairs.*
from pairs
anti join hubs on pairs.higher_node = hubs.node
anti join hubs as lower_hubs on pairs.lower_node = lower_hubs.node
anti join never on pairs.higher_node = never.node_a and pairs.lower_node = never.node_b
