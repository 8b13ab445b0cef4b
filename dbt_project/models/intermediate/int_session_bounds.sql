{{ config(materialized='by_key', key='person_id') }}

select session_id, person_id, min(occurred_at) as started_at, max(occurred_at) as ended_at
from {{ ref('int_session_events') }} as events {{ only_touched('events.person_id') }}
group by
    session_id,
    person_id

    {% call touched() %}
    select person_id
    from {{ changes(ref('int_session_events'), ['person_id', 'session_id', 'event_key', 'occurred_at']) }}
    {% endcall %}
