{{ config(materialized='by_key', key='event_key', since='occurred_at', near='person_id', slices_of='int_events') }}

select
    events.event_key,
    events.event_id,
    persons.person_id,
    persons.identity_rule,
    sessions.session_id,
    sessions.position,
    sessions.previous_at,
    events.occurred_at,
    events.occurred_at_local,
    events.occurred_date,
    events.event_name,
    events.event_type,
    events.source,
    events.surface,
    events.platform,
    events.country,
    coalesce(bounds.channel, '(none)') as channel,
    events.is_interactive,
    events.is_bot,
    events.is_internal_traffic or internal.person_id is not null as is_internal,
    events.is_key_event,
    events.order_id,
    events.revenue_reporting,
    events.page_path,
    events.screen,
    events.scroll_percent,
    {{ dimension_values('events') }} as dimension_values
from {{ touched_rows_since(ref('int_events'), 'occurred_at', 'event_key', sliced=true) }} as events
inner join
    {{ touched_rows_since(ref('int_event_persons'), 'occurred_at', 'event_key', near='person_id', sliced=true) }}
    as persons
    on events.event_key = persons.event_key
left join {{ ref('int_internal_persons') }} as internal on persons.person_id = internal.person_id
left join
    {{ touched_rows_since(ref('int_event_sessions'), 'occurred_at', 'event_key', near='person_id', sliced=true) }}
    as sessions
    on events.event_key = sessions.event_key
left join {{ ref('int_session_bounds') }} as bounds on sessions.session_id = bounds.session_id
where persons.person_id is not null
-- by time alone: readers of a period touch few row groups, and keys of text would be sorted for nothing
order by
    events.occurred_at

    {% call touched() %}
    {%- set shown = [
        'event_key', 'event_id', 'occurred_at', 'occurred_at_local', 'event_name', 'event_type', 'source', 'surface',
        'platform', 'country', 'is_interactive', 'is_bot', 'is_internal_traffic', 'is_key_event', 'order_id',
        'revenue_reporting', 'page_path', 'screen', 'scroll_percent'
    ] %}
    {%- if var('tl_dimensions') %} {%- do shown.extend(['properties', 'properties_unreviewed']) -%} {%- endif %}
    -- when it was and whose it is, is told alike by all of them
    {{ relied_on(ref('int_event_persons')) }}
    {{ relied_on(ref('int_session_events')) }}
    {{ relied_on(ref('int_attached_events')) }}
    select event_key, occurred_at, null
    from {{ changes(ref('int_events'), shown) }}
    union all
    select event_key, occurred_at, person_id
    from {{ changes(ref('int_event_persons'), ['event_key', 'occurred_at', 'person_id', 'identity_rule']) }}
    union all
    select event_key, occurred_at, person_id
    from
        {{ changes(ref('int_session_events'), ['event_key', 'occurred_at', 'person_id', 'session_id', 'position', 'previous_at']) }}
    union all
    select event_key, occurred_at, person_id
    from {{ changes(ref('int_attached_events'), ['event_key', 'occurred_at', 'person_id', 'session_id']) }}
    union all
    select sessions.event_key, sessions.occurred_at, sessions.person_id
    from {{ ref('int_event_sessions') }} as sessions
    -- of sessions that came or went the events did, too
    semi join {{ altered(ref('int_session_bounds'), 'session_id', ['channel']) }} as bounds on sessions.session_id = bounds.session_id
    union all
    select persons.event_key, persons.occurred_at, persons.person_id
    from {{ ref('int_event_persons') }} as persons
    semi join {{ any_change(ref('int_internal_persons'), ['person_id']) }} as internal on persons.person_id = internal.person_id
    {% endcall %}
