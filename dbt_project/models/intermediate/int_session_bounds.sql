{{ config(materialized='by_key', key='person_id', since='started_at') }}

select session_id, person_id, min(occurred_at) as started_at, max(occurred_at) as ended_at
from {{ touched_rows_since(ref('int_session_events'), 'occurred_at', 'person_id') }} as events
group by
    session_id,
    person_id

    {% call touched() %}
    select events.person_id, {{ since_session('events', 'bounds') }}
    from {{ changes(ref('int_session_events'), ['person_id', 'session_id', 'event_key', 'occurred_at']) }} as events
    left join {{ this }} as bounds on events.session_id = bounds.session_id and events.person_id = bounds.person_id
    {% endcall %}
