{#- Every piece of evidence with what became of it. It is used when it may link and both identifiers stand for one
    person, or are one device. -#}
with
    evidence as (select * from {{ ref('int_identity_evidence') }}),

    nodes as (select * from {{ ref('int_identity_nodes') }}),

    components as (select * from {{ identity_components() }}),

    never as (select * from {{ ref('int_identity_never') }}),

    judged as (
        select
            evidence.*,
            case
                when evidence.evidence = 'unlink'
                then 'never_link'
                when evidence.is_null_like
                then 'null_like'
                when evidence.higher_priority <= 4 and evidence.lower_priority >= 5
                then 'interval'
                when not evidence.is_trusted and evidence.lower_priority <= 4
                then 'untrusted'
                when never.node_a is not null
                then 'never_link'
                when evidence.evidence <> 'link' and (higher.rule = 'hub' or lower.rule = 'hub')
                then 'hub'
                when higher.person_id = lower.person_id
                then null
                when higher.rule = 'conflict' or lower.rule = 'conflict'
                then 'conflict'
                when higher.rule = 'never_link' or lower.rule = 'never_link'
                then 'never_link'
                when contested.is_contested
                then 'contested'
                else 'overruled'
            end as set_aside_reason
        from evidence
        left join nodes as higher on evidence.higher_kind = higher.kind and evidence.higher_value = higher.value
        left join nodes as lower on evidence.lower_kind = lower.kind and evidence.lower_value = lower.value
        left join
            never
            on evidence.higher_kind || chr(31) || evidence.higher_value = never.node_a
            and evidence.lower_kind || chr(31) || evidence.lower_value = never.node_b
        left join
            components as contested
            on evidence.higher_kind || chr(31) || evidence.higher_value = contested.node
            and contested.is_contested
    )

select
    higher_kind,
    higher_value,
    lower_kind,
    lower_value,
    evidence,
    source,
    is_trusted,
    first_seen_at,
    last_seen_at,
    cast(events as bigint) as events,
    example_event_key,
    set_aside_reason is null as is_used,
    set_aside_reason,
    author,
    note
from judged
