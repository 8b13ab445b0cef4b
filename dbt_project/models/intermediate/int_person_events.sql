select
    events.event_key,
    events.event_id,
    persons.person_id,
    persons.identity_rule,
    sessions.session_id,
    events.occurred_at,
    events.occurred_at_local,
    events.occurred_date,
    events.event_name,
    events.event_type,
    events.source,
    events.surface,
    events.platform,
    events.country,
    coalesce(channels.channel, '(none)') as channel,
    events.is_interactive,
    events.is_bot,
    events.is_internal_traffic or internal.person_id is not null as is_internal,
    events.is_key_event,
    events.order_id,
    events.revenue_reporting
from {{ ref('int_events') }} as events
inner join {{ ref('int_event_persons') }} as persons on events.event_key = persons.event_key
left join {{ ref('int_internal_persons') }} as internal on persons.person_id = internal.person_id
left join {{ ref('int_event_sessions') }} as sessions on events.event_key = sessions.event_key
left join {{ ref('int_session_channels') }} as channels on sessions.session_id = channels.session_id
where persons.person_id is not null
order by events.occurred_at, events.event_id, events.event_key
