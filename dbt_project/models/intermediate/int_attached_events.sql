{{ config(materialized='by_key', key='person_id') }}

{#- The session of an event that nobody did himself (a server's, as a rule), if it has one: the session with the
    greatest (started_at, session_id) where started_at <= t <= ended_at + time-out. It sets revenue and conversion,
    never the session's bounds. -#}
{%- set timeout -%} interval '{{ var("tl_sessions").timeout_seconds }} seconds' {%- endset -%}
with
    passive as (
        select event_key, person_id, occurred_at
        from {{ ref('int_event_persons') }} as persons {{ only_touched('persons.person_id') }}
        where not is_interactive and person_id is not null
    ),

    bounds as (select * from {{ ref('int_session_bounds') }} as bounds {{ only_touched('bounds.person_id') }}),

    attached as (
        {% if var('tl_sessions').scope == 'person' %}
            -- one person's sessions do not overlap: when the latest start does not reach t, none does
            select
                passive.event_key,
                passive.person_id,
                passive.occurred_at,
                case
                    when passive.occurred_at <= bounds.ended_at + {{ timeout }} then bounds.session_id
                end as session_id
            from passive
            asof inner join bounds on passive.person_id = bounds.person_id and passive.occurred_at >= bounds.started_at
        {% else %}
            select
                passive.event_key,
                passive.person_id,
                passive.occurred_at,
                max_by(bounds.session_id, {started_at:bounds.started_at, session_id:bounds.session_id}) as session_id
            from passive
            inner join
                bounds
                on passive.person_id = bounds.person_id
                and passive.occurred_at >= bounds.started_at
                and passive.occurred_at <= bounds.ended_at + {{ timeout }}
            group by passive.event_key, passive.person_id, passive.occurred_at
        {% endif %}
    )

select event_key, person_id, occurred_at, session_id
from attached
where
    session_id is not null

    {% call touched() %}
    select person_id
    from {{ changes(ref('int_session_bounds'), ['session_id', 'person_id', 'started_at', 'ended_at']) }}
    union all
    select person_id
    from {{ changes(ref('int_event_persons'), ['event_key', 'person_id', 'occurred_at', 'is_interactive']) }}
    {% endcall %}
