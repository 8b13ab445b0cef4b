{{ config(materialized='by_key', key=['higher_kind', 'higher_value']) }}

{#- What was seen: two identifiers that one subject names together, source by source, events and rows of databases
    apart; and what people said (overrides). Nothing is left out here, whatever becomes of it. `higher` has the
    stronger kind. -#}
with
    identifiers as (select * from {{ ref('int_subject_identifiers') }}),

    pairs as (
        select
            higher.kind as higher_kind,
            higher.value as higher_value,
            higher.kind_priority as higher_priority,
            lower.kind as lower_kind,
            lower.value as lower_value,
            lower.kind_priority as lower_priority,
            higher.is_null_like or lower.is_null_like as is_null_like,
            case when higher.record_kind = 'event' then 'event' else 'row' end as evidence,
            higher.source,
            higher.is_trusted,
            higher.first_seen_at,
            higher.last_seen_at,
            higher.events,
            higher.example_event_key
        from identifiers as higher
        inner join
            identifiers as lower
            on higher.subject_key = lower.subject_key
            and (higher.kind_priority, higher.kind, higher.value) < (lower.kind_priority, lower.kind, lower.value)
            {{ only_touched('higher.kind', 'higher.value') }}
    )

select
    higher_kind,
    higher_value,
    higher_priority,
    lower_kind,
    lower_value,
    lower_priority,
    is_null_like,
    evidence,
    source,
    is_trusted,
    min(first_seen_at) as first_seen_at,
    max(last_seen_at) as last_seen_at,
    sum(events) as events,
    min_by(example_event_key, {ts:first_seen_at, key:example_event_key}) as example_event_key,
    cast(null as varchar) as author,
    cast(null as varchar) as note
from pairs
group by all

union all

select
    a_kind,
    a_value,
    {{ kind_priority('a_kind') }},
    b_kind,
    b_value,
    {{ kind_priority('b_kind') }},
    {{ is_null_like('a_value') }} or {{ is_null_like('b_value') }},
    action,
    '(override)',
    true,
    stated_at,
    stated_at,
    0,
    null,
    author,
    reason
from
    {{ ref('stg_identity_overrides') }} as overrides
    {{ only_touched('overrides.a_kind', 'overrides.a_value') }}

    {% call touched() %}
    select identifiers.kind, identifiers.value
    from {{ ref('int_subject_identifiers') }} as identifiers
    semi join
        {{ any_change(ref('int_subject_identifiers'), ['subject_key']) }} as changed
        on identifiers.subject_key = changed.subject_key
    union all
    select kind, value
    from {{ any_change(ref('int_subject_identifiers'), ['kind', 'value']) }}
    union all
    select a_kind, a_value
    from {{ any_change(ref('stg_identity_overrides'), ['a_kind', 'a_value']) }}
    {% endcall %}
