{{ config(materialized='recomputed') }}

{#- The components as the solver left them, with what changed since. -#}
select node, component, is_contested
from {{ identity_components() }}
