{{ config(materialized='by_key', key='view_date') }}

{#- A view of an open session may still become longer, or cease to be the last one. -#}
{%- set open_days -%}
    select views.occurred_date
    from {{ ref('fct_page_views') }} as views
    semi join
        (select session_id from {{ ref('fct_sessions') }} where is_open) as sessions
        on views.session_id = sessions.session_id
{%- endset -%}
select
    views.occurred_date as view_date,
    views.view_type,
    views.page,
    count(*) as views,
    count(distinct views.person_id) as persons,
    count(*) filter (views.is_entry) as entrances,
    count(*) filter (views.is_exit) as exits,
    -- summed as whole microseconds: a sum of doubles depends on the order of rows
    cast(sum(cast(round(views.engaged_seconds * 1e6) as bigint)) / 1e6 as double) as engaged_seconds,
    coalesce({{ data_until() }} >= {{ day_end_utc('views.occurred_date') }}, false)
    and views.occurred_date not in ({{ open_days }}) as is_complete
from {{ ref('fct_page_views') }} as views {{ only_touched('views.occurred_date') }}
where not views.is_bot and not views.is_internal
group by
    views.occurred_date,
    views.view_type,
    views.page

    {% call touched() %}
    {%- set shown = [
        'event_key', 'person_id', 'occurred_date', 'view_type', 'page', 'engaged_seconds', 'is_entry', 'is_exit', 'is_bot',
        'is_internal'
    ] %}
    select occurred_date
    from {{ changes(ref('fct_page_views'), shown) }}
    union all
    -- days that are complete, or are no longer
    select view_date
    from {{ this }}
    where
        is_complete <> (
            coalesce({{ data_until() }} >= {{ day_end_utc('view_date') }}, false) and view_date not in ({{ open_days }})
        )
    {{ accounted_for(ref('fct_sessions')) }}
    {{ accounted_for(ref('int_data_until')) }}
    {% endcall %}
