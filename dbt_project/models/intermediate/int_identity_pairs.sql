{#- Evidence: two identifiers one subject names together. Persons are linked by trusted sources only; the
    identifiers of a device are one device whoever sent them. `higher` has the stronger kind. -#}
with
    identifiers as (select * from {{ ref('int_subject_identifiers') }} where not is_null_like),

    pairs as (
        select
            higher.kind as higher_kind,
            higher.value as higher_value,
            higher.kind_priority as higher_priority,
            lower.kind as lower_kind,
            lower.value as lower_value,
            lower.kind_priority as lower_priority,
            higher.kind_priority >= 5 as is_device,
            higher.is_trusted,
            higher.first_seen_at,
            higher.last_seen_at,
            higher.events
        from identifiers as higher
        inner join
            identifiers as lower
            on higher.subject_key = lower.subject_key
            and (higher.kind_priority, higher.kind, higher.value) < (lower.kind_priority, lower.kind, lower.value)
    )

select
    higher_kind,
    higher_value,
    higher_priority,
    lower_kind,
    lower_value,
    lower_priority,
    is_device,
    bool_or(is_trusted) as is_trusted,
    min(first_seen_at) as first_seen_at,
    max(last_seen_at) as last_seen_at,
    sum(events) as events
from pairs
where (is_device and lower_priority >= 5) or (higher_priority <= 4 and lower_priority <= 4 and is_trusted)
group by all
