{{ config(materialized='view') }}

-- A view: what people did themselves, and what was attached to it, are stored once each.
select event_key, session_id, true as is_interactive, person_id, position, occurred_at, previous_at
from {{ ref('int_session_events') }}

union all

select event_key, session_id, false, person_id, null, occurred_at, null
from {{ ref('int_attached_events') }}
