{{ config(materialized='by_key', key='person_id', since='occurred_at') }}

{#- A session's engaged time is the gaps between its interactive events, each up to a minute (fct_sessions). A gap
    belongs to the view that was open, the last one before it; what was before the first view belongs to the first.
    So the views of a session share out its engaged time without a rest. -#}
with
    -- read twice rather than kept: in a full build it is all events
    events as not materialized(
        select * from {{ touched_rows_since(ref('int_person_events'), 'occurred_at', 'person_id') }} as events
    ),

    interactive as (
        select
            event_key,
            session_id,
            event_type in ('page', 'screen') as is_view,
            least(
                coalesce({{ microseconds_between('occurred_at', 'lead(occurred_at) over (session)') }}, 0), 60000000
            ) as engaged_microseconds,
            greatest(count(*) filter (event_type in ('page', 'screen')) over (session), 1) as view_number,
            scroll_percent
        from events
        where is_interactive
        window session as (partition by session_id order by occurred_at, event_id, event_key)
    ),

    views as (
        select
            min(event_key) filter (is_view) as event_key,
            view_number,
            sum(engaged_microseconds) as engaged_microseconds,
            -- what is told of a view may come with a later event of it
            max(scroll_percent) filter (scroll_percent between 0 and 100) as scroll_percent,
            view_number = max(view_number) over (partition by session_id) as is_exit
        from interactive
        group by session_id, view_number
        having bool_or(is_view)
    )

-- views nobody looked at (a server's) are in a session at most by their time
select
    events.event_key,
    events.event_id,
    events.person_id,
    events.session_id,
    cast(views.view_number as integer) as view_number,
    events.occurred_at,
    events.occurred_at_local,
    events.occurred_date,
    events.event_type as view_type,
    coalesce(case when events.event_type = 'page' then events.page_path else events.screen end, '(none)') as page,
    events.surface,
    events.platform,
    events.country,
    events.channel,
    cast(coalesce(views.engaged_microseconds, 0) / 1e6 as double) as engaged_seconds,
    case
        when views.event_key is not null
        then views.scroll_percent
        when events.scroll_percent between 0 and 100
        then events.scroll_percent
    end as scroll_percent,
    coalesce(views.view_number = 1, false) as is_entry,
    coalesce(views.is_exit, false) as is_exit,
    events.is_bot,
    events.is_internal
from events
left join views on events.event_key = views.event_key
-- a scan applies this, and not IN, before it reads other columns
where list_contains(['page', 'screen'], events.event_type)
order by
    events.occurred_at,
    events.event_id,
    events.event_key

    {% call touched() %}
    {%- set shown = [
        'event_key', 'event_id', 'person_id', 'session_id', 'occurred_at', 'occurred_at_local', 'event_type', 'surface',
        'platform', 'country', 'channel', 'is_interactive', 'is_bot', 'is_internal', 'page_path', 'screen',
        'scroll_percent'
    ] %}
    {{ persons_since_session(ref('int_person_events'), shown, ref('int_session_bounds')) }}
    -- where a session starts changes with its events
    {{ accounted_for(ref('int_session_bounds')) }}
    {{ relied_on(ref('int_person_events')) }}
    {% endcall %}
