{{ config(materialized='by_key', key=['kind', 'value']) }}

{#- What each identifier's owner has said about consent, as intervals. An entry speaks from its valid_from on, for
    every identifier it names; one of a public source for its devices only, because anybody may write a user's id
    there. An entry that is silent about analytics leaves standing what was said before.

    Of the versions of one moment the latest counts, per source; what then still differs is contradictory, which is
    denied. A deleted entry no longer grants anything; what it denied stays denied. -#}
with
    entries as (
        select
            entries.source,
            entries.occurred_at as valid_from,
            entries.version_at,
            entries.received_at,
            entries.is_deleted,
            entries.consent_analytics,
            entries.consent_marketing,
            case when sources.trust in ('server', 'signed') then entries.user_id end as user_id,
            entries.anonymous_id,
            entries.device_id
        from {{ ref('stg_events') }} as entries
        left join {{ ref('int_sources') }} as sources on entries.source = sources.source
        where entries.record_kind = 'consent'
    ),

    named as (
        {% for kind in ['user_id', 'anonymous_id', 'device_id'] -%}
            select '{{ kind }}' as kind, {{ kind }} as value, * exclude (user_id, anonymous_id, device_id)
            from entries
            where {{ kind }} is not null and not {{ is_null_like(kind) }}
            {%- if not loop.last %}
                union all
            {% endif -%}
        {%- endfor %}
    ),

    ranked as (
        select
            *,
            rank() over (
                partition by source, kind, value, valid_from, is_deleted
                order by version_at desc nulls last, received_at desc
            ) as place,
            first_value(is_deleted) over (
                partition by source, kind, value, valid_from
                order by version_at desc nulls last, received_at desc, is_deleted desc
            ) as is_withdrawn
        from named {{ only_touched('named.kind', 'named.value') }}
    ),

    moments as (
        select
            kind,
            value,
            valid_from,
            -- false where any entry denies: contradictory is denied
            bool_and(
                case when is_withdrawn and consent_analytics then null else consent_analytics end
            ) as consent_analytics,
            bool_and(
                case when is_withdrawn and consent_marketing then null else consent_marketing end
            ) as consent_marketing
        from ranked
        where not is_deleted and place = 1
        group by kind, value, valid_from
    )

select
    kind,
    value,
    valid_from,
    lead(valid_from) over identifier as valid_to,
    consent_analytics,
    consent_marketing,
    coalesce(not last_value(consent_analytics ignore nulls) over so_far, false) as is_denied
from moments
window
    identifier as (partition by kind, value order by valid_from),
    so_far as (partition by kind, value order by valid_from rows between unbounded preceding and current row)

    {% call touched() %}
    {% for kind in ['user_id', 'anonymous_id', 'device_id'] -%}
        select '{{ kind }}', {{ kind }}
        from {{ arrivals() }}
        where record_kind = 'consent' and {{ kind }} is not null
        {% if not loop.last %}
            union all
        {% endif %}
    {%- endfor %}
    {% endcall %}
