{{ config(materialized='recomputed', enabled=var('tl_component_solver') == 'sql') }}

{#- The components as SQL found them, with what changed since. Those found in Python know that themselves. -#}
select node, component, is_contested
from {{ ref('int_identity_components_by_sql') }}
