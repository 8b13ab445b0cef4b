{{ config(materialized='by_key', key='person_id', since='occurred_at') }}

{#- Every interactive event with the session it belongs to.

    A session is a burst: it ends when the next interactive event is more than the time-out away (exactly the
    time-out is still the same session). A maximum length cuts a burst into pieces counted from the burst's
    start. Scope `client` trusts the client's own session id and uses the time-out for events without one. -#}
{%- set sessions = var('tl_sessions') -%}
{#- what is sorted is kept narrow: a person's own name is not carried twice -#}
{%- set scope = 'person_id' if sessions.scope == 'person' else 'scope_key' -%}
with
    interactive as (
        select
            persons.event_key,
            persons.event_id,
            persons.person_id,
            persons.occurred_at,
            {% if sessions.scope == 'device' -%} concat_ws(chr(31), persons.person_id, persons.device_key) as scope_key,
            {%- elif sessions.scope == 'client' -%}
                case
                    when events.client_session_id is not null
                    then concat_ws(chr(31), persons.person_id, events.source, events.client_session_id)
                    else persons.person_id
                end as scope_key,
            {%- endif %}
            {% if sessions.scope == 'client' %} events.client_session_id is null
            {% else %} true
            {% endif %} as has_timeout
        from {{ touched_rows_since(ref('int_event_persons'), 'occurred_at', 'person_id') }} as persons
        {%- if sessions.scope == 'client' %}
            inner join {{ ref('int_events') }} as events on persons.event_key = events.event_key
        {%- endif %}
        where persons.is_interactive and persons.person_id is not null
    ),

    spaced as (
        select *, lag(occurred_at) over scope as previous_at, row_number() over scope as number
        from interactive
        window scope as (partition by {{ scope }} order by occurred_at, event_id, event_key)
    ),

    bursts as (
        select
            * exclude (previous_at),
            previous_at is null
            or (
                has_timeout and occurred_at - previous_at > interval '{{ sessions.timeout_seconds }} seconds'
            ) as is_first,
            -- of what came before a burst nothing depends: the burst may be found again without it
            case when not is_first then previous_at end as previous_at
        from spaced
    ),

    {% if sessions.max_length_seconds -%}
        pieces as (
            select
                *,
                divide(
                    epoch_us(occurred_at)
                    - epoch_us(last_value(case when is_first then occurred_at end ignore nulls) over so_far),
                    {{ sessions.max_length_seconds * 1000000 }}
                ) as piece
            from bursts
            window so_far as (partition by {{ scope }} order by number rows between unbounded preceding and current row)
        ),

        cut as (
            select
                * exclude (is_first, piece),
                is_first or piece <> lag(piece) over (partition by {{ scope }} order by number) as is_first
            from pieces
        )
    {%- else -%} cut as (select * from bursts)
    {%- endif %}

select
    event_key,
    person_id,
    occurred_at,
    previous_at,
    -- named after the session's first event, so that the name survives everything that happens later
    last_value(case when is_first then 's_' || md5(event_key) end ignore nulls) over so_far as session_id,
    cast(number - last_value(case when is_first then number end ignore nulls) over so_far + 1 as integer) as position
from cut
window
    so_far as (partition by {{ scope }} order by number rows between unbounded preceding and current row)

    {% call touched() %}
    {%- set seen = ['event_key', 'event_id', 'person_id', 'device_key', 'occurred_at', 'is_interactive'] %}
    {%- if sessions.scope == 'person' %}
        -- from the start of the last burst before what changed; without one it is the first
        select changed.person_id, coalesce(max(starts.occurred_at), changed.occurred_at)
        from
            (
                select person_id, min(occurred_at) as occurred_at
                from {{ changes(ref('int_event_persons'), seen) }}
                where person_id is not null
                group by person_id
            ) as changed
        left join
            {{ this }} as starts
            on changed.person_id = starts.person_id
            and changed.occurred_at > starts.occurred_at
            and starts.previous_at is null
        group by changed.person_id, changed.occurred_at
    {%- else %}
        -- bursts of one person overlap
        select person_id, cast('-infinity' as timestamp)
        from {{ changes(ref('int_event_persons'), seen) }}
    {%- endif %}
    {%- if sessions.scope == 'client' %}
        union all
        select persons.person_id, cast('-infinity' as timestamp)
        from {{ ref('int_event_persons') }} as persons
        {{ relied_on(ref('int_event_persons')) }}
        semi join
            {{ altered(ref('int_events'), 'event_key', ['source', 'client_session_id']) }} as events
            on persons.event_key = events.event_key
    {%- endif %}
    {% endcall %}
