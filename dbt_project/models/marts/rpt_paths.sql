{{ config(materialized='by_key', key='week_start') }}

{#- Bounded, so that it can be drawn: the first steps of a session, between the most visited pages of its week. -#}
{%- set last_step, top_pages = 10, 20 -%}
{%- set open_weeks -%}
    select cast(date_trunc('week', started_date) as date)
    from {{ ref('fct_sessions') }}
    where is_open and not is_bot and not is_internal
{%- endset -%}
with
    -- numbers take the place of texts; a page that is called like what stands for the rest counts as that
    pages as (
        select
            page,
            case
                page when '(other)' then 0 when '(exit)' then 1 else row_number() over (order by page) + 1
            end as number
        from {{ ref('fct_page_views') }}
        group by page
        having count(view_number) > 0
    ),

    sessions as (
        select session_id, cast(date_trunc('week', started_date) as date) as week_start
        from
            {{ ref('fct_sessions') }} as sessions
            {{ only_touched("cast(date_trunc('week', sessions.started_date) as date)") }}
        where not is_bot and not is_internal
    ),

    -- a view is one number: where it is in its session, then its page. Grouped before the sessions are joined, since
    -- the views of a session mostly lie together
    journeys as (
        select
            views.session_id, views.person_id, list((cast(views.view_number as bigint) << 32) + pages.number) as views
        from {{ ref('fct_page_views') }} as views
        inner join pages on views.page = pages.page
        where views.view_number is not null
        group by views.session_id, views.person_id
    ),

    ordered as (
        select
            sessions.week_start,
            journeys.person_id,
            list_transform(list_sort(journeys.views), lambda view:view & 4294967295) as shown
        from journeys
        inner join sessions on journeys.session_id = sessions.session_id
    ),

    -- a page shown twice in a row (loaded again) is one place on the way
    ways as (
        select
            week_start,
            person_id,
            list_filter(shown, lambda page, place: (page is distinct from shown[place + 1])) as places
        from ordered
    ),

    visited as (select week_start, unnest(places) as number from ways),

    top as (
        select visited.week_start, visited.number, pages.page
        from visited
        inner join pages on visited.number = pages.number
        group by visited.week_start, visited.number, pages.page
        qualify
            row_number() over (partition by visited.week_start order by count(*) desc, pages.page) <= {{ top_pages }}
    ),

    steps as (
        select
            week_start,
            person_id,
            generate_subscripts(places[:{{ last_step }}], 1) as step_number,
            unnest(places[:{{ last_step }}]) as origin,
            unnest(places[2:{{ last_step + 1 }}]) as target
        from ways
    ),

    counted as (
        select
            steps.week_start,
            steps.step_number,
            coalesce(origin.number, 0) as from_number,
            case when steps.target is null then 1 else coalesce(target.number, 0) end as to_number,
            count(*) as sessions,
            count(distinct steps.person_id) as persons
        from steps
        left join top as origin on steps.week_start = origin.week_start and steps.origin = origin.number
        left join top as target on steps.week_start = target.week_start and steps.target = target.number
        group by steps.week_start, steps.step_number, from_number, to_number
    )

select
    counted.week_start,
    cast(counted.step_number as integer) as step_number,
    coalesce(origin.page, '(other)') as from_page,
    case when counted.to_number = 1 then '(exit)' else coalesce(target.page, '(other)') end as to_page,
    counted.sessions,
    counted.persons,
    coalesce({{ data_until() }} >= {{ day_end_utc('counted.week_start + 6') }}, false)
    and counted.week_start not in ({{ open_weeks }}) as is_complete
from counted
left join top as origin on counted.week_start = origin.week_start and counted.from_number = origin.number
left join
    top as target on counted.week_start = target.week_start and counted.to_number = target.number

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
