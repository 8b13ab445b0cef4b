{{ config(materialized='by_key', key='person_id') }}

{#- A session's engaged time is the gaps between its interactive events, each up to a minute (fct_sessions). A gap
    belongs to the view that was open, the last one before it; what was before the first view belongs to the first.
    So the views of a session share out its engaged time without a rest. -#}
with
    -- what is told of a view may come with a later event of it
    scrolls as (select event_key, scroll_percent from {{ ref('int_events') }} where scroll_percent is not null),

    interactive as (
        select
            events.event_key,
            events.session_id,
            events.event_type in ('page', 'screen') as is_view,
            least(
                coalesce(
                    {{ microseconds_between('events.occurred_at', 'lead(events.occurred_at) over (session)') }}, 0
                ),
                60000000
            ) as engaged_microseconds,
            greatest(count(*) filter (events.event_type in ('page', 'screen')) over (session), 1) as view_number,
            scrolls.scroll_percent
        from {{ touched_rows(ref('int_person_events'), 'person_id') }} as events
        left join scrolls on events.event_key = scrolls.event_key
        where events.is_interactive
        window
            session as (partition by events.session_id order by events.occurred_at, events.event_id, events.event_key)
    ),

    views as (
        select
            min(event_key) filter (is_view) as event_key,
            session_id,
            view_number,
            sum(engaged_microseconds) as engaged_microseconds,
            max(scroll_percent) filter (scroll_percent between 0 and 100) as scroll_percent
        from interactive
        group by session_id, view_number
        having bool_or(is_view)
        union all
        -- views nobody looked at (a server's) are in a session at most by their time
        select events.event_key, events.session_id, null, 0, scrolls.scroll_percent
        from {{ touched_rows(ref('int_person_events'), 'person_id') }} as events
        left join scrolls on events.event_key = scrolls.event_key and scrolls.scroll_percent between 0 and 100
        where not events.is_interactive and events.event_type in ('page', 'screen')
    )

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
    coalesce(case when events.event_type = 'page' then details.page_path else details.screen end, '(none)') as page,
    events.surface,
    events.platform,
    events.country,
    events.channel,
    cast(views.engaged_microseconds / 1e6 as double) as engaged_seconds,
    views.scroll_percent,
    coalesce(views.view_number = 1, false) as is_entry,
    coalesce(
        views.view_number = max(views.view_number) over (partition by events.person_id, events.session_id), false
    ) as is_exit,
    events.is_bot,
    events.is_internal
from views
inner join {{ ref('int_person_events') }} as events on views.event_key = events.event_key
inner join
    {{ ref('int_events') }} as details on views.event_key = details.event_key

    {% call touched() %}
    {%- set shown = [
        'event_key', 'event_id', 'person_id', 'session_id', 'occurred_at', 'occurred_at_local', 'event_type', 'surface',
        'platform', 'country', 'channel', 'is_interactive', 'is_bot', 'is_internal'
    ] %}
    select person_id
    from {{ changes(ref('int_person_events'), shown) }}
    union all
    select persons.person_id
    from {{ ref('int_person_events') }} as persons
    semi join
        {{ changes(ref('int_events'), ['event_key', 'page_path', 'screen', 'scroll_percent']) }} as events
        on persons.event_key = events.event_key
    {% endcall %}
