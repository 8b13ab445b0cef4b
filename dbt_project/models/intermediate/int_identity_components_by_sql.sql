{#- What int_identity_components holds, for an engine without Python models: tl_component_solver: sql makes it and reads it. -#}
{{ config(materialized='connected_components', enabled=var('tl_component_solver') == 'sql') }}

select node_a, node_b, is_override, false as is_never
from {{ ref('int_identity_component_edges') }}

union all

select node_a, node_b, false, true
from {{ ref('int_identity_never') }}
