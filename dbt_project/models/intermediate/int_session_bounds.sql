select session_id, person_id, min(occurred_at) as started_at, max(occurred_at) as ended_at
from {{ ref('int_session_events') }}
group by session_id, person_id
