{{ config(materialized='by_key', key='person_id', since='started_at') }}

select session_id, person_id, min(occurred_at) as started_at, max(occurred_at) as ended_at
from {{ touched_rows_since(ref('int_session_events'), 'occurred_at', 'person_id') }} as events
group by
    session_id,
    person_id

    {% call touched() %}
    {{ persons_since_session(ref('int_session_events'), ['person_id', 'session_id', 'event_key', 'occurred_at'], this) }}
    {% endcall %}
