{{ config(materialized='recomputed') }}

{#- how long after becoming eligible a use counts as adoption -#}
{%- set window -%} interval 28 day {%- endset -%}
{%- set for_everybody = var('tl_features') | rejectattr('eligible') | map(attribute='name') | list -%}
with
    eligible as (
        select
            feature,
            person_id,
            min(occurred_at) as eligible_at,
            min(occurred_date) as eligible_date,
            arg_min(platform, {moment:occurred_at, id:event_id, key:event_key}) as platform
        from {{ ref('int_feature_events') }}
        where part = 'eligible'
        group by feature, person_id
        union all
        select features.feature, starts.person_id, starts.started_at, starts.cohort_date, starts.platform
        from {{ ref('int_person_starts') }} as starts
        cross join unnest({{ text_array(for_everybody) }}) as features(feature)
    ),

    adopters as (
        select eligible.feature, eligible.person_id, min(uses.occurred_at) as adopted_at, count(*) as uses
        from eligible
        inner join
            {{ ref('int_feature_events') }} as uses
            on eligible.feature = uses.feature
            and eligible.person_id = uses.person_id
        where
            uses.part = 'use' and uses.occurred_at between eligible.eligible_at and eligible.eligible_at + {{ window }}
        group by eligible.feature, eligible.person_id
    ),

    persons as (
        select
            eligible.feature,
            eligible.eligible_date,
            eligible.platform,
            adopters.uses,
            {{ seconds_between('eligible.eligible_at', 'adopters.adopted_at') }} as seconds_to_adopt
        from eligible
        left join adopters on eligible.feature = adopters.feature and eligible.person_id = adopters.person_id
    ),

    segments as (
        select *, 'all' as segment_set, 'all' as segment
        from persons
        union all
        select *, 'platform' as segment_set, platform as segment
        from persons
    ),

    counted as (
        select
            feature,
            eligible_date,
            segment_set,
            segment,
            count(*) as eligible,
            count(uses) as adopted,
            count(*) filter (uses > 1) as used_again,
            quantile_cont(seconds_to_adopt, 0.5) as p50_seconds_to_adopt,
            coalesce({{ data_until() }} >= {{ day_end_utc('eligible_date') }} + {{ window }}, false) as is_complete
        from segments
        group by feature, eligible_date, segment_set, segment
    )

select
    feature,
    eligible_date,
    segment_set,
    segment,
    eligible,
    adopted,
    used_again,
    -- as long as some have time left, a rate would make the last month look worse than the one before
    cast(case when is_complete then adopted / eligible end as double) as adoption_rate,
    cast(case when is_complete then used_again / nullif(adopted, 0) end as double) as repeat_rate,
    cast(case when is_complete then p50_seconds_to_adopt end as double) as p50_seconds_to_adopt,
    is_complete
from counted
