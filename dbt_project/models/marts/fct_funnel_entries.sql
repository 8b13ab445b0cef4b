{{ config(materialized='by_key', key='person_id') }}

{%- set funnels = var('tl_funnels') -%}
{%- set has_breakdowns = funnels | selectattr('breakdowns', 'defined') | selectattr('breakdowns') | list | length > 0 -%}
{#- The channel is the session's, all else the event's own. -#}
{%- set by_channel = [] -%}
{%- for funnel in funnels -%}
    {%- for path in funnel.get('breakdowns') or [] if dimension_source(path) == 'channel' -%}
        {%- do by_channel.append(funnel.name) -%}
    {%- endfor -%}
{%- endfor -%}
{%- set dimensions = [] -%}
{%- for dimension in var('tl_dimensions') -%}
    {%- do dimensions.append(dimension_value(dimension, 'details')) -%}
{%- endfor -%}
with
    funnels as (select * from {{ ref('int_funnels') }}),

    attempts as (
        select *
        from {{ ref('int_funnel_walked_attempts') }} as walked {{ only_touched('walked.person_id') }}
        union all
        select *, cast(null as varchar) as contested_opening_key
        from {{ ref('int_funnel_ordered_attempts') }} as ordered {{ only_touched('ordered.person_id') }}
        union all
        select *, cast(null as varchar) as contested_opening_key
        from {{ ref('int_funnel_unordered_attempts') }} as unordered {{ only_touched('unordered.person_id') }}
    ),

    spans as (
        select
            attempts.funnel,
            attempts.person_id,
            attempts.entry_date,
            exclusions.exclusion,
            attempts.step_times[exclusions.after_step] as after_at,
            attempts.step_times[exclusions.before_step] as before_at
        from attempts
        inner join {{ ref('int_funnel_exclusions') }} as exclusions on attempts.funnel = exclusions.funnel
        where exclusions.before_step <= attempts.depth
    ),

    excluded as (
        select funnel, person_id, ordinal as exclusion, occurred_at
        from {{ ref('int_funnel_events') }} as events {{ only_touched('events.person_id') }}
        where part = 'exclusion'
    ),

    void as (
        select distinct spans.funnel, spans.person_id, spans.entry_date
        from spans
        asof join
            excluded
            on spans.funnel = excluded.funnel
            and spans.person_id = excluded.person_id
            and spans.exclusion = excluded.exclusion
            and spans.after_at < excluded.occurred_at
        where excluded.occurred_at < spans.before_at
    ),

    -- the event an attempt began with: of those that could, the smallest key
    openings as (
        select attempts.funnel, attempts.person_id, attempts.entered_at, min(events.event_key) as event_key
        from attempts
        inner join funnels on attempts.funnel = funnels.funnel
        inner join
            {{ touched_rows(ref('int_funnel_events'), 'person_id') }} as events
            on attempts.funnel = events.funnel
            and attempts.person_id = events.person_id
            and attempts.entered_at = events.occurred_at
        where
            events.part = 'step' and {% if some_funnel_is('any') -%} (events.ordinal = 1 or funnels.mode = 'any')
            {%- else -%} events.ordinal = 1
            {%- endif %}
        group by attempts.funnel, attempts.person_id, attempts.entered_at
    ),

    entries as (
        select
            attempts.* exclude (contested_opening_key),
            funnels.version,
            attempts.depth = funnels.steps as converted,
            attempts.entered_at + to_seconds(funnels.window_seconds) as closes_at,
            coalesce(attempts.contested_opening_key, openings.event_key) as opening_event_key,
            void.funnel is not null as is_void
        from attempts
        inner join funnels on attempts.funnel = funnels.funnel
        inner join
            openings
            on attempts.funnel = openings.funnel
            and attempts.person_id = openings.person_id
            and attempts.entered_at = openings.entered_at
        left join
            void
            on attempts.funnel = void.funnel
            and attempts.person_id = void.person_id
            and attempts.entry_date = void.entry_date
    )

select
    entries.funnel,
    entries.version,
    entries.person_id,
    entries.entry_date,
    entries.entered_at,
    entries.depth,
    {% for step in range(1, 11) -%} entries.step_times[{{ step }}] as step_{{ step }}_at, {% endfor -%}
    entries.converted,
    case
        when entries.converted
        then cast({{ seconds_between('entries.entered_at', 'entries.step_times[entries.depth]') }} as double)
    end as seconds_to_convert,
    -- an event at exactly closes_at still counts, so the data must have gone past it
    coalesce({{ data_until() }} > entries.closes_at, false) as window_closed,
    entries.is_void,
    {% for place in range(3) -%}
        {%- set broken_down = [] -%}
        {%- for funnel in funnels if funnel.get('breakdowns') and funnel.breakdowns | length > place -%}
            {%- do broken_down.append(funnel) -%}
        {%- endfor -%}
        {% if broken_down -%}
            case
                entries.funnel
                {%- for funnel in broken_down %}
                    when '{{ funnel.name }}'
                    then coalesce({{ funnel_breakdown(funnel.breakdowns[place], 'opened', 'details') }}, '(none)')
                {%- endfor %}
            end
        {%- else -%} cast(null as varchar)
        {%- endif %} as breakdown_{{ place + 1 }},
    {% endfor %}
    {{ dimensions_object(dimensions) }} as dimensions
from entries
{%- if has_breakdowns or dimensions %}
    {%- if by_channel %}
        inner join {{ ref('int_person_events') }} as opened on entries.opening_event_key = opened.event_key
    {%- endif %}
    inner join {{ ref('int_events') }} as details on entries.opening_event_key = details.event_key
{%- endif %}

    {% call touched() %}
    -- attempts that are not strict and opening events change with the events alone
    {{ accounted_for(ref('int_funnel_ordered_attempts')) }}
    {{ accounted_for(ref('int_funnel_unordered_attempts')) }}
    select person_id
    from {{ any_change(ref('int_funnel_walked_attempts'), ['person_id']) }}
    union all
    select person_id
    from {{ any_change(ref('int_funnel_events'), ['person_id']) }}
    union all
    {%- if has_breakdowns or dimensions %}
        -- what is told of the opening event; that it came or went is told above
        {{ relied_on(ref('int_funnel_events')) }}
        select events.person_id
        from {{ ref('int_funnel_events') }} as events
        semi join
            (
                select event_key
                from {{ altered(ref('int_events'), 'event_key') }}
                {%- if by_channel %}
                    union
                    select event_key
                    from {{ altered(ref('int_person_events'), 'event_key', ['channel']) }}
                {%- endif %}
            ) as changed
            on events.event_key = changed.event_key
        union all
    {%- endif %}
    -- windows that closed, or opened again, as the data now reach
    select entries.person_id
    from {{ this }} as entries
    inner join {{ ref('int_funnels') }} as funnels on entries.funnel = funnels.funnel
    where
        entries.window_closed
        <> coalesce({{ data_until() }} > entries.entered_at + to_seconds(funnels.window_seconds), false)
    {{ accounted_for(ref('int_data_until')) }}
    {% endcall %}
