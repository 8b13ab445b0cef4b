{#- The evidence left when hubs are set aside, with nodes as one text for the component solver. -#}
with pairs as (select * from {{ ref('int_identity_pairs') }}), hubs as (select * from {{ ref('int_identity_hubs') }})

select
    pairs.*,
    pairs.higher_kind || chr(31) || pairs.higher_value as higher_node,
    pairs.lower_kind || chr(31) || pairs.lower_value as lower_node
from pairs
anti join hubs on pairs.higher_kind = hubs.kind and pairs.higher_value = hubs.value
anti join hubs as lower_hubs on pairs.lower_kind = lower_hubs.kind and pairs.lower_value = lower_hubs.value
