{{ config(materialized='recomputed') }}

{#- Pairs of identifiers somebody said are not one: stronger than any evidence. -#}
select a_kind || chr(31) || a_value as node_a, b_kind || chr(31) || b_value as node_b
from {{ ref('stg_identity_overrides') }}
where action = 'unlink'
