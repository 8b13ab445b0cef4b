{{ config(materialized='recomputed') }}

select distinct person_id
from {{ ref('int_identity_nodes') }}
where kind = 'user_id' and person_id is not null and value in {{ text_list(var('tl_internal_users')) }}
