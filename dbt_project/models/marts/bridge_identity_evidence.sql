{{ config(materialized='by_key', key=['higher_kind', 'higher_value']) }}

{#- Every piece of evidence with what became of it. It is used when it may link and both identifiers stand for one
    person, or are one device. -#}
with
    evidence as (
        select *
        from
            {{ ref('int_identity_evidence') }} as evidence
            {{ only_touched('evidence.higher_kind', 'evidence.higher_value') }}
    ),

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
                when contested.node is not null
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
from
    judged

    {% call touched() %}
    with
        nodes as (
            select kind, value
            from {{ changes(ref('int_identity_nodes'), ['kind', 'value', 'person_id', 'rule']) }}
            union
            select split_part(node, chr(31), 1), substr(node, strpos(node, chr(31)) + 1)
            from {{ changes(identity_components(), ['node', 'is_contested']) }}
        )

    select higher_kind, higher_value
    from {{ any_change(ref('int_identity_evidence'), ['higher_kind', 'higher_value']) }}
    {% for end in ['higher', 'lower'] %}
        union all
        select evidence.higher_kind, evidence.higher_value
        from {{ ref('int_identity_evidence') }} as evidence
        semi join nodes on evidence.{{ end }}_kind = nodes.kind and evidence.{{ end }}_value = nodes.value
    {% endfor %}
    union all
    select evidence.higher_kind, evidence.higher_value
    from {{ ref('int_identity_evidence') }} as evidence
    semi join
        {{ any_change(ref('int_identity_never'), ['node_a']) }} as never
        on evidence.higher_kind || chr(31) || evidence.higher_value = never.node_a
    {% endcall %}
