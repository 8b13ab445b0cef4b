{#- For models with `since` that hold what depends on whole sessions: since when those of a person may differ. Sessions of
    one person do not overlap; those of his devices may, and then it is since ever. -#}

{#- A branch of touched(): the persons of events that changed, each since the start of the event's session. A session
    keeps its name when its first event moves to somebody else, so its start counts for its own person alone.
    `relation`: tracked, with events; `columns`: those of which a change counts, person_id, session_id and occurred_at
    among them; `sessions`: with session_id, person_id, started_at. -#}
{%- macro persons_since_session(relation, columns, sessions) -%}
select events.person_id, {{ since_unless_they_overlap('least(events.occurred_at, bounds.started_at)') }}
from {{ changes(relation, columns) }} as events
left join {{ sessions }} as bounds on events.session_id = bounds.session_id and events.person_id = bounds.person_id
{%- endmacro -%}

{%- macro since_started(session) -%} {{ since_unless_they_overlap(session ~ '.started_at') }} {%- endmacro -%}

{%- macro since_unless_they_overlap(moment) -%}
    {%- if var('tl_sessions').scope == 'person' -%} {{ moment }} {%- else -%} cast('-infinity' as timestamp) {%- endif -%}
{%- endmacro -%}
