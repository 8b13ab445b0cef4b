{#- The session of every event that has one. A non-interactive event (a server's, as a rule) joins the session with
    the greatest (started_at, session_id) where started_at <= t <= ended_at + time-out: it sets revenue and
    conversion, never the session's bounds. -#}
{%- set timeout -%} interval '{{ var("tl_sessions").timeout_seconds }} seconds' {%- endset -%}
with
    passive as (
        select events.event_key, persons.person_id, events.occurred_at
        from {{ ref('int_events') }} as events
        inner join {{ ref('int_event_persons') }} as persons on events.event_key = persons.event_key
        where not events.is_interactive and persons.person_id is not null
    ),

    bounds as (select * from {{ ref('int_session_bounds') }}),

    attached as (
        {% if var('tl_sessions').scope == 'person' %}
            -- one person's sessions do not overlap: when the latest start does not reach t, none does
            select
                passive.event_key,
                case
                    when passive.occurred_at <= bounds.ended_at + {{ timeout }} then bounds.session_id
                end as session_id
            from passive
            asof inner join bounds on passive.person_id = bounds.person_id and passive.occurred_at >= bounds.started_at
        {% else %}
            select
                passive.event_key,
                max_by(bounds.session_id, {started_at:bounds.started_at, session_id:bounds.session_id}) as session_id
            from passive
            inner join
                bounds
                on passive.person_id = bounds.person_id
                and passive.occurred_at >= bounds.started_at
                and passive.occurred_at <= bounds.ended_at + {{ timeout }}
            group by passive.event_key
        {% endif %}
    )

select event_key, session_id, true as is_interactive
from {{ ref('int_session_events') }}

union all

select event_key, session_id, false
from attached
where session_id is not null
