{{ config(materialized='by_key', key='week_start') }}

{#- Bounded, so that it can be drawn: the first steps of a session, between the most visited pages of its week. -#}
{%- set last_step, top_pages = 10, 20 -%}
{%- set open_weeks -%}
    select cast(date_trunc('week', started_date) as date)
    from {{ ref('fct_sessions') }}
    where is_open and not is_bot and not is_internal
{%- endset -%}
with
    sessions as (
        select session_id, cast(date_trunc('week', started_date) as date) as week_start
        from
            {{ ref('fct_sessions') }} as sessions
            {{ only_touched("cast(date_trunc('week', sessions.started_date) as date)") }}
        where not is_bot and not is_internal
    ),

    views as (
        select
            sessions.week_start,
            views.session_id,
            views.person_id,
            views.view_number,
            views.page,
            lead(views.page) over (partition by views.session_id order by views.view_number) as next_page
        from {{ ref('fct_page_views') }} as views
        inner join sessions on views.session_id = sessions.session_id
        where views.view_number is not null
    ),

    -- a page shown twice in a row (loaded again) is one place on the way
    places as (
        select *, row_number() over (partition by session_id order by view_number) as step_number
        from views
        where next_page is distinct from page
    ),

    top as (
        select week_start, page
        from places
        group by week_start, page
        qualify row_number() over (partition by week_start order by count(*) desc, page) <= {{ top_pages }}
    )

select
    places.week_start,
    cast(places.step_number as integer) as step_number,
    coalesce(origin.page, '(other)') as from_page,
    case when places.next_page is null then '(exit)' else coalesce(target.page, '(other)') end as to_page,
    count(*) as sessions,
    count(distinct places.person_id) as persons,
    coalesce({{ data_until() }} >= {{ day_end_utc('places.week_start + 6') }}, false)
    and places.week_start not in ({{ open_weeks }}) as is_complete
from places
left join top as origin on places.week_start = origin.week_start and places.page = origin.page
left join top as target on places.week_start = target.week_start and places.next_page = target.page
where places.step_number <= {{ last_step }}
group by
    places.week_start,
    places.step_number,
    coalesce(origin.page, '(other)'),
    case when places.next_page is null then '(exit)' else coalesce(target.page, '(other)') end

    {% call touched() %}
    select cast(date_trunc('week', started_date) as date)
    from {{ changes(ref('fct_sessions'), ['session_id', 'started_date', 'is_bot', 'is_internal']) }}
    union all
    select cast(date_trunc('week', sessions.started_date) as date)
    from {{ ref('fct_sessions') }} as sessions
    semi join
        {{ changes(ref('fct_page_views'), ['session_id', 'person_id', 'view_number', 'page']) }} as views
        on sessions.session_id = views.session_id
    union all
    -- weeks that are complete, or are no longer
    select week_start
    from {{ this }}
    where
        is_complete <> (
            coalesce({{ data_until() }} >= {{ day_end_utc('week_start + 6') }}, false)
            and week_start not in ({{ open_weeks }})
        )
    {{ accounted_for(ref('int_data_until')) }}
    {% endcall %}
